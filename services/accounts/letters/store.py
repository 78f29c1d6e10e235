"""The ledger of letters. A line is claimed by one update, for as long as sending may take, by the database's clock.

Who is killed leaves it claimed, and it is free again when that time is over.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from pymongo import ASCENDING, ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.database import Database

from chassis.mongo import Document, unavailable
from services.accounts.letters.model import Letter

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class LetterStore:
    def __init__(self, database: Database[Any]) -> None:
        self._letters = database["letters"]

    def ensure_indexes(self) -> None:
        self._letters.create_index([("state", ASCENDING), ("due_at", ASCENDING)])

    @unavailable()
    def put_once(self, customer_id: str, letter: Letter, *, session: ClientSession | None = None) -> None:
        """Write the letter down, unless it was written before, whatever has become of it."""
        new = {
            "customer_id": customer_id,
            "subject": letter.subject,
            "text": letter.text,
            "to": list(letter.to),
            "state": "waiting",
            "due_at": LONG_AGO,
            "attempts": 0,
            "refusals": 0,
        }
        self._letters.update_one({"_id": letter.letter_id}, {"$setOnInsert": new}, upsert=True, session=session)

    @unavailable()
    def claim(self, *, lasts: timedelta) -> Letter | None:
        """A letter that is to be sent, and nobody else's for so long; None if there is none."""
        due = {"state": "waiting", "$expr": {"$lte": ["$due_at", "$$NOW"]}}
        claimed = {"attempts": {"$add": ["$attempts", 1]}, "due_at": _from_now(lasts)}
        document = self._letters.find_one_and_update(
            due, [{"$set": claimed}], sort=[("due_at", ASCENDING)], return_document=ReturnDocument.AFTER
        )
        return msgspec.convert({**document, "letter_id": document["_id"]}, Letter) if document else None

    @unavailable()
    def set_sent(self, letter: Letter) -> None:
        """The mail server took it for everybody; what it said is not needed any more."""
        sent: list[Document] = [{"$set": {"state": "sent", "sent_at": "$$NOW"}}, {"$unset": ["text", "to", "owed"]}]
        self._letters.update_one({"_id": letter.letter_id}, sent)

    @unavailable()
    def set_refused(self, letter: Letter, *, owed: tuple[str, ...], reason: str, again_in: timedelta | None) -> None:
        """It did not reach ``owed``: to be tried again after that time, or never."""
        refused: Document = {
            "owed": {"$literal": list(owed)},
            "reason": {"$literal": reason},
            "refusals": letter.refusals + 1,
            "state": "waiting" if again_in else "failed",
        }
        if again_in:
            refused["due_at"] = _from_now(again_in)
        self._letters.update_one(_mine(letter), [{"$set": refused}])

    @unavailable()
    def give_back(self, letter: Letter, *, again_in: timedelta) -> None:
        """It was not sent, or nobody knows; it is due again after that time."""
        self._letters.update_one(_mine(letter), [{"$set": {"due_at": _from_now(again_in)}}])


def _mine(letter: Letter) -> Document:
    """The line, for as long as nobody else has claimed it after us."""
    return {"_id": letter.letter_id, "attempts": letter.attempts, "state": "waiting"}


def _from_now(lasts: timedelta) -> Document:
    return {"$add": ["$$NOW", int(lasts.total_seconds() * 1000)]}
