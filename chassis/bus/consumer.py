"""Deliveries of one queue, one after another, each to the handler of its payload's class.

=======================================  =====================================================
the handler                              the delivery
=======================================  =====================================================
returns                                  is acknowledged
raises ``Retry``                         waits in ``.retry``; after ``attempts``, rests in ``.dead``
raises ``Reject``                        rests in ``.dead`` now
raises any ``Unavailable``               is handed over again after a pause that grows, for ever:
                                         the next one would fare no better
raises ``Restart``                       comes again on a new channel, as do all unacknowledged
raises anything else                     is logged, then as ``Retry``
is not called: the payload is broken     rests in ``.dead`` now
=======================================  =====================================================

Payloads that came together share their fate: if a handler fails, all of them are handed over again, and rest together.
A delivery is in its new place, confirmed by the broker, before it is acknowledged in the old one.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from chassis import correlation
from chassis.bus import metrics
from chassis.bus.delivery import Broken, Delivery, PayloadReader, attempts_of, envelope_of
from chassis.bus.errors import PublishFailed, Reject, Restart, Retry
from chassis.bus.intake import Intake, Stopped
from chassis.bus.parking import Parking, paused
from chassis.bus.topology import WorkQueue
from chassis.bus.wire import Received
from chassis.problems import Unavailable
from contracts.payload import Payload

log = structlog.get_logger(__name__)

Subscriptions = Mapping[type[Payload], Callable[[Any], None]]
"""What a service listens to: for each class of payload, the callable that handles it."""


class Consumer:
    """Hands the deliveries of ``queue`` to ``subscriptions``, in the thread that calls ``run``.

    Up to ``prefetch`` deliveries are taken from the broker ahead of the one being handled.
    """

    def __init__(
        self, url: str, *, service: str, queue: WorkQueue, subscriptions: Subscriptions, prefetch: int = 16
    ) -> None:
        self._queue = queue
        self._handlers = {payload.routing_key: handler for payload, handler in subscriptions.items()}
        self._reader = PayloadReader(subscriptions)
        self._handled = metrics.deliveries.labels(queue.name, "handled")
        self._intake = Intake(url, service=service, queues=[queue], prefetch=prefetch)
        self._parking = Parking(url, name=f"{service} {queue.name} parking", queues=[queue])

    @property
    def is_up(self) -> bool:
        """Whether deliveries can come in just now."""
        return self._intake.is_up

    def run(self, stop: threading.Event) -> None:
        """Consume until ``stop`` is set, whatever becomes of the connection meanwhile."""
        self._intake.start(stop)
        try:
            while not stop.is_set():
                taken = self._intake.take(1)
                if isinstance(taken, Stopped):
                    break
                if isinstance(taken, list):
                    for received in taken:
                        self._settle(received, stop)
        finally:
            self._intake.close()
            self._parking.close()

    def _settle(self, received: Received, stop: threading.Event) -> None:
        try:
            deliveries = self._reader.deliveries(received)
        except Broken as error:
            self._bury(received, str(error), stop)
            return
        for _attempt in paused(stop):
            if not self._intake.is_current(received):
                return
            try:
                self._handle(deliveries)
            except Unavailable as error:
                log.warning("handler waits", queue=self._queue.name, reason=repr(error))
                continue
            except Exception as error:  # noqa: BLE001 - the outermost loop: one bad delivery must not stop the others
                self._judge(received, error, stop)
            else:
                self._ack(received)
                self._handled.inc()
            return

    def _handle(self, deliveries: Sequence[Delivery]) -> None:
        """All that came together; what follows one that fails comes again with it."""
        for delivery in deliveries:
            with correlation.bound(delivery.correlation_id):
                self._handlers[delivery.payload.routing_key](delivery.payload)

    def _judge(self, received: Received, error: Exception, stop: threading.Event) -> None:
        match error:
            case Reject():
                self._bury(received, str(error) or "rejected", stop)
            case Restart():
                self._intake.restart()
            case Retry():
                self._retry(received, str(error) or "retried", stop)
            case _:
                log.error("handler failed", queue=self._queue.name, exc_info=error)
                self._retry(received, type(error).__name__, stop)

    def _retry(self, received: Received, reason: str, stop: threading.Event) -> None:
        attempts = attempts_of(envelope_of(received)) + 1
        if attempts >= self._queue.attempts:
            self._bury(received, reason, stop)
            return
        self._move(received, stop, lambda: self._parking.postpone(received, self._queue, attempts=attempts))

    def _bury(self, received: Received, reason: str, stop: threading.Event) -> None:
        attempts = _attempts(received) + 1
        self._move(received, stop, lambda: self._parking.bury(received, self._queue, attempts=attempts, reason=reason))

    def _move(self, received: Received, stop: threading.Event, move: Callable[[], None]) -> None:
        for _attempt in paused(stop):
            if not self._intake.is_current(received):
                return
            try:
                move()
            except PublishFailed as error:
                log.warning("could not move a delivery", queue=self._queue.name, reason=repr(error))
            else:
                self._ack(received)
                return

    def _ack(self, received: Received) -> None:
        self._intake.ack(received, is_multiple=False)
        self._intake.settled()


def _attempts(received: Received) -> int:
    try:
        return attempts_of(envelope_of(received))
    except Broken:
        return 0
