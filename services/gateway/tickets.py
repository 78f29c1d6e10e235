"""Tickets: what a browser shows once, within a minute, to open its socket.

A ticket carries whom it admits, signed by us, so that nobody has to keep it until it is shown. Chat keeps which were
used: it is asked how the conversations stand of whoever comes in, and so there is one question and not two.
"""

from chassis.auth import LIFE_SECONDS, Caller, NotAuthenticated, TokenIssuer, TokenVerifier, public_keys

COUNTED_BY = "chat"


class Tickets:
    """Issues and reads tickets with the gateway's own key."""

    def __init__(self, service: str, private_jwk: str) -> None:
        self._issuer = TokenIssuer(service, private_jwk)
        self._verifier = TokenVerifier(COUNTED_BY, public_keys([private_jwk]))

    def issue(self, caller: Caller) -> dict[str, str | int]:
        """A ticket that admits ``caller``, and for how many seconds."""
        return {"ticket": self._issuer.ticket_for(caller, COUNTED_BY), "expires_in": LIFE_SECONDS}

    def read(self, ticket: str) -> Caller | None:
        """Whom the ticket admits if it was not used before; None if it is not one of ours, or too old."""
        try:
            return self._verifier.verify_ticket(ticket).caller
        except NotAuthenticated:
            return None
