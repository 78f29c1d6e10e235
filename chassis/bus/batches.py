"""Deliveries of several queues in batches, those of each queue in the order in which they came.

=======================================  =====================================================
the handler                              the batch
=======================================  =====================================================
returns                                  is acknowledged as a whole
raises ``Retry`` or any ``Unavailable``  is handed over again after a pause that grows, for ever
raises ``Restart``                       comes again on new channels, as does all that is unacknowledged
                                         of its queues
raises anything else                     is logged and tried again; after ``attempts``, its deliveries
                                         are tried one by one, and one that fails ``attempts`` times
                                         rests in ``.dead``
gets a batch without it                  a delivery whose payload is broken, or with which twenty handlers ended,
                                         rests in ``.dead``
=======================================  =====================================================

Nothing is acknowledged before all that came before it in its queue is handled or rests, confirmed, in ``.dead``.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog

from chassis.bus import metrics
from chassis.bus.connection import HEARTBEAT_SECONDS
from chassis.bus.delivery import SUSPICIOUS_RETURNS, Broken, Delivery, PayloadReader
from chassis.bus.errors import PublishFailed, Restart, Retry
from chassis.bus.intake import Intake, Opened, SteppingBack, Stopped
from chassis.bus.parking import Parking, paused
from chassis.bus.topology import WorkQueue
from chassis.bus.wire import Received
from chassis.problems import Unavailable
from contracts.payload import Payload

log = structlog.get_logger(__name__)

Pair = tuple[Received, Sequence[Delivery]]
"""What came, and the payloads in it: they share its fate."""


class BatchConsumer:
    """Hands deliveries of ``queues`` to ``handle``, up to ``max_batch`` at a time, in the thread that calls ``run``.

    A batch is whatever is there when the last one is done: nobody waits for one to fill, unless ``linger``
    gives it so many seconds, which is for work that nobody waits for and that costs less in larger batches. Up
    to ``prefetch`` deliveries of each queue are taken from the broker ahead. ``on_channel`` is called with the
    name of a queue, in the same thread, before the first delivery of each new channel: everything
    unacknowledged comes again, and others may have worked on it meanwhile. For ``heartbeat_seconds`` see ``Intake``.
    """

    def __init__(
        self,
        url: str,
        *,
        service: str,
        queues: Sequence[WorkQueue],
        payloads: Iterable[type[Payload]],
        handle: Callable[[Sequence[Delivery]], None],
        max_batch: int = 500,
        prefetch: int = 1000,
        linger: float = 0.0,
        on_channel: Callable[[str], None] | None = None,
        heartbeat_seconds: int = HEARTBEAT_SECONDS,
    ) -> None:
        self._queues = {work_queue.name: work_queue for work_queue in queues}
        self._reader = PayloadReader(payloads)
        self._handle = handle
        self._max_batch = max_batch
        self._linger = linger
        self._on_channel = on_channel
        self._acknowledged: dict[str, Received] = {}
        self._intake = Intake(
            url, service=service, queues=queues, prefetch=prefetch, heartbeat_seconds=heartbeat_seconds
        )
        self._parking = Parking(url, name=f"{service} {queues[0].name} parking", queues=queues)

    @property
    def is_up(self) -> bool:
        """Whether deliveries of every queue can come in just now."""
        return self._intake.is_up

    @property
    def subscribed(self) -> Mapping[str, int]:
        """The queues that are consumed just now, and how many times each had been subscribed to by then."""
        return self._intake.subscribed

    def step_back(self, queue: str) -> None:
        """Let go of ``queue`` when what is held of it now is handled, and wait for it behind all others who do.

        Any thread may call; it returns at once.
        """
        self._intake.step_back(queue)

    def run(self, stop: threading.Event) -> None:
        """Consume until ``stop`` is set, whatever becomes of the connection meanwhile."""
        self._intake.start(stop)
        try:
            while not stop.is_set():
                taken = self._intake.take(self._max_batch, linger=self._linger)
                if isinstance(taken, Stopped):
                    break
                if isinstance(taken, Opened):
                    self._begin_channel(taken.queue)
                elif isinstance(taken, SteppingBack):
                    self._intake.restart([taken.queue])
                elif taken:
                    self._settle(taken, stop)
        finally:
            self._intake.close()
            self._parking.close()

    def _begin_channel(self, queue: str) -> None:
        if self._on_channel is not None:
            self._on_channel(queue)

    def _settle(self, taken: list[Received], stop: threading.Event) -> None:
        pairs, broken = self._read(taken)
        try:
            # The broken ones first: acknowledging what comes after one of them acknowledges it too.
            done = all(self._buried(*pair, stop) for pair in broken) and self._handled(pairs, stop)
        except Restart:
            queues = {received.consumer_tag for received in taken}
            log.warning("channels restarted on request", queues=sorted(queues))
            self._intake.restart(queues)
            return
        if done:
            for last in {received.consumer_tag: received for received in taken}.values():
                self._ack(last)
            self._intake.settled()

    def _ack(self, received: Received) -> None:
        # To acknowledge the same one twice is an error that closes the channel.
        if received is not self._acknowledged.get(received.consumer_tag):
            self._acknowledged[received.consumer_tag] = received
            self._intake.ack(received, is_multiple=True)

    def _read(self, taken: list[Received]) -> tuple[list[Pair], list[tuple[Received, str]]]:
        pairs: list[Pair] = []
        broken: list[tuple[Received, str]] = []
        for received in taken:
            try:
                pairs.append((received, self._reader.deliveries(received)))
            except Broken as error:
                broken.append((received, str(error)))
        return pairs, broken

    def _handled(self, pairs: list[Pair], stop: threading.Event) -> bool:
        """Whether all of ``pairs`` are dealt with, or came on a channel that is gone; False if it is time to stop."""
        if not pairs:
            return True
        if len(pairs) > 1 and any(map(_is_suspicious, pairs)):
            return self._one_by_one(pairs, stop)
        failure = self._tried(pairs, stop)
        if failure is None:
            return True
        if failure is _GIVEN_UP:
            return False
        if len(pairs) == 1:
            return self._buried(pairs[0][0], type(failure).__name__, stop)
        return self._one_by_one(pairs, stop)

    def _one_by_one(self, pairs: list[Pair], stop: threading.Event) -> bool:
        for pair in pairs:
            if not self._handled([pair], stop):
                return False
            # What came before the next one is settled: a crash from here on must not repeat it.
            self._ack(pair[0])
        return True

    def _tried(self, pairs: list[Pair], stop: threading.Event) -> Exception | None:
        attempts = self._queues[pairs[0][0].consumer_tag].attempts
        failures = 0
        for _attempt in paused(stop):
            # What came on a channel that is gone comes again, perhaps to another.
            current = [pair for pair in pairs if self._intake.is_current(pair[0])]
            deliveries = [delivery for _, together in current for delivery in together]
            if not deliveries:
                return None
            try:
                self._handle(deliveries)
            except Restart:
                raise
            except (Retry, Unavailable) as verdict:
                log.warning("batch retried", queue=deliveries[0].queue, size=len(deliveries), reason=repr(verdict))
            except Exception as error:
                # The outermost loop: a bad batch must not stop the others.
                failures += 1
                log.exception("batch failed", queue=deliveries[0].queue, size=len(deliveries), attempt=failures)
                if failures >= attempts:
                    return error
            else:
                for queue, count in Counter(received.consumer_tag for received, _ in current).items():
                    metrics.deliveries.labels(queue, "handled").inc(count)
                return None
        return _GIVEN_UP

    def _buried(self, received: Received, reason: str, stop: threading.Event) -> bool:
        work_queue = self._queues[received.consumer_tag]
        for _attempt in paused(stop):
            if not self._intake.is_current(received):
                return True
            try:
                self._parking.bury(received, work_queue, reason=reason)
            except PublishFailed as error:
                log.warning("could not bury a delivery", queue=work_queue.name, reason=repr(error))
            else:
                return True
        return False


def _is_suspicious(pair: Pair) -> bool:
    """Whether somebody may have ended with it, again and again."""
    _, deliveries = pair
    return any(delivery.returns >= SUSPICIOUS_RETURNS for delivery in deliveries)


_GIVEN_UP = Exception("it is time to stop")
