"""Who shows a ticket is let in once, and told how their conversations stand."""

from collections.abc import Sequence
from datetime import datetime

from chassis.auth import Caller, NotAuthenticated, Ticket, TokenVerifier
from services.chat.model import Standing
from services.chat.store import ConversationStore, TicketStore, VisitorStore

Standings = Sequence[Standing]


def admit(
    shown: Sequence[str],
    *,
    verifier: TokenVerifier,
    tickets: TicketStore,
    visitors: VisitorStore,
    conversations: ConversationStore,
    now: datetime,
) -> list[Standings | None]:
    """How the conversations stand of whom each ticket admits.

    None for one that is not good, or was used, or whose visitor is erased.
    """
    read = [_read(ticket, verifier) for ticket in shown]
    admitted: dict[str, Standings] = {}
    for customer_id, callers in _by_customer(read).items():
        fresh = tickets.use(customer_id, callers.keys(), now=now)
        let_in = {ticket_id: callers[ticket_id] for ticket_id in fresh}
        admitted |= _standings(customer_id, let_in, visitors=visitors, conversations=conversations)
    # One that was shown twice at the same time admits the first.
    return [admitted.pop(ticket.ticket_id, None) if ticket else None for ticket in read]


def _read(ticket: str, verifier: TokenVerifier) -> Ticket | None:
    try:
        return verifier.verify_ticket(ticket)
    except NotAuthenticated:
        return None


def _by_customer(read: Sequence[Ticket | None]) -> dict[str, dict[str, Caller]]:
    found: dict[str, dict[str, Caller]] = {}
    for ticket in read:
        if ticket is not None and ticket.caller.customer_id and ticket.caller.subject:
            found.setdefault(ticket.caller.customer_id, {})[ticket.ticket_id] = ticket.caller
    return found


def _standings(
    customer_id: str, callers: dict[str, Caller], *, visitors: VisitorStore, conversations: ConversationStore
) -> dict[str, Standings]:
    """By ticket; a visitor who is erased is left out."""
    of_visitors = {caller.subject or "" for caller in callers.values() if caller.role == "visitor"}
    of_operators = {caller.subject or "" for caller in callers.values() if caller.role != "visitor"}
    present = visitors.those_present(customer_id, of_visitors)
    found = conversations.standings_of_visitors(customer_id, present)
    found |= conversations.standings_of_operators(customer_id, of_operators)
    return {
        ticket_id: found.get(caller.subject or "", ())
        for ticket_id, caller in callers.items()
        if caller.role != "visitor" or caller.subject in present
    }
