"""Where visitors, their visits and what they consented to are kept."""

from collections.abc import Collection
from datetime import datetime, timedelta

import msgspec
from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from chassis.ids import new_id
from chassis.mongo import Document, unavailable
from contracts.chat import ErasureReason
from services.chat.consents import Consent, Withdrawal
from services.chat.model import (
    TRAIL_LENGTH,
    Erasure,
    Visit,
    Visitor,
)
from services.chat.store.documents import STILL_THERE, TOMBSTONE_KEPT, to_document, to_object
from services.chat.store.erasures import UNTOLD, bury, erasure_of, new_part

VISITS_KEPT = timedelta(days=180)
"""As long as a cookie may have somebody recognised. What a conversation captured of its visit is kept with it."""


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
        self._visits.create_index("seen_at", expireAfterSeconds=int(VISITS_KEPT.total_seconds()))
        self._consents.create_index("secret_hash", unique=True, sparse=True)
        self._consents.create_index([("visitor_id", ASCENDING), ("given_at", ASCENDING)])

    @unavailable()
    def add_visitor(self, customer_id: str, visitor: Visitor) -> None:
        self._visitors.insert_one({**to_document(visitor, key="visitor_id"), "customer_id": customer_id})

    @unavailable()
    def visitor_by_token(self, token_hash: str) -> Visitor | None:
        found = self._visitors.find_one({"token_hash": token_hash})
        return to_object(found, Visitor, key="visitor_id") if found else None

    @unavailable()
    def visitors_by_token(self, token_hashes: Collection[str]) -> list[Visitor]:
        """Whose these tokens are, as far as they are somebody's."""
        found = self._visitors.find({"token_hash": {"$in": list(token_hashes)}})
        return [to_object(document, Visitor, key="visitor_id") for document in found]

    @unavailable()
    def add_visit(self, customer_id: str, visit: Visit) -> None:
        self._visits.insert_one({**to_document(visit, key="visit_id"), "customer_id": customer_id})

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
        return to_object(found, Visit, key="visit_id") if found else None

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
        return to_object(found, Visit, key="visit_id") if found else None

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
        return [to_object(document, Visit, key="visit_id") for document in found]

    @unavailable()
    def visitor(self, customer_id: str, visitor_id: str) -> Visitor | None:
        found = self._visitors.find_one({"_id": visitor_id, "customer_id": customer_id, **STILL_THERE})
        return to_object(found, Visitor, key="visitor_id") if found else None

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
            bury(erasure, self._visitors, at=now)
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
        written = {**to_document(fresh, key="erasure_id"), **UNTOLD}
        new = {name: value for name, value in written.items() if name not in mine}
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
            return erasure_of(found or {})

    def _is_part(self, erasure: Erasure, conversation_id: str) -> bool:
        """Make the conversation part of the erasure; False if that was completed meanwhile."""
        self._parts.bulk_write([new_part(erasure, conversation_id)])
        if self._erasures.find_one({"_id": erasure.erasure_id, "completed_at": None}, {"_id": 1}):
            return True
        self._parts.delete_one({"_id": conversation_id, "erasure_id": erasure.erasure_id})
        return False

    @unavailable()
    def add_consent(self, customer_id: str, consent: Consent) -> None:
        self._consents.insert_one({**to_document(consent, key="consent_id"), "customer_id": customer_id})

    @unavailable()
    def consent_by_secret(self, secret_hash: str, *, now: datetime) -> Consent | None:
        """The consent whose cookie has this secret, unless it has ended."""
        found = self._consents.find_one({"secret_hash": secret_hash, "expires_at": {"$gt": now}})
        return to_object(found, Consent, key="consent_id") if found else None

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
        return [to_object(document, Consent, key="consent_id") for document in found]

    @unavailable()
    def forget_consents(self, customer_id: str, visitor_id: str) -> None:
        self._consents.delete_many({"customer_id": customer_id, "visitor_id": visitor_id})

    @unavailable()
    def erasure(self, customer_id: str, erasure_id: str) -> Erasure | None:
        found = self._erasures.find_one({"_id": erasure_id, "customer_id": customer_id})
        return erasure_of(found) if found else None

    @unavailable()
    def erasure_by_token(self, token_hash: str) -> Erasure | None:
        """The erasure of the visitor whose token this was: the one thing the token is still good for."""
        found = self._erasures.find_one({"token_hash": token_hash})
        return erasure_of(found) if found else None


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
