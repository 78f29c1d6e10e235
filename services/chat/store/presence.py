"""Where it is kept who of the operators is there."""

from datetime import datetime

from pymongo import ASCENDING
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from chassis.mongo import Document, unavailable
from services.chat.model import (
    PRESENCE_LASTS,
)


class PresenceStore:
    """Keeps when each session of an operator last looked at the conversations; what is old cleans itself up."""

    def __init__(self, database: Database[Document]) -> None:
        self._presence = database["presence"]

    @unavailable()
    def ensure_indexes(self) -> None:
        self._presence.create_index([("customer_id", ASCENDING), ("session_id", ASCENDING)], unique=True)
        self._presence.create_index("seen_at", expireAfterSeconds=int(PRESENCE_LASTS.total_seconds()))

    @unavailable()
    def note(self, customer_id: str, session_id: str, *, now: datetime) -> None:
        key = {"customer_id": customer_id, "session_id": session_id}
        try:
            self._presence.update_one(key, {"$max": {"seen_at": now}}, upsert=True)
        except DuplicateKeyError:
            # Two requests of a new session at once: the other one has just noted it.
            return

    @unavailable()
    def forget(self, customer_id: str, session_id: str) -> None:
        self._presence.delete_one({"customer_id": customer_id, "session_id": session_id})

    @unavailable()
    def is_anybody_there(self, customer_id: str, *, since: datetime) -> bool:
        return self._presence.find_one({"customer_id": customer_id, "seen_at": {"$gt": since}}) is not None
