"""The ledger of notices: one line for each version, kind and customer, and one document for each run.

All times are the database's (``$$NOW``), so the clock of whoever sends does not matter. A line is claimed by one
update, for as long as sending may take; who is killed leaves it claimed, and it is free again when that time is over.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from pymongo import ASCENDING, ReturnDocument
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from chassis.mongo import Document, unavailable
from services.accounts.notices.model import Kind, Notice, Progress, Run, Unsent

_DUPLICATE_KEY = 11000
MOST_LISTED = 200
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class NoticeStore:
    def __init__(self, database: Database[Any]) -> None:
        self._runs = database["notice_runs"]
        self._notices = database["notices"]

    @unavailable()
    def ensure_indexes(self) -> None:
        in_run = [("number", ASCENDING), ("kind", ASCENDING), ("state", ASCENDING), ("due_at", ASCENDING)]
        self._notices.create_index(in_run)

    @unavailable()
    def begin(self, number: int, kind: Kind) -> Run:
        """The run, which begins with the first time it is asked for."""
        new = {"number": number, "kind": kind, "is_planned": False, "customers": 0, "planned_after": ""}
        self._runs.update_one(_run(number, kind), {"$setOnInsert": new}, upsert=True)
        return msgspec.convert(self._runs.find_one(_run(number, kind)), Run)

    @unavailable()
    def engage(self, number: int, kind: Kind, *, lasts: timedelta) -> bool:
        """Whether the run is free to be worked on, and its mail server not away; now it is engaged for so long."""
        free = {**_run(number, kind), **_is_over("engaged_until"), "$and": [_is_over("away_until")]}
        return self._runs.update_one(free, [{"$set": {"engaged_until": _from_now(lasts)}}]).modified_count == 1

    @unavailable()
    def stay_engaged(self, number: int, kind: Kind, *, lasts: timedelta) -> None:
        self._runs.update_one(_run(number, kind), [{"$set": {"engaged_until": _from_now(lasts)}}])

    @unavailable()
    def disengage(self, number: int, kind: Kind) -> None:
        self._runs.update_one(_run(number, kind), {"$unset": {"engaged_until": ""}})

    @unavailable()
    def plan(self, number: int, kind: Kind, customer_ids: Iterable[str]) -> None:
        """Write a line for each of these customers that has none, and how far the plan has got."""
        ordered = list(customer_ids)
        lines = [
            {
                **_line(number, kind, customer_id),
                "number": number,
                "kind": kind,
                "customer_id": customer_id,
                "state": "waiting",
                "due_at": LONG_AGO,
                "attempts": 0,
                "refusals": 0,
                "repeated": 0,
                "is_underway": False,
            }
            for customer_id in ordered
        ]
        try:
            self._notices.insert_many(lines, ordered=False)
        except BulkWriteError as error:
            if {failure["code"] for failure in error.details["writeErrors"]} != {_DUPLICATE_KEY}:
                raise
        self._runs.update_one(_run(number, kind), {"$set": {"planned_after": ordered[-1]}})

    @unavailable()
    def set_planned(self, number: int, kind: Kind) -> int:
        """The ledger is written; the number of its lines, which is that of the customers it knows."""
        lines = self._notices.count_documents({"number": number, "kind": kind})
        done = {"is_planned": True, "customers": lines, "planned_after": ""}
        self._runs.update_one(_run(number, kind), {"$set": done})
        return lines

    @unavailable()
    def plan_again(self, number: int, kind: Kind) -> None:
        """There are other customers now than when the ledger was written."""
        self._runs.update_one(_run(number, kind), {"$set": {"is_planned": False, "planned_after": ""}})

    @unavailable()
    def claim(self, number: int, kind: Kind, *, lasts: timedelta) -> Notice | None:
        """A line that is due, and nobody else's for so long; None if there is none."""
        due = {"number": number, "kind": kind, "state": "waiting", "$expr": {"$lte": ["$due_at", "$$NOW"]}}
        claimed = {
            "attempts": {"$add": ["$attempts", 1]},
            "repeated": {"$add": ["$repeated", {"$cond": ["$is_underway", 1, 0]}]},
            "was_underway": "$is_underway",
            "is_underway": True,
            "due_at": _from_now(lasts),
        }
        document = self._notices.find_one_and_update(
            due, [{"$set": claimed}], sort=[("due_at", ASCENDING)], return_document=ReturnDocument.AFTER
        )
        return msgspec.convert(document, Notice) if document else None

    @unavailable()
    def set_sent(self, notice: Notice) -> None:
        """The mail server took it for everybody it was for."""
        sent = {"state": "sent", "is_underway": False, "sent_at": "$$NOW"}
        line = _line(notice.number, notice.kind, notice.customer_id)
        self._notices.update_one(line, [{"$set": sent}, {"$unset": ["reached", "owed", "reason"]}])

    @unavailable()
    def set_refused(
        self,
        notice: Notice,
        *,
        reached: tuple[str, ...],
        owed: tuple[str, ...],
        reason: str,
        again_in: timedelta | None,
    ) -> None:
        """It did not reach ``owed``: to be tried again after that time, or never."""
        refused: Document = {
            "is_underway": False,
            "reached": {"$literal": list(reached)},
            "owed": {"$literal": list(owed)},
            "reason": {"$literal": reason},
            "refusals": notice.refusals + 1,
            "state": "waiting" if again_in else "failed",
        }
        if again_in:
            refused["due_at"] = _from_now(again_in)
        self._notices.update_one(_mine(notice), [{"$set": refused}])

    @unavailable()
    def give_back(self, notice: Notice, *, is_certain: bool) -> None:
        """It was not sent, or if that is not ``is_certain``, perhaps; it is due again at once."""
        self._notices.update_one(_mine(notice), [{"$set": {"due_at": "$$NOW", "is_underway": not is_certain}}])

    @unavailable()
    def set_away(self, number: int, kind: Kind, *, times: int, lasts: timedelta) -> None:
        """The mail server is away: nothing is sent for so long."""
        since = {"$ifNull": ["$away_since", "$$NOW"]}
        away = {"times_away": times, "away_since": since, "away_until": _from_now(lasts)}
        self._runs.update_one(_run(number, kind), [{"$set": away}])

    @unavailable()
    def set_back(self, number: int, kind: Kind) -> None:
        """The mail server is there again."""
        gone = {"times_away": "", "away_since": "", "away_until": ""}
        self._runs.update_one({**_run(number, kind), "away_since": {"$exists": True}}, {"$unset": gone})

    @unavailable()
    def is_anything_due(self, number: int, kind: Kind) -> bool:
        due = {"number": number, "kind": kind, "state": "waiting", "$expr": {"$lte": ["$due_at", "$$NOW"]}}
        return self._notices.find_one(due, {"_id": True}) is not None

    @unavailable()
    def progress(self, number: int, kind: Kind) -> Progress | None:
        """How far the run has got; None if it has not begun."""
        found = self._runs.find_one(_run(number, kind))
        if found is None:
            return None
        run = msgspec.convert(found, Run)
        which = {"number": number, "kind": kind}
        each = {"_id": "$state", "count": {"$sum": 1}, "repeated": {"$sum": "$repeated"}}
        tallies = list(self._notices.aggregate([{"$match": which}, {"$group": each}]))
        counts = {tally["_id"]: tally["count"] for tally in tallies}
        return Progress(
            kind=kind,
            customers=run.customers,
            is_planned=run.is_planned,
            sent=counts.get("sent", 0),
            waiting=counts.get("waiting", 0),
            failed=counts.get("failed", 0),
            repeated=sum(tally["repeated"] for tally in tallies),
            away_since=run.away_since,
            unsent=self._unsent(which),
        )

    def _unsent(self, which: Document) -> tuple[Unsent, ...]:
        refused = {**which, "state": {"$in": ["failed", "waiting"]}, "reason": {"$exists": True}}
        found = self._notices.find(refused).limit(MOST_LISTED)
        return tuple(
            Unsent(
                customer_id=document["customer_id"],
                attempts=document["attempts"],
                addresses=tuple(document["owed"]),
                reason=document["reason"],
            )
            for document in found
        )


def _run(number: int, kind: Kind) -> Document:
    return {"_id": f"{number}/{kind}"}


def _line(number: int, kind: Kind, customer_id: str) -> Document:
    return {"_id": f"{number}/{kind}/{customer_id}"}


def _mine(notice: Notice) -> Document:
    """The line, for as long as nobody else has claimed it after us."""
    line = _line(notice.number, notice.kind, notice.customer_id)
    return {**line, "attempts": notice.attempts, "state": "waiting"}


def _from_now(lasts: timedelta) -> Document:
    return {"$add": ["$$NOW", int(lasts.total_seconds() * 1000)]}


def _is_over(field: str) -> Document:
    return {"$expr": {"$lte": [{"$ifNull": [f"${field}", LONG_AGO]}, "$$NOW"]}}
