"""Where details and their history are kept: one document a customer, one line a change, both or neither."""

from datetime import datetime
from typing import Any

import msgspec
from pymongo import ASCENDING, DESCENDING
from pymongo.client_session import ClientSession
from pymongo.database import Database

from chassis.mongo import Document, transaction, unavailable
from services.accounts.details.model import (
    PARTS,
    Billing,
    Contact,
    Details,
    DetailsChanged,
    Entry,
    Kept,
    Reminder,
    remind_at,
)


class DetailsStore:
    def __init__(self, database: Database[Any]) -> None:
        self._database = database
        self._details = database["account_details"]
        self._history = database["account_details_history"]

    def ensure_indexes(self) -> None:
        self._details.create_index("remind_at", sparse=True)
        self._history.create_index([("customer_id", ASCENDING), ("_id", DESCENDING)])

    @unavailable()
    def begin(self, customer_id: str, now: datetime) -> None:
        """From now on we wait for the customer's details, unless we do already."""
        due_at = Details(customer_id=customer_id, begun_at=now).due_at
        new = {"begun_at": now, "due_at": due_at, "remind_at": due_at}
        self._details.update_one({"_id": customer_id}, {"$setOnInsert": new}, upsert=True)

    @unavailable()
    def get(self, customer_id: str, *, now: datetime) -> Details:
        """What the customer has given; of one that is not known, nothing."""
        document = self._details.find_one({"_id": customer_id})
        if document is None:
            return Details(customer_id=customer_id, begun_at=now)
        return msgspec.convert({**document, "customer_id": document["_id"]}, Details)

    def keep(self, customer_id: str, known: Details, wanted: Details, entries: list[Entry], *, now: datetime) -> None:
        """Keep the details in place of those known, and the lines about it. Raises ``DetailsChanged``."""
        self.begin(customer_id, known.begun_at)
        looked_at = {"_id": customer_id, **{_revision(part): _kept_revision(known, part) for part in PARTS}}
        changed = {part: _document(getattr(wanted, part)) for part in PARTS if getattr(wanted, part)}
        due = {"due_at": wanted.due_at, "remind_at": remind_at(wanted.due_at, now)}

        def work(session: ClientSession) -> None:
            if not self._details.update_one(looked_at, {"$set": changed | due}, session=session).matched_count:
                raise DetailsChanged
            if entries:
                self._history.insert_many([_entry_document(customer_id, entry) for entry in entries], session=session)

        transaction(self._database, work)

    @unavailable()
    def history(self, customer_id: str, *, after: str | None, limit: int) -> list[Entry]:
        """The newest lines first, from that before ``after``."""
        which: Document = {"customer_id": customer_id} | ({"_id": {"$lt": after}} if after else {})
        found = self._history.find(which).sort("_id", DESCENDING).limit(limit)
        return [msgspec.convert({**document, "entry_id": document["_id"]}, Entry) for document in found]

    @unavailable()
    def to_remind(self, *, now: datetime, limit: int) -> list[Reminder]:
        """Customers whose next reminder is due."""
        found = self._details.find({"remind_at": {"$lte": now}}).sort("remind_at", ASCENDING).limit(limit)
        return [msgspec.convert({**document, "customer_id": document["_id"]}, Reminder) for document in found]

    @unavailable()
    def set_reminded(self, reminder: Reminder, *, again_at: datetime | None) -> None:
        """The letter is written; unless the date has changed meanwhile, the next one is due then, or there is none."""
        which = {"_id": reminder.customer_id, "due_at": reminder.due_at, "remind_at": reminder.remind_at}
        update: Document = {"$set": {"remind_at": again_at}} if again_at else {"$unset": {"remind_at": ""}}
        self._details.update_one(which, update)


def _revision(part: str) -> str:
    return f"{part}.revision"


def _kept_revision(details: Details, part: str) -> int | None:
    """As MongoDB compares it: None also matches what is not there."""
    kept = getattr(details, part)
    return kept.revision if kept else None


def _document(kept: Kept[Contact] | Kept[Billing]) -> Document:
    return {"value": msgspec.to_builtins(kept.value), "revision": kept.revision, "confirmed_at": kept.confirmed_at}


def _entry_document(customer_id: str, entry: Entry) -> Document:
    document: Document = msgspec.to_builtins(entry, builtin_types=(datetime,))
    document["_id"] = document.pop("entry_id")
    return document | {"customer_id": customer_id}
