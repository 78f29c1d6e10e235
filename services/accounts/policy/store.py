"""Where the draft and the versions of the policy are kept, and where the fifteen days are guarded.

No clock of ours counts. What is posted gets the time of the database (``$$NOW``), as a part of its ``_id``, which no
update can change; the collection refuses every document that would take effect earlier than fifteen days from that
time, whoever writes it and however. What is read is judged by the database's time too.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from pymongo import ASCENDING, ReturnDocument
from pymongo.database import Database
from pymongo.errors import CollectionInvalid, DuplicateKeyError, OperationFailure

from chassis.mongo import Document, unavailable
from chassis.problems import Unavailable
from services.accounts.policy.model import (
    FIRST_NUMBER,
    NOTICE_PERIOD,
    Draft,
    DraftChanged,
    DraftMissing,
    EffectiveTooEarly,
    PolicyMissing,
    PolicyVersion,
    VersionNotFound,
)

DRAFT = "draft"
VERSIONS = "policy_versions"
PERIOD_MS = int(NOTICE_PERIOD.total_seconds() * 1000)

_VALIDATION_FAILED = 121
_DUPLICATE_KEY = 11000

GUARD: Document = {
    "$expr": {
        "$and": [
            {"$in": [{"$type": "$_id.number"}, ["int", "long"]]},
            {"$gte": ["$_id.number", FIRST_NUMBER]},
            {"$eq": [{"$type": "$_id.posted_at"}, "date"]},
            {"$eq": [{"$type": "$effective_at"}, "date"]},
            {"$eq": [{"$type": "$text"}, "string"]},
            {
                "$or": [
                    {"$gte": [{"$subtract": ["$effective_at", "$_id.posted_at"]}, PERIOD_MS]},
                    # There was no policy before the first to change.
                    {"$eq": ["$_id.number", FIRST_NUMBER]},
                ]
            },
            {
                "$or": [
                    {"$eq": [{"$type": "$activated_at"}, "missing"]},
                    {
                        "$and": [
                            {"$eq": [{"$type": "$activated_at"}, "date"]},
                            {"$gte": ["$activated_at", "$effective_at"]},
                        ]
                    },
                ]
            },
        ]
    }
}
"""What every document of ``policy_versions`` has to be. MongoDB knows no ``$$NOW`` in here, hence the ``_id``."""


GUARDED: Document = {"validator": GUARD, "validationLevel": "strict", "validationAction": "error"}
"""How the collection is made, and has to be."""


class GuardMissing(Unavailable):
    """The versions of the policy are kept without the guard of the fifteen days."""


class PolicyStore:
    def __init__(self, database: Database[Any]) -> None:
        self._database = database
        self._versions = database[VERSIONS]
        self._drafts = database["policy_drafts"]

    @unavailable()
    def ensure_indexes(self) -> None:
        """The guard and the indexes. Raises ``GuardMissing`` where the collection is there without the guard."""
        try:
            self._database.create_collection(VERSIONS, **GUARDED)
        except (CollectionInvalid, OperationFailure):
            self._check_guard()
        self._versions.create_index([("_id.number", ASCENDING)], unique=True)
        self._versions.create_index("draft_id", unique=True, sparse=True)

    def _check_guard(self) -> None:
        # The service's own user may make the collection, and may not change its guard afterwards.
        [found] = self._database.list_collections(filter={"name": VERSIONS})
        if not GUARDED.items() <= found["options"].items():
            raise GuardMissing(f"its collection {VERSIONS} lacks the guard that an administrator has to put back")

    @unavailable()
    def post_first(self, text: str) -> None:
        """Post the first version, in force at once, unless it is there; it stays as it was first posted."""
        if self._versions.find_one({"_id.number": FIRST_NUMBER}, {"_id": True}):
            return
        made = {"effective_at": "$$NOW", "activated_at": "$$NOW", "summary": "", "text": {"$literal": text}}
        source: list[Document] = [{"$documents": [{}]}]
        self._insert(lambda stages: self._database.aggregate([*source, *stages]), FIRST_NUMBER, made)

    @unavailable()
    def draft(self) -> Draft:
        """What may become the next version. Raises ``DraftMissing``."""
        document = self._drafts.find_one({"_id": DRAFT})
        if document is None or self._is_posted(document["draft_id"]):
            raise DraftMissing
        return msgspec.convert(document, Draft)

    @unavailable()
    def save_draft(self, draft: Draft) -> Draft:
        """Keep the draft as its next revision. Raises ``DraftChanged`` if it is not the one that was looked at."""
        looked_at = {"_id": DRAFT, "draft_id": draft.draft_id, "revision": draft.revision}
        document = {**msgspec.structs.asdict(draft), "revision": draft.revision + 1}
        try:
            kept = self._drafts.find_one_and_replace(
                looked_at, document, upsert=draft.revision == 0, return_document=ReturnDocument.AFTER
            )
        except DuplicateKeyError as error:
            # A new one, where there is one already.
            raise DraftChanged from error
        if kept is None:
            raise DraftChanged
        return msgspec.convert(kept, Draft)

    @unavailable()
    def drop_draft(self, draft_id: str, revision: int) -> None:
        """Forget the draft. Raises ``DraftChanged`` if it is not the one that was looked at."""
        if not self._drafts.delete_one({"_id": DRAFT, "draft_id": draft_id, "revision": revision}).deleted_count:
            raise DraftChanged

    @unavailable()
    def post(self, draft_id: str, revision: int, *, effective_at: datetime | None, posted_by: str) -> PolicyVersion:
        """Make the draft the next version; once, however often it is asked for and wherever it was stopped before.

        Without ``effective_at`` it takes effect as early as it may. Raises ``DraftChanged``, ``EffectiveTooEarly``.
        """
        if not self._is_posted(draft_id):
            made = {
                "effective_at": effective_at or {"$add": ["$$NOW", PERIOD_MS]},
                "draft_id": "$draft_id",
                "summary": "$summary",
                "text": "$text",
                "posted_by": {"$literal": posted_by},
            }
            match: Document = {"$match": {"_id": DRAFT, "draft_id": draft_id, "revision": revision}}
            self._insert(lambda stages: self._drafts.aggregate([match, *stages]), self._next_number(), made)
        posted = self._versions.find_one({"draft_id": draft_id})
        if posted is None:
            raise DraftChanged
        self._drafts.delete_one({"_id": DRAFT, "draft_id": draft_id})
        return _version(posted)

    def _insert(self, aggregate: Callable[[list[Document]], object], number: int, made: Document) -> None:
        """Have the database itself make the version, so that the time is its own."""
        identity = {"number": {"$literal": number}, "posted_at": "$$NOW"}
        merge = {"into": VERSIONS, "whenMatched": "fail", "whenNotMatched": "insert"}
        try:
            aggregate([{"$replaceWith": {"_id": identity, **made}}, {"$merge": merge}])
        except OperationFailure as error:
            if error.code == _VALIDATION_FAILED:
                raise EffectiveTooEarly from error
            # Another process was first: with the first version, or with this number.
            if error.code != _DUPLICATE_KEY:
                raise

    def _next_number(self) -> int:
        last = self._versions.find_one({}, {"_id": True}, sort=[("_id.number", -1)])
        return int(last["_id"]["number"]) + 1 if last else FIRST_NUMBER

    def _is_posted(self, draft_id: str) -> bool:
        return self._versions.find_one({"draft_id": draft_id}, {"_id": True}) is not None

    @unavailable()
    def activate_due(self) -> int:
        """Note for each version whose time has come, by the database's clock, that it took effect; how many did."""
        due = {"activated_at": {"$exists": False}, "$expr": {"$lte": ["$effective_at", "$$NOW"]}}
        return self._versions.update_many(due, [{"$set": {"activated_at": "$$NOW"}}]).modified_count

    @unavailable()
    def all(self) -> tuple[datetime, list[PolicyVersion]]:
        """Every version, the newest first and without its text, and the database's time at which they are so.

        Raises ``PolicyMissing``.
        """
        stages: list[Document] = [{"$sort": {"_id.number": -1}}, {"$set": {"text": "", "read_at": "$$NOW"}}]
        found = list(self._versions.aggregate(stages))
        if not found:
            raise PolicyMissing
        return found[0]["read_at"], [_version(document) for document in found]

    @unavailable()
    def get(self, number: int) -> PolicyVersion:
        """One version with its text. Raises ``VersionNotFound``."""
        document = self._versions.find_one({"_id.number": number})
        if document is None:
            raise VersionNotFound
        return _version(document)


def _version(document: Document) -> PolicyVersion:
    return msgspec.convert({**document, **document["_id"]}, PolicyVersion)
