"""Where chat keeps visitors, visits, conversations and the live message log.

Every method names the customer, and the customer is part of every query; only a visitor's token,
which no two visitors share, finds its visitor without one. Messages and marks carry their customer
with them. Three unique indexes hold the promises of the relay whatever a stale process does: one
conversation per id, one message per ``(conversation_id, seq)``, one per ``(conversation_id,
client_id, sender)``.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
import pymongo
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import BulkWriteError, DuplicateKeyError

from chassis.ids import new_id
from chassis.mongo import Document, StoreUnavailable, transaction, unavailable
from contracts.chat import Capture, ErasureReason, Sender
from contracts.disclosures import ConversationsScope, PeriodScope, Scope, VisitorScope
from services.chat.consents import Consent, Withdrawal
from services.chat.model import (
    OF_VISITORS,
    PRESENCE_LASTS,
    SERVICES,
    TRAIL_LENGTH,
    Conversation,
    ConversationKey,
    End,
    ErasedCount,
    Erasure,
    Head,
    Message,
    MessageKey,
    Part,
    Place,
    Receipt,
    Service,
    Standing,
    Status,
    Visit,
    Visitor,
    erased,
    message_key,
    total,
)
from services.chat.shares import Agreement, Shares

DUPLICATE_KEY = 11000
LOG_PAGE = 200
VISITORS_STANDINGS, OPERATORS_STANDINGS = 200, 1_000
ACCEPTED = frozenset({"status", "operator", "accepted_at", "accepted_by_command"})
ACKNOWLEDGED = frozenset({"acknowledged_policy_version", "policy_acknowledged_at"})
CLOSED = frozenset({"status", "closed_at", "closed_by", "closed_by_command", "last_seq", "digest", "trail"})
PARTS_AT_ONCE = 500
MOST_WAITING = 500
MOST_DOUBLINGS = 5
EMPTY_LOG_KEPT = timedelta(days=1)
"""How long the wordless places of a dropped log still stand against late writers."""
AGREEMENT = "agreement"
BEAT_TIMEOUT_SECONDS = 2.0

USED_TICKET_KEPT = timedelta(hours=1)
"""How long a used ticket is remembered: far longer than one is good, however MongoDB's clock goes."""
TOMBSTONE_KEPT = timedelta(days=30)
"""How long the bare id of what was erased still stands against whatever arrives late, a restored backup included."""
STILL_THERE = {"erased_at": None}
UNSEALED = {"status": "closed", "is_sealed": False}


class Fenced(Exception):
    """Another writer was here first. ``stored`` messages went in before; ``fence`` is the field that refused."""

    def __init__(self, stored: int, fence: str) -> None:
        super().__init__(fence)
        self.stored = stored
        self.fence = fence


