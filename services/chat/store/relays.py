"""Where the relays keep what they agree on."""

from collections.abc import Collection, Mapping

import msgspec
import pymongo
from pymongo import ReturnDocument
from pymongo.database import Database

from chassis.mongo import Document, unavailable
from services.chat.shares import Agreement, Shares

AGREEMENT = "agreement"
BEAT_TIMEOUT_SECONDS = 2.0


class RelayStore:
    """Keeps what the relays agree on about the partitions, all in one document."""

    def __init__(self, database: Database[Document]) -> None:
        self._relays = database["relays"]

    @unavailable()
    def agreement(self) -> Agreement:
        return _agreement(self._relays.find_one({"_id": AGREEMENT}) or {})

    @unavailable()
    def beat(self, relay_id: str, subscriptions: Mapping[int, int]) -> Agreement:
        """Tell of the relay, once more than before; what all have told and agreed on."""
        told = {str(partition): number for partition, number in subscriptions.items()}
        with pymongo.timeout(BEAT_TIMEOUT_SECONDS):
            found = self._relays.find_one_and_update(
                {"_id": AGREEMENT},
                {
                    "$inc": {f"members.{relay_id}.beats": 1},
                    "$set": {f"members.{relay_id}.subscriptions": told},
                    "$setOnInsert": {"version": 0, "shares": {}},
                },
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        return _agreement(found or {})

    @unavailable()
    def agree(self, agreement: Agreement, shares: Shares, *, gone: Collection[str]) -> bool:
        """Share out anew and forget who is gone; False when others did so since ``agreement``."""
        change: Document = {
            "$set": {"shares": {str(partition): relay_id for partition, relay_id in shares.items()}},
            "$inc": {"version": 1},
        }
        if gone:
            change["$unset"] = {f"members.{relay_id}": 1 for relay_id in gone}
        asked = self._relays.update_one({"_id": AGREEMENT, "version": agreement.version}, change)
        return asked.modified_count == 1

    @unavailable()
    def leave(self, relay_id: str) -> None:
        self._relays.update_one({"_id": AGREEMENT}, {"$unset": {f"members.{relay_id}": 1}})


def _agreement(document: Document) -> Agreement:
    return msgspec.convert(document, Agreement, strict=False)
