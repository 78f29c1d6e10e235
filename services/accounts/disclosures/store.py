"""Where disclosures are kept, and the sealed bytes of their bundles for as long as they can be fetched.

All times are the database's (``$$NOW``). Who may decide, and that it is decided once, is part of the one update that
decides. A bundle is made under an attempt: whoever holds the attempt may add parts and, in one update, make them the
bundle; an attempt whose holder died is taken over when its time is up, and what it left is removed.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from bson import Binary
from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from chassis.mongo import Document, server_time, unavailable
from services.accounts.disclosures.model import (
    AlreadyDecided,
    AttemptLost,
    Bundle,
    BundleGone,
    Decided,
    Disclosure,
    DisclosureNotFound,
    KeptBundle,
    Person,
    Reviewed,
    SecondPersonNeeded,
    Standing,
    State,
)

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
IS_TOLD: Document = {"state": "executed", "$expr": {"$lte": [{"$ifNull": ["$gag_until", LONG_AGO]}, "$$NOW"]}}
"""It was carried out, and nobody forbids us to tell of it, or not any more."""


class DisclosureStore:
    def __init__(self, database: Database[Any]) -> None:
        self._database = database
        self._disclosures = database["disclosures"]
        self._parts = database["disclosure_parts"]

    @unavailable()
    def ensure_indexes(self) -> None:
        self._disclosures.create_index([("customer_id", ASCENDING), ("state", ASCENDING), ("_id", DESCENDING)])
        self._disclosures.create_index([("state", ASCENDING), ("_id", ASCENDING)])
        in_order = [("disclosure_id", ASCENDING), ("attempt", ASCENDING), ("number", ASCENDING)]
        self._parts.create_index(in_order, unique=True)

    @unavailable()
    def present(self) -> datetime:
        """What the database's clock says."""
        return server_time(self._database)

    @unavailable()
    def add(self, disclosure: Disclosure) -> None:
        document: Document = msgspec.to_builtins(disclosure, builtin_types=(datetime,))
        document["_id"] = document.pop("disclosure_id")
        self._disclosures.insert_one(document)

    @unavailable()
    def get(self, disclosure_id: str) -> Standing:
        """Raises ``DisclosureNotFound``."""
        for found in self._standing([{"$match": {"_id": disclosure_id}}]):
            return found
        raise DisclosureNotFound

    @unavailable()
    def newest(self, *, before: str | None, limit: int) -> list[Standing]:
        """The register: whatever was ever asked for, the newest first."""
        earlier: Document = {"_id": {"$lt": before}} if before else {}
        return self._standing([{"$match": earlier}, {"$sort": {"_id": DESCENDING}}, {"$limit": limit}])

    @unavailable()
    def told(self, customer_id: str, *, before: str | None, limit: int) -> list[Disclosure]:
        """What the customer may know of, the newest first."""
        earlier: Document = {"_id": {"$lt": before}} if before else {}
        which = {"customer_id": customer_id, **earlier, **IS_TOLD}
        found = self._disclosures.find(which).sort("_id", DESCENDING).limit(limit)
        return [_disclosure(document) for document in found]

    def _standing(self, stages: list[Document]) -> list[Standing]:
        found = self._disclosures.aggregate([*stages, {"$set": {"read_at": "$$NOW"}}])
        return [Standing(disclosure=_disclosure(each), read_at=each["read_at"]) for each in found]

    @unavailable()
    def overdue(self) -> int:
        """How many emergencies nobody has reviewed in time."""
        unreviewed = {"review.due_at": {"$exists": True}, "review.outcome": None}
        return self._disclosures.count_documents({**unreviewed, "$expr": {"$lt": ["$review.due_at", "$$NOW"]}})

    @unavailable()
    def decide(self, disclosure_id: str, outcome: Decided, *, by: Person, reason: str) -> None:
        """Approve or refuse, once, and never what one has requested oneself.

        Raises ``DisclosureNotFound``, ``SecondPersonNeeded``, ``AlreadyDecided``.
        """
        decision = {"outcome": outcome, "by": _person(by), "at": "$$NOW", "reason": {"$literal": reason}}
        which = {"_id": disclosure_id, "state": "requested", "requested_by.id": {"$ne": by.id}}
        change = [{"$set": {"state": outcome, "decision": decision}}]
        if not self._disclosures.update_one(which, change).modified_count:
            self._refuse(disclosure_id, by)

    @unavailable()
    def review(self, disclosure_id: str, outcome: Reviewed, *, by: Person, reason: str) -> None:
        """Say what one thinks of what another has done alone, once. Raises as ``decide`` does.

        What is refused is not carried out any more; if it was, its bundle can be fetched no longer.
        """
        review = {"outcome": outcome, "by": _person(by), "at": "$$NOW", "reason": {"$literal": reason}}
        which = {
            "_id": disclosure_id,
            "review.due_at": {"$exists": True},
            "review.outcome": None,
            "requested_by.id": {"$ne": by.id},
        }
        change = [{"$set": {f"review.{name}": value for name, value in review.items()}}]
        if outcome == "refused":
            change.append({"$set": {"state": _unless_executed("refused"), "bundle": _fetched_no_more()}})
        if not self._disclosures.update_one(which, change).modified_count:
            self._refuse(disclosure_id, by)

    def _refuse(self, disclosure_id: str, by: Person) -> None:
        if self.get(disclosure_id).disclosure.requested_by.id == by.id:
            raise SecondPersonNeeded
        raise AlreadyDecided

    @unavailable()
    def due(self, *, limit: int) -> list[str]:
        """What was approved and nobody works on."""
        found = self._disclosures.find({"state": "approved", **_is_over("claimed_until")}, {"_id": True})
        return [document["_id"] for document in found.sort("_id", ASCENDING).limit(limit)]

    @unavailable()
    def claim(self, disclosure_id: str, attempt: str, *, lasts: timedelta) -> Disclosure | None:
        """Take what was approved as one's own for so long, unless somebody else has; None then."""
        which = {"_id": disclosure_id, "state": "approved", **_is_over("claimed_until")}
        mine = [{"$set": {"attempt": attempt, "claimed_until": _from_now(lasts)}}]
        found = self._disclosures.find_one_and_update(which, mine, return_document=ReturnDocument.AFTER)
        return _disclosure(found) if found else None

    @unavailable()
    def hold(self, disclosure_id: str, attempt: str, *, lasts: timedelta) -> None:
        """Go on for so long. Raises ``AttemptLost`` if another has taken over, or it was refused meanwhile."""
        which = {"_id": disclosure_id, "state": "approved", "attempt": attempt}
        if not self._disclosures.update_one(which, [{"$set": {"claimed_until": _from_now(lasts)}}]).matched_count:
            raise AttemptLost("the bundle is made by another process by now, or was refused")

    @unavailable()
    def abandoned(self) -> list[Disclosure]:
        """What was refused after somebody had begun to make its bundle."""
        found = self._disclosures.find({"state": "refused", "attempt": {"$exists": True}})
        return [_disclosure(document) for document in found]

    @unavailable()
    def discard(self, disclosure_id: str) -> None:
        """Remove what was made of a bundle that was refused."""
        self._parts.delete_many({"disclosure_id": disclosure_id})
        which = {"_id": disclosure_id, "state": "refused"}
        self._disclosures.update_one(which, {"$unset": {"attempt": "", "claimed_until": ""}})

    @unavailable()
    def drop_parts(self, disclosure_id: str, attempt: str) -> None:
        """Remove what an attempt has made that was lost."""
        self._parts.delete_many({"disclosure_id": disclosure_id, "attempt": attempt})

    @unavailable()
    def drop_other_parts(self, disclosure_id: str, attempt: str) -> None:
        """Remove what attempts have left that came to nothing."""
        self._parts.delete_many({"disclosure_id": disclosure_id, "attempt": {"$ne": attempt}})

    @unavailable()
    def put_part(self, disclosure_id: str, attempt: str, number: int, data: bytes) -> None:
        key = {"disclosure_id": disclosure_id, "attempt": attempt, "number": number}
        try:
            self._parts.insert_one({**key, "data": Binary(data)})
        except DuplicateKeyError:
            # Only when the answer to the first try was lost: an attempt has one maker, who counts.
            return

    @unavailable()
    def set_executed(self, disclosure_id: str, attempt: str, bundle: Bundle, *, kept_for: timedelta) -> None:
        """The parts of this attempt are the bundle, the only one. Raises ``AttemptLost``."""
        times = {"executed_at": "$$NOW", "kept_until": _from_now(kept_for)}
        kept = {name: {"$literal": value} for name, value in msgspec.to_builtins(bundle).items()}
        which = {"_id": disclosure_id, "state": "approved", "attempt": attempt}
        telling = {"state": "waiting", "attempts": 0, "refusals": 0, "repeated": 0, "reason": "", "due_at": LONG_AGO}
        change: list[Document] = [
            {"$set": {"state": "executed", "bundle": {**kept, **times}, "telling": telling}},
            {"$unset": "claimed_until"},
        ]
        if not self._disclosures.update_one(which, change).matched_count:
            raise AttemptLost("the bundle was made by another process, or was refused")

    @unavailable()
    def part(self, disclosure_id: str, number: int) -> tuple[KeptBundle, bytes]:
        """One part of a bundle that is still there. Raises ``DisclosureNotFound``, ``BundleGone``."""
        standing = self.get(disclosure_id)
        bundle = standing.disclosure.bundle
        if bundle is None or bundle.removed_at is not None or bundle.kept_until <= standing.read_at:
            raise BundleGone
        attempt = (self._disclosures.find_one({"_id": disclosure_id}, {"attempt": True}) or {}).get("attempt")
        found = self._parts.find_one({"disclosure_id": disclosure_id, "attempt": attempt, "number": number})
        if found is None:
            raise BundleGone
        return bundle, bytes(found["data"])

    @unavailable()
    def remove_expired(self) -> int:
        """Remove the sealed bytes of every bundle whose time is over; how many there were."""
        which = {"state": "executed", "bundle.removed_at": {"$exists": False}}
        expired = {**which, "$expr": {"$lte": ["$bundle.kept_until", "$$NOW"]}}
        removed = 0
        for document in self._disclosures.find(expired, {"_id": True}):
            self._parts.delete_many({"disclosure_id": document["_id"]})
            done = [{"$set": {"bundle.removed_at": "$$NOW"}}]
            removed += self._disclosures.update_one({"_id": document["_id"], **which}, done).modified_count
        return removed

    @unavailable()
    def claim_telling(self, *, lasts: timedelta) -> Disclosure | None:
        """A disclosure whose customer is to be told now, and by nobody else for so long; None if there is none."""
        due = {"$expr": {"$lte": ["$telling.due_at", "$$NOW"]}}
        claimed = {
            "telling.attempts": {"$add": ["$telling.attempts", 1]},
            "telling.repeated": {"$add": ["$telling.repeated", {"$cond": ["$telling.is_underway", 1, 0]}]},
            "telling.is_underway": True,
            "telling.due_at": _from_now(lasts),
        }
        found = self._disclosures.find_one_and_update(
            {"$and": [IS_TOLD, {"telling.state": "waiting"}, due]},
            [{"$set": claimed}],
            return_document=ReturnDocument.AFTER,
        )
        return _disclosure(found) if found else None

    @unavailable()
    def set_told(self, disclosure: Disclosure) -> None:
        """The mail server took the mail for everybody."""
        told = {"telling.state": "sent", "telling.is_underway": False, "telling.told_at": "$$NOW"}
        self._disclosures.update_one(
            {"_id": disclosure.disclosure_id}, [{"$set": told}, {"$unset": ["telling.reached", "telling.reason"]}]
        )

    @unavailable()
    def set_untold(
        self, disclosure: Disclosure, *, reached: tuple[str, ...], reason: str, again_in: timedelta | None
    ) -> None:
        """The mail has reached these and not everybody: to be tried again after that time, or never."""
        refused: Document = {
            "telling.is_underway": False,
            "telling.reached": {"$literal": list(reached)},
            "telling.reason": {"$literal": reason},
            "telling.refusals": {"$add": ["$telling.refusals", 1]},
            "telling.state": "waiting" if again_in else "failed",
        }
        if again_in:
            refused["telling.due_at"] = _from_now(again_in)
        self._disclosures.update_one(_telling(disclosure), [{"$set": refused}])

    @unavailable()
    def put_off_telling(self, disclosure: Disclosure, *, again_in: timedelta, is_certain: bool) -> None:
        """It was not sent, or if that is not ``is_certain``, perhaps; it is due again after that time."""
        later = {"telling.due_at": _from_now(again_in), "telling.is_underway": not is_certain}
        self._disclosures.update_one(_telling(disclosure), [{"$set": later}])


