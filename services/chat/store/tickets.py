"""Where it is kept which tickets were used."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from pymongo.database import Database
from pymongo.errors import BulkWriteError

from chassis.mongo import Document, unavailable
from services.chat.store.documents import DUPLICATE_KEY

USED_TICKET_KEPT = timedelta(hours=1)
"""How long a used ticket is remembered: far longer than one is good, however MongoDB's clock goes."""


class TicketStore:
    """Keeps which tickets were used."""

    def __init__(self, database: Database[Document]) -> None:
        self._used = database["used_tickets"]

    @unavailable()
    def ensure_indexes(self) -> None:
        self._used.create_index("used_at", expireAfterSeconds=int(USED_TICKET_KEPT.total_seconds()))

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
