"""Where tickets wait to be used."""

from datetime import datetime
from typing import Any

import msgspec
from pymongo.database import Database

from chassis.mongo import unavailable
from services.accounts.tickets.model import Claims, TicketNotValid


class TicketStore:
    def __init__(self, database: Database[Any]) -> None:
        self._tickets = database["tickets"]

    def ensure_indexes(self) -> None:
        self._tickets.create_index("expires_at", expireAfterSeconds=0)

    @unavailable()
    def add(self, customer_id: str, ticket_hash: str, claims: Claims, *, expires_at: datetime) -> None:
        document = {"_id": ticket_hash, "customer_id": customer_id, "expires_at": expires_at}
        self._tickets.insert_one(document | {"claims": msgspec.to_builtins(claims)})

    @unavailable()
    def take(self, ticket_hash: str, *, now: datetime) -> Claims:
        """What the ticket claims; whoever asks next finds nothing. Raises ``TicketNotValid``."""
        document = self._tickets.find_one_and_delete({"_id": ticket_hash, "expires_at": {"$gt": now}})
        if document is None:
            raise TicketNotValid
        return msgspec.convert(document["claims"], Claims)