class VisitorStore:
    """Keeps visitors and their visits."""

    def __init__(self, database: Database[Document]) -> None:
        self._database = database
        self._visitors = database["visitors"]
        self._visits = database["visits"]
        self._consents = database["cookie_consents"]
        self._erasures = database["erasures"]
        self._parts = database["erasure_parts"]

    @unavailable()
    def ensure_indexes(self) -> None:
        self._visitors.create_index([("token_hash", ASCENDING)], unique=True)
        self._visitors.create_index("erased_at", expireAfterSeconds=int(TOMBSTONE_KEPT.total_seconds()), sparse=True)
        self._visits.create_index([("visitor_id", ASCENDING), ("seen_at", DESCENDING)])
        self._consents.create_index("secret_hash", unique=True, sparse=True)
        self._consents.create_index([("visitor_id", ASCENDING), ("given_at", ASCENDING)])

    @unavailable()
    def add_visitor(self, customer_id: str, visitor: Visitor) -> None:
        self._visitors.insert_one({**_document(visitor, key="visitor_id"), "customer_id": customer_id})

    @unavailable()
    def visitor_by_token(self, token_hash: str) -> Visitor | None:
        found = self._visitors.find_one({"token_hash": token_hash})
        return _object(found, Visitor, key="visitor_id") if found else None

    @unavailable()
    def visitors_by_token(self, token_hashes: Collection[str]) -> list[Visitor]:
        """Whose these tokens are, as far as they are somebody's."""
        found = self._visitors.find({"token_hash": {"$in": list(token_hashes)}})
        return [_object(document, Visitor, key="visitor_id") for document in found]

    @unavailable()
    def add_visit(self, customer_id: str, visit: Visit) -> None:
        self._visits.insert_one({**_document(visit, key="visit_id"), "customer_id": customer_id})

    @unavailable()
    def continue_visit(self, customer_id: str, visit: Visit, *, seen_since: datetime) -> Visit | None:
        """Add the pages of ``visit`` to the one its visitor has been on since then; None without one."""
        found = self._visits.find_one_and_update(
            {
                "customer_id": customer_id,
                "visitor_id": visit.visitor_id,
                "site_id": visit.site_id,
                "seen_at": {"$gte": seen_since},
            },
            [{"$set": _continued(visit)}],
            sort=[("seen_at", DESCENDING)],
            return_document=ReturnDocument.AFTER,
        )
        return _object(found, Visit, key="visit_id") if found else None

    @unavailable()
    def invite(self, customer_id: str, visitor_id: str, *, now: datetime, not_since: datetime) -> bool:
        """Note that the visitor is invited to talk; False when they have been since then."""
        due = {
            "_id": visitor_id,
            "customer_id": customer_id,
            **STILL_THERE,
            "$or": [{"invited_at": None}, {"invited_at": {"$lte": not_since}}],
        }
        return self._visitors.update_one(due, {"$set": {"invited_at": now}}).matched_count == 1

    @unavailable()
    def visit(self, customer_id: str, visit_id: str, *, visitor_id: str) -> Visit | None:
        found = self._visits.find_one({"_id": visit_id, "customer_id": customer_id, "visitor_id": visitor_id})
        return _object(found, Visit, key="visit_id") if found else None

    @unavailable()
    def latest_visit_ids(self, customer_id: str, visitor_ids: Collection[str]) -> dict[str, str]:
        """By visitor, the visit they are on; those without one are left out."""
        theirs = {"visitor_id": {"$in": list(visitor_ids)}, "customer_id": customer_id}
        latest = {"$group": {"_id": "$visitor_id", "visit_id": {"$first": "$_id"}}}
        in_order = {"$sort": {"visitor_id": ASCENDING, "seen_at": DESCENDING}}
        found = self._visits.aggregate([{"$match": theirs}, in_order, latest])
        return {document["_id"]: document["visit_id"] for document in found}

    @unavailable()
    def those_present(self, customer_id: str, visitor_ids: Collection[str]) -> set[str]:
        """Those of the customer's visitors who are not erased."""
        if not visitor_ids:
            return set()
        theirs = {"_id": {"$in": list(visitor_ids)}, "customer_id": customer_id, **STILL_THERE}
        return {document["_id"] for document in self._visitors.find(theirs, {"_id": 1})}

    @unavailable()
    def visits(self, customer_id: str, visitor_id: str) -> list[Visit]:
        """All their visits, the first one first."""
        found = self._visits.find({"customer_id": customer_id, "visitor_id": visitor_id}).sort("seen_at", ASCENDING)
        return [_object(document, Visit, key="visit_id") for document in found]

    @unavailable()
    def visitor(self, customer_id: str, visitor_id: str) -> Visitor | None:
        found = self._visitors.find_one({"_id": visitor_id, "customer_id": customer_id, **STILL_THERE})
        return _object(found, Visitor, key="visitor_id") if found else None

    @unavailable()
    def is_erased(self, customer_id: str, visitor_id: str) -> bool:
        """Whether the visitor is. Ask after writing: then either this sees it, or the erasure what was written."""
        gone = {"_id": visitor_id, "customer_id": customer_id, "erased_at": {"$ne": None}}
        return self._visitors.find_one(gone, {"_id": 1}) is not None

    @unavailable()
    def forget_visits(self, customer_id: str, visitor_id: str) -> None:
        self._visits.delete_many({"customer_id": customer_id, "visitor_id": visitor_id})

    @unavailable()
    def begin_erasure(
        self,
        customer_id: str,
        visitor_id: str,
        *,
        reason: ErasureReason,
        now: datetime,
        conversation_id: str | None = None,
    ) -> Erasure:
        """From now on the visitor's token is nobody's, and the saga has its work; the same one for who begins twice.

        ``conversation_id`` is one that is to be part of it whatever becomes of the conversation meanwhile.
        """
        # No transaction: one that a killed process leaves open locks what it wrote for a minute, and this is done by
        # the relay, for which everybody waits. Each step may be taken again instead.
        while True:
            erasure = self._begun(customer_id, visitor_id, reason=reason, now=now)
            gone = {"token_hash": f"erased:{visitor_id}", "erased_at": now, "reason": erasure.reason}
            mine = {"_id": visitor_id, "customer_id": customer_id}
            if not self.is_erased(customer_id, visitor_id):
                self._visitors.replace_one(mine, {"customer_id": customer_id, **gone}, upsert=True)
            if conversation_id is None or self._is_part(erasure, conversation_id):
                return erasure

    def _begun(self, customer_id: str, visitor_id: str, *, reason: ErasureReason, now: datetime) -> Erasure:
        before = self._visitors.find_one({"_id": visitor_id, "customer_id": customer_id}) or {}
        was_there = "token_hash" in before and not before.get("erased_at")
        fresh = Erasure(
            erasure_id=new_id(),
            customer_id=customer_id,
            visitor_id=visitor_id,
            reason=before.get("reason", reason),
            requested_at=now,
            token_hash=before["token_hash"] if was_there else "",
            found={"visitors": 1} if was_there else {},
        )
        mine = {"customer_id": customer_id, "visitor_id": visitor_id}
        new = {name: value for name, value in _document(fresh, key="erasure_id").items() if name not in mine}
        while True:
            try:
                found = self._erasures.find_one_and_update(
                    mine,
                    {"$setOnInsert": new, "$set": {"due_at": now}},
                    upsert=True,
                    return_document=ReturnDocument.AFTER,
                )
            except DuplicateKeyError:
                # Two began at once: it is there now.
                continue
            return _erasure(found or {})

    def _is_part(self, erasure: Erasure, conversation_id: str) -> bool:
        """Make the conversation part of the erasure; False if that was completed meanwhile."""
        self._parts.bulk_write([_new_part(erasure, conversation_id)])
        if self._erasures.find_one({"_id": erasure.erasure_id, "completed_at": None}, {"_id": 1}):
            return True
        self._parts.delete_one({"_id": conversation_id, "erasure_id": erasure.erasure_id})
        return False

    @unavailable()
    def add_consent(self, customer_id: str, consent: Consent) -> None:
        self._consents.insert_one({**_document(consent, key="consent_id"), "customer_id": customer_id})

    @unavailable()
    def consent_by_secret(self, secret_hash: str, *, now: datetime) -> Consent | None:
        """The consent whose cookie has this secret, unless it has ended."""
        found = self._consents.find_one({"secret_hash": secret_hash, "expires_at": {"$gt": now}})
        return _object(found, Consent, key="consent_id") if found else None

    @unavailable()
    def withdraw(
        self, customer_id: str, secret_hash: str, *, now: datetime, policy_version: str, because: Withdrawal
    ) -> bool:
        """Forget the cookie's secret and note when and why; False when it was nobody's."""
        ended = {"withdrawn_at": now, "withdrawn_policy_version": policy_version, "withdrawn_because": because}
        change = {"$set": ended, "$unset": {"secret_hash": "", "sealed_token": ""}}
        mine = {"customer_id": customer_id, "secret_hash": secret_hash}
        return self._consents.update_one(mine, change).modified_count == 1

    @unavailable()
    def consents(self, customer_id: str, visitor_id: str) -> list[Consent]:
        found = self._consents.find({"customer_id": customer_id, "visitor_id": visitor_id}).sort("given_at", ASCENDING)
        return [_object(document, Consent, key="consent_id") for document in found]

    @unavailable()
    def forget_consents(self, customer_id: str, visitor_id: str) -> None:
        self._consents.delete_many({"customer_id": customer_id, "visitor_id": visitor_id})

    @unavailable()
    def erasure(self, customer_id: str, erasure_id: str) -> Erasure | None:
        found = self._erasures.find_one({"_id": erasure_id, "customer_id": customer_id})
        return _erasure(found) if found else None

    @unavailable()
    def erasure_by_token(self, token_hash: str) -> Erasure | None:
        """The erasure of the visitor whose token this was: the one thing the token is still good for."""
        found = self._erasures.find_one({"token_hash": token_hash})
        return _erasure(found) if found else None


