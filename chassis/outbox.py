"""The outbox: events written in the transaction that makes them true, and published from there.

So nothing is announced that did not happen, and nothing that happened goes unannounced. An event
whose row could not be deleted after it was published is published again, under the same
``message_id``; whoever hears it must take twice for once.
"""

import re
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import timedelta
from typing import Any, Protocol

import msgspec
import structlog
from pymongo import ASCENDING
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, OperationFailure

from chassis import clock, correlation
from chassis.bus import PublishFailed
from chassis.ids import new_id
from chassis.mongo import Document, StoreUnavailable, unavailable
from contracts.catalogue import PAYLOADS
from contracts.payload import Event

log = structlog.get_logger(__name__)

COLLECTION = "outbox"
TURN = "dispatcher"
LEASES = "outbox_leases"
LEASE = timedelta(seconds=15)
MOST_AT_ONCE = 200
LONGEST_PAUSE_SECONDS = 5.0
_ALREADY_EXISTS = 48


class EventBus(Protocol):
    """The part of ``chassis.bus.Bus`` that is needed here."""

    def publish(
        self, event: Event, *, message_id: str | None = None, correlation_id: str | None = None
    ) -> "Future[None]": ...


class Outbox:
    """Takes events down beside the state they tell of."""

    def __init__(self, database: Database[Document]) -> None:
        self._rows = database[COLLECTION]

    def ensure_indexes(self) -> None:
        """Make the collection, which a transaction should not have to; it needs no index beyond its ids."""
        try:
            with unavailable():
                self._rows.database.create_collection(COLLECTION, check_exists=False)
        except OperationFailure as failure:
            # All processes of a service do this when they start, and they may start together.
            if failure.code != _ALREADY_EXISTS:
                raise

    def add(self, event: Event, *, session: ClientSession) -> None:
        """Announce ``event`` if, and only if, the transaction of ``session`` commits.

        Events leave in the order in which they were added, as far as the clocks of the machines agree.
        """
        row = {
            "_id": new_id(),
            "type": event.routing_key,
            "payload": msgspec.json.encode(event).decode(),
            "correlation_id": correlation.current(),
            "added_at": clock.now(),
        }
        with unavailable():
            self._rows.insert_one(row, session=session)

    def retract(self, kind: type[Event], conversation_id: str, *, session: ClientSession) -> int:
        """Forget events of ``kind`` about a conversation that are not published yet; how many they were.

        One that a dispatcher has read already is published all the same.
        """
        named = f'"conversation_id":"{re.escape(conversation_id)}"'
        with unavailable():
            rows = {"type": kind.routing_key, "payload": {"$regex": named}}
            return self._rows.delete_many(rows, session=session).deleted_count


class Dispatcher:
    """Publishes what is in the outbox of ``database``, oldest first, and deletes what the broker has confirmed.

    Any number may run; one works at a time, and another takes over within ``LEASE`` if it dies.
    ``interval`` is how many seconds an event may wait when the outbox was empty before.
    """

    def __init__(self, database: Database[Document], bus: EventBus, *, interval: float = 0.25) -> None:
        self._rows = database[COLLECTION]
        self._leases = database[LEASES]
        self._bus = bus
        self._interval = interval
        self._name = new_id()

    def run(self, stop: threading.Event) -> None:
        """Dispatch until ``stop`` is set, whatever becomes of the database and the broker meanwhile."""
        pause = self._interval
        while not stop.is_set():
            try:
                published = self.dispatch()
                pause = self._interval
            except (PublishFailed, StoreUnavailable) as error:
                log.warning("outbox waits", reason=repr(error))
                published, pause = 0, min(LONGEST_PAUSE_SECONDS, pause * 2)
            except Exception:
                # The outermost loop: whatever it was, the events must still go out.
                log.exception("outbox failed")
                published, pause = 0, min(LONGEST_PAUSE_SECONDS, pause * 2)
            if not published:
                stop.wait(pause)
        self._release()

    def dispatch(self) -> int:
        """Publish what is there, if it is this one's turn; how many rows were. Raises the first failure."""
        with unavailable():
            if not self._has_turn():
                return 0
            # What only a newer release can read waits until that release is back.
            readable = self._rows.find({"type": {"$in": list(PAYLOADS)}})
            rows = list(readable.sort("_id", ASCENDING).limit(MOST_AT_ONCE))
            failure = self._publish(rows)
        if failure is not None:
            raise failure
        return len(rows)

    def _publish(self, rows: Sequence[Document]) -> PublishFailed | None:
        answers = [(row, self._publish_one(row)) for row in rows]
        confirmed: list[str] = []
        failure: PublishFailed | None = None
        for row, answer in answers:
            try:
                answer.result()
            except PublishFailed as error:
                failure = failure or error
            else:
                confirmed.append(row["_id"])
        if confirmed:
            self._rows.delete_many({"_id": {"$in": confirmed}})
        return failure

    def _publish_one(self, row: Document) -> "Future[None]":
        event: Any = msgspec.json.decode(row["payload"], type=PAYLOADS[row["type"]])
        return self._bus.publish(event, message_id=row["_id"], correlation_id=row["correlation_id"])

    def _has_turn(self) -> bool:
        # By the database's clock, the only one all dispatchers share.
        is_free = {"$or": [{"holder": self._name}, {"$expr": {"$lt": ["$until", "$$NOW"]}}]}
        until = {"$dateAdd": {"startDate": "$$NOW", "unit": "second", "amount": int(LEASE.total_seconds())}}
        mine = [{"$set": {"holder": self._name, "until": until}}]
        if self._leases.update_one({"_id": TURN, **is_free}, mine).matched_count:
            return True
        # An upsert may not compare with the database's clock, so the first lease is taken apart.
        try:
            return bool(self._leases.update_one({"_id": TURN, "holder": self._name}, mine, upsert=True).upserted_id)
        except DuplicateKeyError:
            return False

    def _release(self) -> None:
        try:
            with unavailable():
                self._leases.delete_one({"_id": TURN, "holder": self._name})
        except StoreUnavailable:
            log.info("outbox lease left to run out")
