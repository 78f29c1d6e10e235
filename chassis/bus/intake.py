"""Deliveries of some queues as one stream, each queue over a connection of its own.

The I/O thread fills the inbox; the thread that calls ``take`` empties it. The broker's prefetch
bounds what is in between. Each channel is one epoch: what came in an earlier one will be delivered
again, so it is never handed out, and its acks are never sent.

A connection for each queue, because to cut it is the one way of letting go of a queue that keeps its
order: RabbitMQ puts back what is unacknowledged and turns to the next consumer in one step. After
``basic.cancel`` the next one gets what follows while the last one still holds what came before.
"""

import itertools
import threading
import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from functools import partial

import structlog
from pika.channel import Channel
from pika.exceptions import ChannelClosedByBroker

from chassis.bus import metrics
from chassis.bus.connection import CLOSING_SECONDS, HEARTBEAT_SECONDS, IoThread, Link, Wire
from chassis.bus.errors import NOT_FOUND
from chassis.bus.topology import Topology, WorkQueue
from chassis.bus.wire import ChannelReader, Received, ack_frame

log = structlog.get_logger(__name__)

_CHANNEL = 1
FIRST_REOPEN_SECONDS = 0.05
LONGEST_REOPEN_SECONDS = 5.0
DELETED_SECONDS = 2.0
"""How long a queue that was deleted stays so, at least: long enough for every consumer of it to be told.

RabbitMQ 3 consumes it again on behalf of a channel that hears of it so late that it is there again. Then it drops all
that it delivers to that channel, which hears of nothing.
"""


class Opened:
    """In the inbox: all that follows of ``queue`` came on a new channel."""

    def __init__(self, queue: str) -> None:
        self.queue = queue


class SteppingBack:
    """In the inbox: whoever handled what came before is to let go of ``queue``."""

    def __init__(self, queue: str) -> None:
        self.queue = queue


class Stopped:
    """In the inbox: nothing more is wanted."""


Item = Received | Opened | SteppingBack | Stopped


