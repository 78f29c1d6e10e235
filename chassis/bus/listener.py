"""What one process wants to hear while it runs: events and signals of the customers it serves just now.

The queue is the broker's to name and goes with the connection, so what is published while there is
none is missed. Whoever listens is told when it is back (``on_recovered``) and catches up by itself.
"""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

import structlog
from pika.channel import Channel

from chassis.bus import metrics
from chassis.bus.connection import Link, Wire
from chassis.bus.delivery import Broken, PayloadReader
from chassis.bus.errors import Down
from chassis.bus.topology import EVENTS, SIGNALS, Topology, all_events_of
from chassis.bus.wire import ChannelReader, Received, ack_frame
from contracts.catalogue import PAYLOADS
from contracts.payload import Event

log = structlog.get_logger(__name__)

_CHANNEL = 1
_PREFETCH = 500
_ACK_EVERY = 100
_ACK_WITHIN_SECONDS = 1.0
"""Nobody waits for these acks, and each costs a system call here and work at the broker."""


class _Recovered:
    """In the inbox: all that follows was published after the bindings were made anew."""


class _Closed:
    """In the inbox: nothing more will come."""


class Listener:
    """Hears the events and signals of bound customers, in order, one after another.

    The three callables are called in one thread of the listener's own; they must be quick, and what
    they raise is logged and forgotten. If they fall behind, the broker holds back what follows.
    """

    def __init__(
        self,
        url: str,
        *,
        service: str,
        on_event: Callable[[Event], None],
        on_signal: Callable[[str, bytes], None],
        on_recovered: Callable[[], None],
    ) -> None:
        self._link = Link(url, name=f"{service} listener", on_open=self._open_channel, on_lost=self._on_lost)
        self._on_event = on_event
        self._on_signal = on_signal
        self._on_recovered = on_recovered
        self._reader = PayloadReader(payload for payload in PAYLOADS.values() if issubclass(payload, Event))
        self._inbox: queue.SimpleQueue[Received | _Recovered | _Closed] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"{service} listener calls", daemon=True)
        self._is_closed = False
        self.is_up = False
        # From here on, the I/O thread's alone.
        self._wanted: set[str] = set()
        self._waiting: dict[Future[None], None] = {}
        self._is_asking = False
        self._wire: Wire | None = None
        self._channel: Channel | None = None
        self._queue_name = ""
        self._epoch = 0
        self._was_up = False
        self._heard: Received | None = None
        self._acknowledged: Received | None = None
        self._is_ack_due = False

    def start(self) -> None:
        """Begin to connect, and stay connected; returns at once. Call it after any fork."""
        self._thread.start()
        self._link.start()

    def bind(self, customer_id: str) -> "Future[None]":
        """Hear ``customer_id`` from now on; the future settles once nothing published later can be missed.

        Without a connection it settles after the next one is made. Fails with ``Down`` if closed before.
        """
        bound: Future[None] = Future()
        # From now on it cannot be cancelled: somebody else may count on the binding by then.
        bound.set_running_or_notify_cancel()
        if self._is_closed:
            bound.set_exception(Down("the listener is closed"))
        else:
            self._link.call(partial(self._bind, customer_id, bound))
        return bound

    def unbind(self, customer_id: str) -> None:
        """Hear ``customer_id`` no more, soon."""
        self._link.call(partial(self._unbind, customer_id))

    def close(self) -> None:
        """Stop hearing, and disconnect."""
        self._is_closed = True
        self._link.close()
        self._inbox.put(_Closed())
        for bound in self._waiting:
            bound.set_exception(Down("the listener is closed"))
        self._waiting.clear()

    def _bind(self, customer_id: str, bound: "Future[None]") -> None:
        is_new = customer_id not in self._wanted
        self._wanted.add(customer_id)
        self._waiting[bound] = None
        if self._channel is not None and self._queue_name:
            if is_new:
                self._ask_to_bind(self._channel, customer_id)
            if not self._is_asking:
                self._is_asking = True
                self._link.call(self._settle_when_bound)

    def _unbind(self, customer_id: str) -> None:
        if customer_id not in self._wanted:
            return
        self._wanted.discard(customer_id)
        if self._channel is not None and self._queue_name:
            self._channel.queue_unbind(self._queue_name, EVENTS, all_events_of(customer_id))
            self._channel.queue_unbind(self._queue_name, SIGNALS, customer_id)

    def _ask_to_bind(self, channel: Channel, customer_id: str) -> None:
        channel.queue_bind(self._queue_name, EVENTS, all_events_of(customer_id))
        channel.queue_bind(self._queue_name, SIGNALS, customer_id)

    def _settle_when_bound(self) -> None:
        self._is_asking = False
        if self._channel is not None and self._channel.is_open:
            # The broker works through a channel in order: an answer to this means all before it is done.
            self._channel.basic_qos(prefetch_count=_PREFETCH, callback=partial(self._settle, list(self._waiting)))

    def _settle(self, bound: "list[Future[None]]", _confirmation: object) -> None:
        for future in bound:
            if future in self._waiting:
                del self._waiting[future]
                future.set_result(None)

    def _open_channel(self, wire: Wire) -> None:
        self._wire = wire
        wire.channel(_CHANNEL, on_open_callback=self._prepare)

    def _prepare(self, channel: Channel) -> None:
        self._channel = channel
        channel.add_on_close_callback(self._on_channel_closed)
        channel.add_on_cancel_callback(self._on_cancelled)
        Topology().declare(channel)
        # Named by the broker: with a name of our own, a new connection would race with the end of the old one.
        channel.queue_declare("", exclusive=True, auto_delete=True, callback=self._on_declared)

    def _on_declared(self, answer: Any) -> None:
        if self._channel is None or self._wire is None:
            return
        self._queue_name = answer.method.queue
        self._epoch += 1
        self._wire.readers[_CHANNEL] = ChannelReader(on_delivery=partial(self._on_delivery, self._epoch))
        for customer_id in self._wanted:
            self._ask_to_bind(self._channel, customer_id)
        self._settle_when_bound()
        self._channel.basic_consume(self._queue_name, _read_elsewhere, exclusive=True, callback=self._on_consuming)

    def _on_consuming(self, _confirmation: object) -> None:
        self._link.ready()
        self.is_up = True
        if self._was_up:
            self._inbox.put(_Recovered())
        self._was_up = True

    def _on_delivery(self, epoch: int, received: Received) -> None:
        received.epoch = epoch
        self._inbox.put(received)

    def _on_cancelled(self, _frame: object) -> None:
        metrics.consumers_cancelled.labels(self._link.name).inc()
        self._link.drop("consumer cancelled by the broker")

    def _on_channel_closed(self, _channel: Channel, reason: Exception) -> None:
        self._link.drop(f"channel closed: {reason!r}")

    def _on_lost(self) -> None:
        self._wire = None
        self._channel = None
        self._queue_name = ""
        self._epoch += 1
        self._is_ack_due = False
        self.is_up = False

    def _ack_soon(self) -> None:
        self._link.later(_ACK_WITHIN_SECONDS, self._ack)

    def _ack(self) -> None:
        """All that was heard so far on this channel."""
        self._is_ack_due = False
        heard = self._heard
        if heard is None or heard is self._acknowledged or heard.epoch != self._epoch or self._wire is None:
            return
        if self._channel is not None and self._channel.is_open:
            self._acknowledged = heard
            self._wire.emit(ack_frame(_CHANNEL, heard.delivery_tag, is_multiple=True))

    def _run(self) -> None:
        unacknowledged = 0
        while True:
            item = self._inbox.get()
            if isinstance(item, _Closed):
                return
            if isinstance(item, _Recovered):
                self._call(self._on_recovered)
                continue
            self._hear(item)
            self._heard = item
            unacknowledged += 1
            if unacknowledged >= _ACK_EVERY:
                unacknowledged = 0
                self._link.call(self._ack)
            elif not self._is_ack_due:
                self._is_ack_due = True
                self._link.call(self._ack_soon)

    def _hear(self, received: Received) -> None:
        if received.exchange == SIGNALS:
            self._call(partial(self._on_signal, received.routing_key, received.body))
            return
        try:
            # The key without its customer is the type: no need to read the properties.
            events = self._reader.payloads(received.routing_key.rpartition(".")[0], received.body)
        except Broken as error:
            log.warning("event ignored", reason=str(error))
            return
        for event in events:
            if isinstance(event, Event):
                self._call(partial(self._on_event, event))
        if len(events) > 1:
            # Where threads are greenlets, whoever is told of all these must have a moment to take it.
            time.sleep(0)

    def _call(self, listener: Callable[[], None]) -> None:
        try:
            listener()
        except Exception:
            # The outermost loop: one bad call must not end the others.
            log.exception("listener failed", connection=self._link.name)


def _read_elsewhere(_channel: object, _method: object, _properties: object, _body: bytes) -> None:
    """pika insists on a callback for deliveries; the channel reader takes them before pika sees them."""