def _unless_executed(state: State) -> Document:
    return {"$cond": [{"$eq": ["$state", "executed"]}, "$state", state]}


def _fetched_no_more() -> Document:
    over = {"kept_until": {"$min": ["$bundle.kept_until", "$$NOW"]}}
    return {"$cond": [{"$eq": ["$state", "executed"]}, {"$mergeObjects": ["$bundle", over]}, "$bundle"]}


def _telling(disclosure: Disclosure) -> Document:
    """The telling, for as long as nobody else has claimed it after us."""
    attempts = disclosure.telling.attempts if disclosure.telling else 0
    return {"_id": disclosure.disclosure_id, "telling.state": "waiting", "telling.attempts": attempts}


def _person(person: Person) -> Document:
    return {name: {"$literal": value} for name, value in msgspec.structs.asdict(person).items()}


def _from_now(lasts: timedelta) -> Document:
    return {"$add": ["$$NOW", int(lasts.total_seconds() * 1000)]}


def _is_over(field: str) -> Document:
    return {"$expr": {"$lte": [{"$ifNull": [f"${field}", LONG_AGO]}, "$$NOW"]}}


def _disclosure(document: Document) -> Disclosure:
    return msgspec.convert({**document, "disclosure_id": document["_id"]}, Disclosure)