class Inbox:
    """What came and is not taken yet, in the order in which it came."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._arrival = threading.Condition(threading.Lock())

    def put(self, item: Item) -> None:
        with self._arrival:
            self._items.append(item)
            self._arrival.notify()

    def wait(self) -> None:
        """Return as soon as there is something."""
        with self._arrival:
            self._arrival.wait_for(lambda: self._items)

    def take(self, most: int) -> list[Received] | Opened | SteppingBack | Stopped:
        """The first thing there is; if it is a delivery, also those right behind it, ``most`` in all."""
        with self._arrival:
            self._arrival.wait_for(lambda: self._items)
            first = self._items.popleft()
            if not isinstance(first, Received):
                return first
            taken = [first]
            while len(taken) < most and self._items and isinstance(following := self._items[0], Received):
                taken.append(following)
                self._items.popleft()
            return taken

    def discard(self, queue: str) -> None:
        """Forget what came of ``queue``."""
        with self._arrival:
            self._items = deque(item for item in self._items if not _came_of(queue, item))


def _came_of(queue: str, item: Item) -> bool:
    if isinstance(item, Received):
        return item.consumer_tag == queue
    return isinstance(item, Opened) and item.queue == queue


class Intake:
    """Consumes ``queues``, each with up to ``prefetch`` deliveries unacknowledged.

    A process that is silent for two to three times ``heartbeat_seconds`` is dead to the broker, which turns to
    the next consumer then.
    """

    def __init__(
        self,
        url: str,
        *,
        service: str,
        queues: Sequence[WorkQueue],
        prefetch: int,
        heartbeat_seconds: int = HEARTBEAT_SECONDS,
    ) -> None:
        self._name = f"{service} {queues[0].name}" + (f" and {len(queues) - 1} more" if len(queues) > 1 else "")
        self._io = IoThread(self._name)
        self._inbox = Inbox()
        self._subscriptions = {
            queue.name: Subscription(
                url,
                f"{service} {queue.name}",
                queue,
                io=self._io,
                inbox=self._inbox,
                prefetch=prefetch,
                heartbeat_seconds=heartbeat_seconds,
            )
            for queue in queues
        }

    @property
    def is_up(self) -> bool:
        """Whether deliveries of every queue can come in just now."""
        return all(subscription.is_up for subscription in self._subscriptions.values())

    @property
    def subscribed(self) -> Mapping[str, int]:
        """The queues that are consumed just now, and how many times each had been subscribed to by then."""
        return {name: each.times for name, each in self._subscriptions.items() if each.is_up}

    def start(self, stop: threading.Event) -> None:
        """Begin to connect and consume, until ``stop`` is set."""
        self._io.start()
        # Waits for the event in a thread of its own, so that nobody has to look at it again and again.
        watcher = threading.Thread(target=self._watch, args=(stop,), name=f"{self._name} stop", daemon=True)
        watcher.start()

    def take(self, most: int, *, linger: float = 0.0) -> list[Received] | Opened | SteppingBack | Stopped:
        """What is there, at least one delivery and at most ``most``; waits while there is nothing, then ``linger``."""
        if linger:
            self._inbox.wait()
            time.sleep(linger)
        taken = self._inbox.take(most)
        return [received for received in taken if self.is_current(received)] if isinstance(taken, list) else taken

    def is_current(self, received: Received) -> bool:
        """Whether ``received`` came on the channel that is open now, so that acknowledging it counts."""
        return received.epoch == self._subscriptions[received.consumer_tag].epoch

    def ack(self, received: Received, *, is_multiple: bool) -> None:
        """Acknowledge ``received``, and with ``is_multiple`` all that came before it from the same queue."""
        self._subscriptions[received.consumer_tag].ack(received, is_multiple=is_multiple)

    def step_back(self, queue: str) -> None:
        """Have whoever takes from here let go of ``queue``, when what came before is handled. Any thread may call."""
        self._inbox.put(SteppingBack(queue))

    def restart(self, queues: Collection[str] = ()) -> None:
        """Have everything unacknowledged come again, of these queues or of all, on a new channel.

        Others who wait for a queue come first then.
        """
        for name in queues or self._subscriptions:
            self._subscriptions[name].restart()

    def settled(self) -> None:
        """Work goes on: the next restart begins with a short pause again."""
        for subscription in self._subscriptions.values():
            subscription.reopenings = 0

    def close(self) -> None:
        """Stop consuming. What is not acknowledged goes back to the queues, in order."""
        self._io.close(Wire.hang_up, CLOSING_SECONDS + 2.0)

    def _watch(self, stop: threading.Event) -> None:
        stop.wait()
        self._inbox.put(Stopped())


class Subscription:
    """One queue, over a connection and a channel of its own."""

    def __init__(
        self,
        url: str,
        name: str,
        work_queue: WorkQueue,
        *,
        io: IoThread,
        inbox: Inbox,
        prefetch: int,
        heartbeat_seconds: int,
    ) -> None:
        self._link = Link(
            url,
            name=name,
            on_open=self._open_channel,
            on_lost=self._on_lost,
            io=io,
            heartbeat_seconds=heartbeat_seconds,
        )
        self._queue = work_queue.name
        self._topology = Topology.of([work_queue])
        self._prefetch = prefetch
        self._inbox = inbox
        self._wire: Wire | None = None
        self._channel: Channel | None = None
        self._epochs = itertools.count(1)
        # What the I/O thread has open, and what is still to be handed out of it: whoever restarts changes the latter
        # at once, and acks on their way must still get through.
        self._open_epoch = 0
        self.epoch = 0
        self.times = 0
        self.reopenings = 0
        self._declare_at = 0.0
        self.is_up = False

    def ack(self, received: Received, *, is_multiple: bool) -> None:
        self._link.call(partial(self._ack, received.epoch, received.delivery_tag, is_multiple))

    def restart(self) -> None:
        self.epoch = next(self._epochs)
        self._link.call(self._let_go)

    def _let_go(self) -> None:
        """Hang up when the broker has taken the last ack: of what comes right before the end it may take no notice."""
        if self._wire is None or self._channel is None or not self._channel.is_open:
            self._link.hang_up()
            return
        hang_up = partial(self._hang_up, self._wire)
        # The broker works through a channel in order.
        self._channel.basic_qos(prefetch_count=self._prefetch, callback=hang_up)
        self._link.later(CLOSING_SECONDS, hang_up)

    def _hang_up(self, wire: Wire, _confirmation: object = None) -> None:
        if wire is self._wire:
            self._link.hang_up()

    def _open_channel(self, wire: Wire) -> None:
        self._wire = wire
        pause = self._declare_at - time.monotonic()
        if pause > 0:
            self._link.later(pause, partial(self._reopen, wire))
        else:
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
        # What came before comes again. Left there, it would pile up while a handler waits and the connection
        # comes and goes.
        self._inbox.discard(self._queue)
        epoch = self.epoch = self._open_epoch = next(self._epochs)
        self._wire.readers[_CHANNEL] = ChannelReader(on_delivery=partial(self._on_delivery, epoch))
        self._inbox.put(Opened(self._queue))
        self._channel.basic_consume(
            self._queue, _read_elsewhere, consumer_tag=self._queue, callback=partial(self._on_consuming, epoch)
        )

    def _on_consuming(self, epoch: int, _confirmation: object) -> None:
        if epoch == self._open_epoch:
            self.times += 1
            self.is_up = True

    def _on_delivery(self, epoch: int, received: Received) -> None:
        received.epoch = epoch
        self._inbox.put(received)

    def _ack(self, epoch: int, delivery_tag: int, is_multiple: bool) -> None:
        if epoch == self._open_epoch and self._wire is not None and self._channel is not None and self._channel.is_open:
            self._wire.emit(ack_frame(_CHANNEL, delivery_tag, is_multiple=is_multiple))

    def _on_cancelled(self, _frame: object) -> None:
        metrics.consumers_cancelled.labels(self._link.name).inc()
        log.warning("consumer cancelled by the broker", connection=self._link.name)
        self._wait_for_others()
        self._link.hang_up()

    def _wait_for_others(self) -> None:
        self._declare_at = time.monotonic() + DELETED_SECONDS

    def _on_channel_closed(self, _channel: Channel, reason: Exception) -> None:
        self._gone()
        wire = self._wire
        if wire is None or not wire.is_open:
            return
        wire.readers.pop(_CHANNEL, None)
        if isinstance(reason, ChannelClosedByBroker) and reason.reply_code == NOT_FOUND:
            self._wait_for_others()
        pause = min(LONGEST_REOPEN_SECONDS, FIRST_REOPEN_SECONDS * 2.0 ** min(self.reopenings, 10))
        self.reopenings += 1
        log.warning("channel closed", connection=self._link.name, reason=repr(reason), pause_s=pause)
        self._link.later(pause, partial(self._reopen, wire))

    def _reopen(self, wire: Wire) -> None:
        if wire is self._wire and wire.is_open:
            self._open_channel(wire)

    def _on_lost(self) -> None:
        self._wire = None
        self._gone()

    def _gone(self) -> None:
        self._channel = None
        self.is_up = False
        self._open_epoch = 0
        self.epoch = next(self._epochs)


def _read_elsewhere(_channel: object, _method: object, _properties: object, _body: bytes) -> None:
    """pika insists on a callback for deliveries; the channel reader takes them before pika sees them."""