class ErasureStore:
    """Keeps the state of the erasures, and in the end of each customer's day only how many there were.

    While ``most_waiting`` receipts are missing, no further erasure begins its look.
    """

    def __init__(self, database: Database[Document], *, most_waiting: int = MOST_WAITING) -> None:
        self._database = database
        self._most_waiting = most_waiting
        self._erasures = database["erasures"]
        self._parts = database["erasure_parts"]
        self._counts = database["erased_counts"]
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
            claimed.append(_erasure(found))
        return claimed

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
            self._parts.bulk_write([_new_part(erasure, document["_id"]) for document in documents], ordered=False)
        # What was left while nobody was there has no conversation, and goes by its visitor.
        self._parts.bulk_write([_new_part(erasure, erasure.visitor_id, OF_VISITORS)])
        earlier: Document = {"erasure_id": erasure.erasure_id, "look": {"$lt": erasure.look}}
        again = {"look": erasure.look, "found": {}}
        own = {"_id": erasure.visitor_id}
        self._parts.update_many(earlier | own, {"$set": again | {"waiting": list(OF_VISITORS)}})
        self._parts.update_many(earlier, {"$set": again | {"waiting": list(SERVICES)}})

    @unavailable()
    def waiting_parts(self, erasure: Erasure) -> Iterator[Part]:
        """The parts that lack a receipt."""
        for document in self._parts.find(_owing_to(erasure.erasure_id), batch_size=PARTS_AT_ONCE):
            yield _object(document, Part, key="conversation_id")

    @unavailable()
    def receive(self, receipts: Sequence[Receipt], *, now: datetime) -> None:
        """Take the receipts down, each once; an erasure that now has all of its look is due at once."""
        if receipts:
            self._parts.bulk_write([_received(receipt) for receipt in receipts], ordered=False)
        for erasure_id in sorted({receipt.erasure_id for receipt in receipts}):
            if not self._parts.find_one(_owing_to(erasure_id), {"_id": 1}):
                running = {"_id": erasure_id, "due_at": {"$gt": now}}
                self._erasures.update_one(running, {"$set": {"due_at": now}})

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
            update = {"$set": changes, "$unset": {"visitor_id": "", "due_at": "", "found": "", "asked": ""}}
            if self._parts.find_one(_owing_to(erasure.erasure_id), {"_id": 1}, session=session):
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


