"""Where the state of the erasures is kept."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from chassis.mongo import Document, transaction, unavailable
from services.chat.model import (
    OF_VISITORS,
    SERVICES,
    ErasedCount,
    Erasure,
    Part,
    Receipt,
    Service,
    total,
)
from services.chat.store.documents import TOMBSTONE_KEPT, to_object

PARTS_AT_ONCE = 500
MOST_WAITING = 500
MOST_DOUBLINGS = 5
STATE = ("visitor_id", "due_at", "found", "asked", "is_told")
"""What only an erasure that is not completed has."""
UNTOLD = {"is_told": False}


class ErasureStore:
    """Keeps the state of the erasures, and in the end of each customer's day only how many there were.

    While ``most_waiting`` receipts are missing, no further erasure begins its look; everybody is told all the same.
    """

    def __init__(self, database: Database[Document], *, most_waiting: int = MOST_WAITING) -> None:
        self._database = database
        self._most_waiting = most_waiting
        self._erasures = database["erasures"]
        self._parts = database["erasure_parts"]
        self._counts = database["erased_counts"]
        self._visitors = database["visitors"]
        self._visits = database["visits"]
        self._consents = database["cookie_consents"]
        self._conversations = database["conversations"]

    @unavailable()
    def ensure_indexes(self) -> None:
        visitor = [("customer_id", ASCENDING), ("visitor_id", ASCENDING)]
        named = {"visitor_id": {"$gt": ""}}
        self._erasures.create_indexes(
            [
                IndexModel(visitor, unique=True, partialFilterExpression=named),
                IndexModel([("token_hash", ASCENDING)]),
                IndexModel([("due_at", ASCENDING)], sparse=True),
                IndexModel([("is_told", ASCENDING)], partialFilterExpression=UNTOLD),
                IndexModel(
                    [("completed_at", ASCENDING)],
                    expireAfterSeconds=int(TOMBSTONE_KEPT.total_seconds()),
                    partialFilterExpression={"completed_at": {"$type": "date"}},
                ),
            ]
        )
        self._parts.create_index([("erasure_id", ASCENDING), ("waiting", ASCENDING)])
        self._parts.create_index([("waiting", ASCENDING)])
        per_day = [("customer_id", ASCENDING), ("day", DESCENDING), ("reason", ASCENDING)]
        self._counts.create_index(per_day, unique=True)

    @unavailable()
    def untold(self, *, limit: int) -> list[Erasure]:
        """Those that nobody has been told of yet."""
        return [erasure_of(document) for document in self._erasures.find(UNTOLD).limit(limit)]

    @unavailable()
    def note_told(self, erasure: Erasure) -> None:
        self._erasures.update_one({"_id": erasure.erasure_id, **UNTOLD}, {"$set": {"is_told": True}})

    @unavailable()
    def claim(self, now: datetime, *, retry_after: timedelta, limit: int) -> list[Erasure]:
        """Those that are due, for this caller alone for ``retry_after``, and each time in one look for twice as long.

        While more receipts are missing than are worked off in that time, only those whose look has begun: to ask for
        more would have everybody do the same work again and again.
        """
        due: Document = {"due_at": {"$lte": now}}
        missing = {"waiting": {"$in": list(SERVICES)}}
        if self._parts.count_documents(missing, limit=self._most_waiting) == self._most_waiting:
            due["asked"] = {"$gt": 0}
        claimed: list[Erasure] = []
        while len(claimed) < limit:
            found = self._erasures.find_one_and_update(
                due,
                _claimed(now, retry_after),
                sort=[("due_at", ASCENDING)],
                return_document=ReturnDocument.AFTER,
            )
            if found is None:
                break
            claimed.append(erasure_of(found))
        return claimed

    @unavailable()
    def bury(self, erasure: Erasure, *, at: datetime) -> None:
        """Leave a bare id of the visitor: their token is nobody's, even if whoever began the erasure died of it."""
        bury(erasure, self._visitors, at=at)

    def forget_visits(self, erasure: Erasure) -> None:
        """Remove the visitor's visits and what they said to cookies, and count both in the present look."""
        mine = {"customer_id": erasure.customer_id, "visitor_id": erasure.visitor_id}

        def work(session: ClientSession) -> None:
            for kind, held in (("visits", self._visits), ("cookie_consents", self._consents)):
                if number := held.delete_many(mine, session=session).deleted_count:
                    self._count_found(erasure, {kind: number}, session=session)

        transaction(self._database, work)

    @unavailable()
    def count_found(self, erasure: Erasure, found: Mapping[str, int]) -> None:
        """Count what was removed of the visitor themselves in the present look."""
        self._count_found(erasure, found)

    def _count_found(self, erasure: Erasure, found: Mapping[str, int], *, session: ClientSession | None = None) -> None:
        added = {f"found.{kind}": number for kind, number in found.items()}
        self._erasures.update_one({"_id": erasure.erasure_id, "look": erasure.look}, {"$inc": added}, session=session)

    @unavailable()
    def gather_parts(self, erasure: Erasure) -> None:
        """Make the visitor's conversations parts of the present look, those that were parts of an earlier one too."""
        mine = {"customer_id": erasure.customer_id, "visitor_id": erasure.visitor_id}
        found = self._conversations.find(mine, {"_id": 1}, batch_size=PARTS_AT_ONCE)
        for documents in _batches(found, PARTS_AT_ONCE):
            self._parts.bulk_write([new_part(erasure, document["_id"]) for document in documents], ordered=False)
        # What was left while nobody was there has no conversation, and goes by its visitor.
        self._parts.bulk_write([new_part(erasure, erasure.visitor_id, OF_VISITORS)])
        earlier: Document = {"erasure_id": erasure.erasure_id, "look": {"$lt": erasure.look}}
        again = {"look": erasure.look, "found": {}}
        own = {"_id": erasure.visitor_id}
        self._parts.update_many(earlier | own, {"$set": again | {"waiting": list(OF_VISITORS)}})
        self._parts.update_many(earlier, {"$set": again | {"waiting": list(SERVICES)}})

    @unavailable()
    def waiting_parts(self, erasure: Erasure) -> Iterator[Part]:
        """The parts that lack a receipt."""
        for document in self._parts.find(owing_to(erasure.erasure_id), batch_size=PARTS_AT_ONCE):
            yield to_object(document, Part, key="conversation_id")

    @unavailable()
    def receive(self, receipts: Sequence[Receipt], *, now: datetime) -> None:
        """Take the receipts down, each once; an erasure that now has all of its look is due at once."""
        if receipts:
            self._parts.bulk_write([_received(receipt) for receipt in receipts], ordered=False)
        for erasure_id in sorted({receipt.erasure_id for receipt in receipts}):
            if not self._parts.find_one(owing_to(erasure_id), {"_id": 1}):
                self._erasures.update_one(*due_at_once(erasure_id, now))

    @unavailable()
    def found_in(self, erasure: Erasure) -> dict[str, int]:
        """What all the parts have found in the present look, together with what is counted at the erasure itself."""
        kinds: list[Document] = [
            {"$match": {"erasure_id": erasure.erasure_id}},
            {"$project": {"found": {"$objectToArray": "$found"}}},
            {"$unwind": "$found"},
            {"$group": {"_id": "$found.k", "number": {"$sum": "$found.v"}}},
        ]
        of_parts = {document["_id"]: document["number"] for document in self._parts.aggregate(kinds)}
        own = self._erasures.find_one({"_id": erasure.erasure_id}, {"found": 1}) or {}
        return total(of_parts, own.get("found", {}))

    @unavailable()
    def look_again(self, erasure: Erasure, *, removed: Mapping[str, int], at: datetime) -> None:
        """End the present look, which has removed ``removed``, and begin the next at ``at``."""
        present = {"_id": erasure.erasure_id, "look": erasure.look, "completed_at": None}
        together = total(erasure.removed, removed)
        changes = {"look": erasure.look + 1, "found": {}, "removed": together, "due_at": at, "asked": 0}
        self._erasures.update_one(present, {"$set": changes})

    def complete(self, erasure: Erasure, *, certificate: str, completed_at: datetime) -> bool:
        """Forget whose erasure it was, and count it; False if that was done before."""
        running = {"_id": erasure.erasure_id, "look": erasure.look, "completed_at": None}
        day = {
            "customer_id": erasure.customer_id,
            "day": completed_at.strftime("%Y-%m-%d"),
            "reason": erasure.reason,
        }
        numbers = {kind: erasure.removed.get(kind, 0) for kind in ("visitors", "conversations")}

        def work(session: ClientSession) -> bool:
            changes = {"completed_at": completed_at, "certificate": certificate}
            update = {"$set": changes, "$unset": dict.fromkeys(STATE, "")}
            if self._parts.find_one(owing_to(erasure.erasure_id), {"_id": 1}, session=session):
                return False
            if not self._erasures.update_one(running, update, session=session).matched_count:
                return False
            self._parts.delete_many({"erasure_id": erasure.erasure_id}, session=session)
            self._counts.update_one(day, {"$inc": numbers}, upsert=True, session=session)
            return True

        while True:
            try:
                return transaction(self._database, work)
            except DuplicateKeyError:
                # Two first erasures of one day at once: the day is there now.
                continue

    @unavailable()
    def counts(self, customer_id: str, *, before: str | None, limit: int) -> list[ErasedCount]:
        """How many were erased, the latest day first, from the day before ``before`` on."""
        mine: Document = {"customer_id": customer_id}
        if before is not None:
            mine["day"] = {"$lt": before}
        in_order = [("day", DESCENDING), ("reason", ASCENDING)]
        return [
            msgspec.convert(each, ErasedCount)
            for each in self._counts.find(mine, {"_id": 0}, sort=in_order).limit(limit)
        ]


