"""Where deliveries go that cannot be handled: to rest in ``.dead``."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import structlog

from chassis.bus import metrics
from chassis.bus.delivery import Broken, envelope_of
from chassis.bus.publisher import CONFIRMED, Publication, Publisher
from chassis.bus.topology import DEFAULT_EXCHANGE, Topology, WorkQueue
from chassis.bus.wire import Envelope, Received, publish_frames
from chassis.ids import new_id

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 5.0
_CONNECTING_SECONDS = 5.0


class Parking:
    """Moves deliveries aside, with confirms, over a connection of its own that is made when first needed.

    Its own, because the broker may block a connection that publishes, and acks must get through.
    """

    def __init__(self, url: str, *, name: str, queues: Sequence[WorkQueue]) -> None:
        self._publisher = Publisher(url, name=name, topology=Topology.of(queues))
        self._is_started = False

    def bury(self, received: Received, work_queue: WorkQueue, *, reason: str) -> None:
        """Set ``received`` aside for good. Raises ``PublishFailed``."""
        headers = {"x-queue": work_queue.name, "x-reason": reason[:200]}
        self._publish(work_queue.dead, _moved(received, headers), received.body)
        metrics.deliveries.labels(work_queue.name, "buried").inc()
        log.error("delivery buried", queue=work_queue.dead, reason=reason)

    def close(self) -> None:
        """Disconnect."""
        if self._is_started:
            self._publisher.close()

    def _publish(self, queue: str, envelope: Envelope, body: bytes) -> None:
        if not self._is_started:
            self._is_started = True
            self._publisher.start()
        self._publisher.wait_until_up(_CONNECTING_SECONDS)
        frames = publish_frames(CONFIRMED, DEFAULT_EXCHANGE, queue, envelope, body)
        self._publisher.accept([Publication(queue, envelope.message_id, frames, is_unheard_fine=False)]).result()


def _moved(received: Received, headers: Mapping[str, Any]) -> Envelope:
    # What the broker counted is left behind: who puts it back in its queue begins anew.
    try:
        envelope = envelope_of(received)
    except Broken:
        envelope = Envelope()
    return Envelope(
        message_id=envelope.message_id or new_id(),
        type=envelope.type,
        app_id=envelope.app_id,
        correlation_id=envelope.correlation_id,
        timestamp=envelope.timestamp,
        headers=headers,
    )


def pauses() -> Iterator[float]:
    """Seconds to wait before the second, third, … attempt: short at first, then longer, without end."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        yield pause
        pause = min(LONGEST_PAUSE_SECONDS, pause * 2)


def paused(stop: threading.Event) -> Iterator[int]:
    """Count attempts from 1, with a growing pause between them, until ``stop`` is set."""
    for attempt, pause in enumerate(pauses(), 1):
        yield attempt
        if stop.wait(pause):
            return
    return