def _owing_to(erasure_id: str) -> Document:
    return {"erasure_id": erasure_id, "waiting": {"$in": list(SERVICES)}}


def _claimed(now: datetime, retry_after: timedelta) -> list[Document]:
    asked = {"$ifNull": ["$asked", 0]}
    factor = {"$pow": [2, {"$min": [asked, MOST_DOUBLINGS]}]}
    pause = {"$multiply": [int(retry_after.total_seconds() * 1000), factor]}
    until = {"$dateAdd": {"startDate": {"$literal": now}, "unit": "millisecond", "amount": {"$toLong": pause}}}
    return [{"$set": {"due_at": until, "asked": {"$add": [asked, 1]}}}]


def _new_part(erasure: Erasure, conversation_id: str, services: Sequence[Service] = SERVICES) -> UpdateOne:
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


def _erasure(document: Document) -> Erasure:
    return _object(document, Erasure, key="erasure_id")


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


class ConversationStore:
    """Keeps conversations and the live log of their messages."""

    def __init__(self, database: Database[Document]) -> None:
        self._database = database
        self._configuration = database["configuration"]
        self._parts = database["erasure_parts"]
        self._erasures = database["erasures"]
        self._conversations = database["conversations"]
        self._messages = database["messages"]

    @unavailable()
    def ensure_indexes(self) -> None:
        in_order = [("opened_at", ASCENDING), ("_id", ASCENDING)]
        self._conversations.create_indexes(
            [
                IndexModel([("customer_id", ASCENDING), ("status", ASCENDING), *in_order]),
                IndexModel([("customer_id", ASCENDING), *in_order]),
                IndexModel([("visitor_id", ASCENDING), *in_order]),
                IndexModel([("closed_at", ASCENDING)], partialFilterExpression=UNSEALED),
                IndexModel(
                    [("erased_at", ASCENDING)],
                    expireAfterSeconds=int(TOMBSTONE_KEPT.total_seconds()),
                    partialFilterExpression={"status": "erased"},
                ),
            ]
        )
        by_client = [("conversation_id", ASCENDING), ("client_id", ASCENDING), ("sender.id", ASCENDING)]
        self._messages.create_indexes(
            [
                IndexModel([("conversation_id", ASCENDING), ("seq", ASCENDING)], unique=True),
                IndexModel(by_client, unique=True),
                IndexModel(
                    [("dropped_at", ASCENDING)], expireAfterSeconds=int(EMPTY_LOG_KEPT.total_seconds()), sparse=True
                ),
            ]
        )

    @unavailable()
    def partitions_in_force(self, wanted: int) -> int:
        """The number of partitions this installation was set up with; ``wanted`` when it is new."""
        recorded = self._configuration.find_one_and_update(
            {"_id": "partitions"},
            {"$setOnInsert": {"count": wanted}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        return int((recorded or {})["count"])

    @unavailable()
    def partitions(self) -> int | None:
        """The number in force; None if the installation is new."""
        recorded: Document = self._configuration.find_one({"_id": "partitions"}) or {}
        return recorded.get("count")

    @unavailable()
    def partitions_to_come(self) -> int | None:
        """The number that is being changed to, until that is done."""
        recorded: Document = self._configuration.find_one({"_id": "partitions"}) or {}
        return recorded.get("to_come")

    @unavailable()
    def begin_repartition(self, wanted: int) -> int:
        """Record what is wanted; the number in force, which is ``wanted`` when the installation is new."""
        self.partitions_in_force(wanted)
        recorded = self._configuration.find_one_and_update({"_id": "partitions"}, {"$set": {"to_come": wanted}})
        return int((recorded or {})["count"])

    @unavailable()
    def finish_repartition(self, wanted: int) -> bool:
        """Have ``wanted`` in force; False if another number has been begun with meanwhile."""
        change = {"$set": {"count": wanted}, "$unset": {"to_come": 1}}
        return self._configuration.update_one({"_id": "partitions", "to_come": wanted}, change).matched_count == 1

    @unavailable()
    def conversation(self, customer_id: str, conversation_id: str) -> Conversation | None:
        found = self._conversations.find_one({"_id": conversation_id, "customer_id": customer_id})
        return _conversation(found) if found else None

    @unavailable()
    def captures(self, customer_id: str, visitor_id: str) -> dict[str, Capture]:
        """What was captured in those of the visitor's conversations whose log is still here."""
        mine = {"customer_id": customer_id, "visitor_id": visitor_id, "is_sealed": False}
        found = self._conversations.find(mine, {"capture": 1})
        return {document["_id"]: msgspec.convert(document["capture"], Capture) for document in found}

    @unavailable()
    def conversations(
        self, customer_id: str, *, visitor_id: str | None, status: Status | None, after: Place | None, limit: int
    ) -> list[Conversation]:
        """A page of the customer's conversations: in the queue who waits longest, elsewhere the newest first."""
        direction = ASCENDING if status == "queued" else DESCENDING
        wanted: Document = {"customer_id": customer_id, **STILL_THERE}
        if visitor_id is not None:
            wanted["visitor_id"] = visitor_id
        if status is not None:
            wanted["status"] = status
        if after is not None:
            beyond = "$gt" if direction == ASCENDING else "$lt"
            wanted["$or"] = [
                {"opened_at": {beyond: after.opened_at}},
                {"opened_at": after.opened_at, "_id": {beyond: after.conversation_id}},
            ]
        found = self._conversations.find(wanted).sort([("opened_at", direction), ("_id", direction)]).limit(limit)
        return [_conversation(document) for document in found]

    @unavailable()
    def standings_of_visitors(self, customer_id: str, visitor_ids: Collection[str]) -> dict[str, list[Standing]]:
        """By visitor, how their conversations stand, at most 200 of each, the newest first."""
        wanted = {"visitor_id": {"$in": list(visitor_ids)}, "customer_id": customer_id, **STILL_THERE}
        return self._standings(customer_id, wanted, by="visitor_id", most=VISITORS_STANDINGS) if visitor_ids else {}

    @unavailable()
    def standings_of_operators(self, customer_id: str, operator_ids: Collection[str]) -> dict[str, list[Standing]]:
        """By operator, how the conversations stand that they are in, at most 1,000 of each, the newest first."""
        wanted = {"customer_id": customer_id, "status": "active", "operator.id": {"$in": list(operator_ids)}}
        return self._standings(customer_id, wanted, by="operator.id", most=OPERATORS_STANDINGS) if operator_ids else {}

    def _standings(self, customer_id: str, wanted: Document, *, by: str, most: int) -> dict[str, list[Standing]]:
        fields: Document = {"person": f"${by}", "status": 1, "last_seq": 1, "opened_at": 1}
        stages: list[Document] = [
            {"$match": wanted},
            {"$project": fields},
            {"$sort": {"opened_at": DESCENDING, "_id": DESCENDING}},
            {"$group": {"_id": "$person", "found": {"$firstN": {"input": "$$ROOT", "n": most}}}},
            {"$unwind": "$found"},
            {"$replaceWith": "$found"},
            self._top_of(customer_id, among={"text": {"$exists": True}}),
        ]
        standings: dict[str, list[Standing]] = {}
        for document in self._conversations.aggregate(stages):
            standings.setdefault(document["person"], []).append(_standing(document))
        return standings

    @unavailable()
    def disclosed_ids(self, customer_id: str, scope: Scope, *, after: str, limit: int) -> list[str]:
        """Those of the customer's unsealed conversations that are within ``scope``, in the order of their ids."""
        wanted: Document = {"customer_id": customer_id, "is_sealed": False, **STILL_THERE, "_id": {"$gt": after}}
        match scope:
            case ConversationsScope():
                wanted["_id"]["$in"] = list(scope.conversation_ids)
            case VisitorScope():
                wanted["visitor_id"] = scope.visitor_id
            case PeriodScope():
                wanted["opened_at"] = {"$gte": scope.since, "$lt": scope.until}
        found = self._conversations.find(wanted, {"_id": 1}).sort("_id", ASCENDING).limit(limit)
        return [document["_id"] for document in found]

    @unavailable()
    def queue(self, customer_id: str) -> dict[str, int]:
        """The place in the customer's queue, from 1, of every conversation that waits."""
        waiting = self._conversations.find({"customer_id": customer_id, "status": "queued"}, {"_id": 1})
        in_order = waiting.sort([("opened_at", ASCENDING), ("_id", ASCENDING)])
        return {document["_id"]: place for place, document in enumerate(in_order, start=1)}

    @unavailable()
    def position(self, customer_id: str, conversation: Conversation) -> int:
        """The place in the customer's queue, from 1, of one conversation that waits."""
        before = {"customer_id": customer_id, "status": "queued", "opened_at": {"$lt": conversation.opened_at}}
        level = {**before, "opened_at": conversation.opened_at, "_id": {"$lt": conversation.conversation_id}}
        return self._conversations.count_documents(before) + self._conversations.count_documents(level) + 1

    @unavailable()
    def last_messages(self, customer_id: str, conversation_ids: Sequence[str]) -> dict[str, Message]:
        """The last message of each of these conversations that has one."""
        found = self._with_top(customer_id, conversation_ids, among={"text": {"$exists": True}})
        return {document["_id"]: _message(document["top"][0]) for document in found if document["top"]}

    @unavailable()
    def messages(self, customer_id: str, conversation_id: str, *, after: int, limit: int) -> list[Message]:
        """The messages that follow ``after``, in order."""
        said = {"customer_id": customer_id, "conversation_id": conversation_id, "text": {"$exists": True}}
        found = self._messages.find({**said, "seq": {"$gt": after}}).sort("seq", ASCENDING).limit(limit)
        return [_message(document) for document in found]

    @unavailable()
    def heads(self, customer_id: str, conversation_ids: Sequence[str]) -> dict[ConversationKey, Head]:
        """Where these conversations stand; those the customer does not have are left out."""
        found = self._with_top(customer_id, conversation_ids, among={})
        return {(customer_id, document["_id"]): _head(document) for document in found}

    def _with_top(self, customer_id: str, conversation_ids: Sequence[str], *, among: Document) -> Iterable[Document]:
        """Each conversation with the last place of its log, as ``top``: one index seek a conversation."""
        mine = {"customer_id": customer_id, "_id": {"$in": list(conversation_ids)}}
        stages = [{"$match": mine}, self._top_of(customer_id, among=among)]
        return self._conversations.aggregate(stages) if conversation_ids else ()

    def _top_of(self, customer_id: str, *, among: Document) -> Document:
        last = {
            "from": self._messages.name,
            "localField": "_id",
            "foreignField": "conversation_id",
            "pipeline": [{"$match": {"customer_id": customer_id, **among}}, {"$sort": {"seq": -1}}, {"$limit": 1}],
            "as": "top",
        }
        return {"$lookup": last}

    @unavailable()
    def stored(self, keys: Iterable[MessageKey]) -> dict[MessageKey, Message]:
        """Those of the messages that are in the log with their words."""
        wanted = set(keys)
        if not wanted:
            return {}
        clients: dict[ConversationKey, list[str]] = {}
        for customer_id, conversation_id, _, client_id in wanted:
            clients.setdefault((customer_id, conversation_id), []).append(client_id)
        # The conversation and its clients name few places of one index; the sender is compared here.
        each = [
            {"conversation_id": conversation_id, "client_id": {"$in": client_ids}, "customer_id": customer_id}
            for (customer_id, conversation_id), client_ids in clients.items()
        ]
        found = (_message(document) for document in self._messages.find({"$or": each}) if "text" in document)
        return {key: message for message in found if (key := message_key(message)) in wanted}

    @unavailable()
    def append(self, messages: Sequence[Message]) -> None:
        """Store the messages in order, all of them or, when ``Fenced``, those before the one refused."""
        if not messages:
            return
        try:
            self._messages.insert_many([_message_document(message) for message in messages], ordered=True)
        except BulkWriteError as error:
            raise _fence(error) from error

    @unavailable()
    def open(self, conversation: Conversation) -> bool:
        """Store a new conversation; False when its id is taken."""
        try:
            self._conversations.insert_one(_conversation_document(conversation))
        except DuplicateKeyError:
            return False
        return True

    @unavailable()
    def accept(self, conversation: Conversation) -> bool:
        """Hand the conversation from the queue to its operator; False when it is not in the queue any more."""
        return self._set(conversation, ACCEPTED, where={"status": "queued"})

    @unavailable()
    def acknowledge(self, conversation: Conversation) -> bool:
        """Keep which version of the policy is acknowledged; False when the conversation is closed."""
        return self._set(conversation, ACKNOWLEDGED, where={"closed_at": None})

    @unavailable()
    def end(self, end: End) -> bool:
        """Take the place after the last message; False when another writer has it."""
        document = {
            "_id": end.end_id,
            "customer_id": end.customer_id,
            "conversation_id": end.conversation_id,
            "seq": end.seq,
            "client_id": f"end:{end.closed_by_command}",
            "sender": msgspec.to_builtins(end.closed_by),
            "sent_at": end.closed_at,
            "closed_by_command": end.closed_by_command,
        }
        try:
            self._messages.insert_one(document)
        except DuplicateKeyError:
            return False
        return True

    @unavailable()
    def close(self, conversation: Conversation) -> bool:
        """Keep the conversation as closed; False when it was closed already."""
        return self._set(conversation, CLOSED, where={"closed_at": None})

    @unavailable()
    def unsealed(self, *, closed_before: datetime, due: datetime, limit: int) -> list[tuple[Conversation, int]]:
        """Of all customers, what is not sealed and due to be told of, with how often it was told; oldest first."""
        which = {**UNSEALED, "closed_at": {"$lt": closed_before}, "reminders.next_at": {"$not": {"$gt": due}}}
        found = self._conversations.find(which).sort("closed_at", ASCENDING).limit(limit)
        return [(_conversation(document), document.get("reminders", {}).get("count", 0)) for document in found]

    @unavailable()
    def note_reminder(self, customer_id: str, conversation_id: str, *, next_at: datetime) -> None:
        """It was told of once more, and will not be again before ``next_at``."""
        which = {"_id": conversation_id, "customer_id": customer_id, **UNSEALED}
        self._conversations.update_one(which, {"$set": {"reminders.next_at": next_at}, "$inc": {"reminders.count": 1}})

    def _set(self, conversation: Conversation, fields: frozenset[str], *, where: Document) -> bool:
        mine = {"_id": conversation.conversation_id, "customer_id": conversation.customer_id, **STILL_THERE, **where}
        document = _conversation_document(conversation)
        changes = {name: value for name, value in document.items() if name in fields}
        return self._conversations.update_one(mine, {"$set": changes}).matched_count == 1

    def log(self, customer_id: str, conversation_id: str) -> Iterator[Message]:
        """Every message of the conversation, in order."""
        after = 0
        while page := self.messages(customer_id, conversation_id, after=after, limit=LOG_PAGE):
            yield from page
            after = page[-1].seq

    @unavailable()
    def drop_log(self, customer_id: str, conversation_id: str, *, dropped_at: datetime) -> bool:
        """Forget every word of a closed conversation and what was captured; False when it is not closed.

        The empty places stay for a day, so that a writer which was away does not fill them again.
        """
        # Sealed first: a reader who finds words missing must also find that they are elsewhere now.
        sealed = self._conversations.update_one(
            {"_id": conversation_id, "customer_id": customer_id, "status": "closed"},
            {"$set": {"is_sealed": True, "capture": {}, "trail": []}},
        )
        if not sealed.matched_count:
            return False
        self._messages.update_many(
            {"conversation_id": conversation_id, "customer_id": customer_id, "dropped_at": None},
            {"$set": {"dropped_at": dropped_at}, "$unset": {"text": 1, "sender.name": 1}},
        )
        return True

    @unavailable()
    def erase(self, customer_id: str, conversation_id: str, *, erasure_id: str, look: int, erased_at: datetime) -> bool:
        """Leave nothing of the conversation but that it is erased, with the receipt for it; False when another writer
        was in between, and it has to be done again.

        The places of the log stay for a day, bare of everything but their number, so that a writer which was away finds
        every one of them taken, and the one after the last.
        """
        # No transaction, as in ``VisitorStore.begin_erasure``: each step may be taken again.
        mine = {"customer_id": customer_id, "conversation_id": conversation_id}
        which = {"_id": conversation_id, "customer_id": customer_id}
        owed = {"_id": conversation_id, "erasure_id": erasure_id, "look": look, "waiting": "chat"}
        if not self._is_bare(which, mine):
            self._count_once(owed, which, mine)
            if not self._fence_off(mine, erased_at):
                return False
            gone = _conversation_document(erased(customer_id, conversation_id, erased_at=erased_at))
            del gone["_id"]
            self._conversations.replace_one(which, gone)
            self._messages.update_many(mine, _bare(erased_at))
        self._parts.update_one(owed, {"$pull": {"waiting": "chat"}})
        if not self._parts.find_one(_owing_to(erasure_id), {"_id": 1}):
            running = {"_id": erasure_id, "due_at": {"$gt": erased_at}}
            self._erasures.update_one(running, {"$set": {"due_at": erased_at}})
        return True

    def _count_once(self, owed: Document, which: Document, mine: Document) -> None:
        """Write down what will be removed, before it is: who comes again after a death would count too little."""
        was_there = self._conversations.find_one({**which, **STILL_THERE}, {"_id": 1}) is not None
        words = self._messages.count_documents({**mine, "text": {"$exists": True}})
        found = {"conversations": int(was_there), "messages": words}
        uncounted = {**owed, "found.conversations": {"$exists": False}}
        self._parts.update_one(uncounted, {"$set": {f"found.{kind}": number for kind, number in found.items()}})

    def _fence_off(self, mine: Document, erased_at: datetime) -> bool:
        """Take the place after the last one, so that nobody can add another; False when somebody just has."""
        top = self._messages.find_one(mine, {"seq": 1, "client_id": 1}, sort=[("seq", DESCENDING)])
        if top and top["client_id"] == f"erased:{top['seq']}":
            return True
        seq = top["seq"] + 1 if top else 1
        place = {"_id": new_id(), **mine, "seq": seq, "client_id": f"erased:{seq}", "dropped_at": erased_at}
        try:
            self._messages.insert_one(place)
        except DuplicateKeyError:
            return False
        return True

    @unavailable()
    def _is_bare(self, which: Document, mine: Document) -> bool:
        """Whether it is erased already, which its places make sure that it stays: every look but the first."""
        if not self._conversations.find_one({**which, "erased_at": {"$ne": None}}, {"_id": 1}):
            return False
        return not self._messages.find_one({**mine, "text": {"$exists": True}}, {"_id": 1})


def _bare(erased_at: datetime) -> list[Document]:
    place = {field: f"${field}" for field in ("_id", "customer_id", "conversation_id", "seq")}
    number = {"$concat": ["erased:", {"$toString": "$seq"}]}
    return [{"$replaceWith": {**place, "client_id": number, "dropped_at": {"$literal": erased_at}}}]


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


def _refused(error: BulkWriteError) -> set[str]:
    refused: list[dict[str, Any]] = (error.details or {}).get("writeErrors", [])
    if not refused or any(one["code"] != DUPLICATE_KEY for one in refused):
        raise error
    return {one["op"]["_id"] for one in refused}


def _fence(error: BulkWriteError) -> Exception:
    details: Mapping[str, Any] = error.details or {}
    refused = details.get("writeErrors") or []
    if not refused:
        # Stored, but not by a majority in time: nobody knows yet.
        return StoreUnavailable()
    if refused[0]["code"] != DUPLICATE_KEY:
        return error
    fence = "seq" if "seq" in refused[0].get("keyPattern", {}) else "client_id"
    return Fenced(int(details["nInserted"]), fence)


def _continued(visit: Visit) -> Document:
    """What becomes of a visit when its visitor is at another page; at the same one again, little."""
    seen = {name: getattr(visit, name) for name in ("seen_at", "ip", "user_agent", "language", "has_trail")}
    pages: Document = {"$literal": msgspec.to_builtins(visit.pages, builtin_types=(datetime,))}
    is_same = {"$eq": [{"$last": "$pages.url"}, {"$literal": visit.pages[-1].url if visit.pages else None}]}
    trail: Document = {"$slice": [{"$concatArrays": ["$pages", pages]}, -TRAIL_LENGTH]} if visit.has_trail else pages
    return {
        **{name: {"$literal": value} for name, value in seen.items()},
        "pages": {"$cond": [is_same, "$pages", trail]} if visit.has_trail else trail,
        "page_count": {"$add": [{"$ifNull": ["$page_count", 0]}, {"$cond": [is_same, 0, 1]}]},
    }


def _document(thing: msgspec.Struct, *, key: str) -> Document:
    document: Document = msgspec.to_builtins(thing, builtin_types=(datetime,))
    document["_id"] = document.pop(key)
    return document


T = TypeVar("T", bound=msgspec.Struct)


def _object(document: Document, kind: type[T], *, key: str) -> T:
    return msgspec.convert({**document, key: document["_id"]}, kind)


def _conversation_document(conversation: Conversation) -> Document:
    return {**_document(conversation, key="conversation_id"), "status": conversation.status}


def _conversation(document: Document) -> Conversation:
    return _object(document, Conversation, key="conversation_id")


def _standing(document: Document) -> Standing:
    last_seq = document["top"][0]["seq"] if document["top"] else document["last_seq"]
    return Standing(conversation_id=document["_id"], status=document["status"], last_seq=last_seq)


def _head(document: Document) -> Head:
    conversation = _conversation(document)
    top = document["top"][0] if document["top"] else None
    if conversation.is_sealed or conversation.erased_at is not None or top is None:
        return Head(conversation=conversation, last_seq=conversation.last_seq)
    if "closed_by_command" in top:
        return Head(conversation=conversation, last_seq=top["seq"] - 1, end=_end(top))
    return Head(conversation=conversation, last_seq=top["seq"])


def _end(document: Document) -> End:
    return End(
        customer_id=document["customer_id"],
        conversation_id=document["conversation_id"],
        seq=document["seq"],
        end_id=document["_id"],
        closed_by=Sender(**document["sender"]),
        closed_by_command=document["closed_by_command"],
        closed_at=document["sent_at"],
    )


def _message_document(message: Message) -> Document:
    # By hand: this runs for every message there is.
    sender = message.sender
    return {
        "_id": message.message_id,
        "customer_id": message.customer_id,
        "conversation_id": message.conversation_id,
        "seq": message.seq,
        "client_id": message.client_id,
        "sender": {"kind": sender.kind, "id": sender.id, "name": sender.name},
        "text": message.text,
        "sent_at": message.sent_at,
    }


def _message(document: Document) -> Message:
    return Message(
        customer_id=document["customer_id"],
        conversation_id=document["conversation_id"],
        seq=document["seq"],
        message_id=document["_id"],
        client_id=document["client_id"],
        sender=Sender(**document["sender"]),
        text=document["text"],
        sent_at=document["sent_at"],
    )
