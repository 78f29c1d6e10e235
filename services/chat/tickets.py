"""Who shows a ticket is let in once, and told how their conversations stand."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo.database import Database
from pymongo.errors import BulkWriteError

from chassis.auth import Caller, NotAuthenticated, Ticket, TokenVerifier
from chassis.mongo import Document, unavailable
from services.chat.model import Standing
from services.chat.store import DUPLICATE_KEY, ConversationStore, VisitorStore

USED_KEPT = timedelta(hours=1)
"""How long a used ticket is remembered: far longer than one is good, however MongoDB's clock goes."""


Standings = Sequence[Standing]


class TicketStore:
    """Keeps which tickets were used."""

    def __init__(self, database: Database[Document]) -> None:
        self._used = database["used_tickets"]

    @unavailable()
    def ensure_indexes(self) -> None:
        self._used.create_index("used_at", expireAfterSeconds=int(USED_KEPT.total_seconds()))

    @unavailable()
    def use(self, customer_id: str, ticket_ids: Collection[str], *, now: datetime) -> set[str]:
        """Those of the tickets that nobody had used before."""
        used = [{"_id": ticket_id, "customer_id": customer_id, "used_at": now} for ticket_id in ticket_ids]
        try:
            self._used.insert_many(used, ordered=False)
        except BulkWriteError as error:
            return set(ticket_ids) - _refused(error)
        return set(ticket_ids)


def _refused(error: BulkWriteError) -> set[str]:
    refused: list[dict[str, Any]] = (error.details or {}).get("writeErrors", [])
    if not refused or any(one["code"] != DUPLICATE_KEY for one in refused):
        raise error
    return {one["op"]["_id"] for one in refused}


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