def _batches(documents: Iterable[Document], size: int) -> Iterator[list[Document]]:
    batch: list[Document] = []
    for document in documents:
        batch.append(document)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def owing_to(erasure_id: str) -> Document:
    return {"erasure_id": erasure_id, "waiting": {"$in": list(SERVICES)}}


def due_at_once(erasure_id: str, now: datetime) -> tuple[Document, Document]:
    """What has the erasure take its next step now: not between two looks, when a receipt has only come again."""
    return {"_id": erasure_id, "due_at": {"$gt": now}, "asked": {"$gt": 0}}, {"$set": {"due_at": now}}


def _claimed(now: datetime, retry_after: timedelta) -> list[Document]:
    asked = {"$ifNull": ["$asked", 0]}
    factor = {"$pow": [2, {"$min": [asked, MOST_DOUBLINGS]}]}
    pause = {"$multiply": [int(retry_after.total_seconds() * 1000), factor]}
    until = {"$dateAdd": {"startDate": {"$literal": now}, "unit": "millisecond", "amount": {"$toLong": pause}}}
    return [{"$set": {"due_at": until, "asked": {"$add": [asked, 1]}}}]


def bury(erasure: Erasure, visitors: Collection[Document], *, at: datetime) -> None:
    """Put the bare id of who is erased in place of the visitor, unless it is there already."""
    mine = {"_id": erasure.visitor_id, "customer_id": erasure.customer_id}
    gone = {"token_hash": f"erased:{erasure.visitor_id}", "erased_at": at, "reason": erasure.reason}
    if not visitors.find_one({**mine, "erased_at": {"$ne": None}}, {"_id": 1}):
        visitors.replace_one(mine, {"customer_id": erasure.customer_id, **gone}, upsert=True)


def new_part(erasure: Erasure, conversation_id: str, services: Sequence[Service] = SERVICES) -> UpdateOne:
    part = {
        "customer_id": erasure.customer_id,
        "erasure_id": erasure.erasure_id,
        "look": erasure.look,
        "waiting": list(services),
        "found": {},
    }
    return UpdateOne({"_id": conversation_id}, {"$setOnInsert": part}, upsert=True)


def _received(receipt: Receipt) -> UpdateOne:
    owed = {
        "_id": receipt.conversation_id,
        "erasure_id": receipt.erasure_id,
        "look": receipt.look,
        "waiting": receipt.service,
    }
    found = {f"found.{kind}": number for kind, number in receipt.removed.items()}
    return UpdateOne(owed, {"$pull": {"waiting": receipt.service}, **({"$inc": found} if found else {})})


def erasure_of(document: Document) -> Erasure:
    return to_object(document, Erasure, key="erasure_id")
