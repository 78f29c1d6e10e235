"""Issuing and redeeming tickets."""

from collections.abc import Callable
from datetime import datetime

from services.accounts.sessions.model import SessionNotLive
from services.accounts.tickets import model
from services.accounts.tickets.model import Claims, TicketNotValid, TicketNotYours
from services.accounts.tickets.store import TicketStore


def issue_ticket(claims: Claims, *, customer_id: str | None, now: datetime, tickets: TicketStore) -> str:
    """A ticket for those claims. Raises ``TicketNotYours`` if the caller acts for another customer than they name."""
    if customer_id is not None and claims.customer_id != customer_id:
        raise TicketNotYours
    ticket = model.new_ticket()
    tickets.add(claims.customer_id, model.hash_of(ticket), claims, expires_at=now + model.LIFE)
    return ticket


def redeem_ticket(
    ticket: str, *, now: datetime, tickets: TicketStore, check_session: Callable[[str, str], object]
) -> Claims:
    """What the ticket claims, once. Raises ``TicketNotValid``, also when the operator has signed out meanwhile."""
    claims = tickets.take(model.hash_of(ticket), now=now)
    if claims.kind == "operator" and claims.session_id is not None:
        try:
            check_session(claims.customer_id, claims.session_id)
        except SessionNotLive as error:
            raise TicketNotValid from error
    return claims
