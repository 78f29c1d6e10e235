"""Deliveries of some queues, as they come in over one connection and one channel at a time.

The I/O thread fills the inbox; the thread that calls ``take`` empties it. The broker's prefetch
bounds what is in between. Each channel is one epoch: what came in an earlier one will be delivered
again, so it is never handed out, and its acks are never sent.
"""

import contextlib
import itertools
import queue
import threading
import time
from collections.abc import Sequence
from functools import partial

import structlog
from pika.channel import Channel

from chassis.bus import metrics
from chassis.bus.connection import Link, Wire
from chassis.bus.topology import Topology, WorkQueue
from chassis.bus.wire import ChannelReader, Received, ack_frame

log = structlog.get_logger(__name__)

_CHANNEL = 1
FIRST_REOPEN_SECONDS = 0.05
LONGEST_REOPEN_SECONDS = 5.0


class Opened:
    """In the inbox: all that follows came on a new channel."""


class Stopped:
    """In the inbox: nothing more is wanted."""


class Intake:
    """Consumes ``queues``, each with up to ``prefetch`` deliveries unacknowledged."""

    def __init__(self, url: str, *, name: str, queues: Sequence[WorkQueue], prefetch: int) -> None:
        self._link = Link(url, name=name, on_open=self._open_channel, on_lost=self._on_lost)
        self._queues = tuple(queues)
        self._topology = Topology.of(queues)
        self._prefetch = prefetch
        self._inbox: queue.SimpleQueue[Received | Opened | Stopped] = queue.SimpleQueue()
        self._held: Received | Opened | Stopped | None = None
        self._epochs = itertools.count(1)
        self._epoch = 0
        self._wire: Wire | None = None
        self._channel: Channel | None = None
        self._reopenings = 0
        self.is_up = False

    def start(self, stop: threading.Event) -> None:
        """Begin to connect and consume, until ``stop`` is set."""
        self._link.start()
        # Waits for the event in a thread of its own, so that nobody has to look at it again and again.
        watcher = threading.Thread(target=self._watch, args=(stop,), name=f"{self._link.name} stop", daemon=True)
        watcher.start()

    def take(self, most: int, *, linger: float = 0.0) -> list[Received] | Opened | Stopped:
        """What is there, at least one delivery and at most ``most``; waits while there is nothing, then ``linger``."""
        first = self._next()
        if not isinstance(first, Received):
            return first
        if linger:
            time.sleep(linger)
        taken = [first]
        while len(taken) < most:
            try:
                following = self._inbox.get_nowait()
            except queue.Empty:
                break
            if not isinstance(following, Received):
                self._held = following
                break
            taken.append(following)
        return [received for received in taken if self.is_current(received)]

    def is_current(self, received: Received) -> bool:
        """Whether ``received`` came on the channel that is open now, so that acknowledging it counts."""
        return received.epoch == self._epoch

    def ack(self, received: Received, *, is_multiple: bool) -> None:
        """Acknowledge ``received``, and with ``is_multiple`` all that came before it."""
        self._link.call(partial(self._ack, received.epoch, received.delivery_tag, is_multiple))

    def restart(self) -> None:
        """Have everything unacknowledged come again, on a new channel, after a pause that grows."""
        self._epoch = next(self._epochs)
        self._link.call(self._link.hang_up)

    def settled(self) -> None:
        """Work goes on: the next restart begins with a short pause again."""
        self._reopenings = 0

    def close(self) -> None:
        """Stop consuming. What is not acknowledged goes back to the queue, in order."""
        self._link.close_by_hanging_up()

    def _next(self) -> Received | Opened | Stopped:
        held, self._held = self._held, None
        return self._inbox.get() if held is None else held

    def _watch(self, stop: threading.Event) -> None:
        stop.wait()
        self._inbox.put(Stopped())

    def _open_channel(self, wire: Wire) -> None:
        self._wire = wire
        wire.channel(_CHANNEL, on_open_callback=self._prepare)

    def _prepare(self, channel: Channel) -> None:
        self._channel = channel
        channel.add_on_close_callback(self._on_channel_closed)
        channel.add_on_cancel_callback(self._on_cancelled)
        self._topology.declare(channel)
        channel.basic_qos(prefetch_count=self._prefetch, callback=self._consume)

    def _consume(self, _confirmation: object) -> None:
        if self._wire is None or self._channel is None:
            return
        self._link.ready()
        self._discard_stale()
        epoch = self._epoch = next(self._epochs)
        self._wire.readers[_CHANNEL] = ChannelReader(on_delivery=partial(self._on_delivery, epoch))
        self._inbox.put(Opened())
        self.is_up = True
        for work_queue in self._queues:
            self._channel.basic_consume(work_queue.name, _read_elsewhere, consumer_tag=work_queue.name)

    def _discard_stale(self) -> None:
        # They come again. Left here, they would pile up while a handler waits and the connection comes and goes.
        kept = []
        with contextlib.suppress(queue.Empty):
            while True:
                item = self._inbox.get_nowait()
                if isinstance(item, Stopped):
                    kept.append(item)
        for item in kept:
            self._inbox.put(item)

    def _on_delivery(self, epoch: int, received: Received) -> None:
        received.epoch = epoch
        self._inbox.put(received)

    def _ack(self, epoch: int, delivery_tag: int, is_multiple: bool) -> None:
        if epoch == self._epoch and self._wire is not None and self._channel is not None and self._channel.is_open:
            self._wire.emit(ack_frame(_CHANNEL, delivery_tag, is_multiple=is_multiple))

    def _on_cancelled(self, _frame: object) -> None:
        metrics.consumers_cancelled.labels(self._link.name).inc()
        log.warning("consumer cancelled by the broker", connection=self._link.name)
        self._link.hang_up()

    def _on_channel_closed(self, _channel: Channel, reason: Exception) -> None:
        self._channel = None
        self.is_up = False
        self._epoch = next(self._epochs)
        wire = self._wire
        if wire is None or not wire.is_open:
            return
        wire.readers.pop(_CHANNEL, None)
        pause = min(LONGEST_REOPEN_SECONDS, FIRST_REOPEN_SECONDS * 2.0 ** min(self._reopenings, 10))
        self._reopenings += 1
        log.warning("channel closed", connection=self._link.name, reason=repr(reason), pause_s=pause)
        self._link.later(pause, partial(self._reopen, wire))

    def _reopen(self, wire: Wire) -> None:
        if wire is self._wire and wire.is_open:
            self._open_channel(wire)

    def _on_lost(self) -> None:
        self._wire = None
        self._channel = None
        self.is_up = False
        self._epoch = next(self._epochs)


def _read_elsewhere(_channel: object, _method: object, _properties: object, _body: bytes) -> None:
    """pika insists on a callback for deliveries; the channel reader takes them before pika sees them."""
