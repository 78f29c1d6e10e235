"""The way onto the bus: publishes with confirms, over one connection, from any thread.

The caller's thread builds the bytes; the I/O thread writes many publishes with one call and matches
the broker's confirms to them. What was accepted here but not confirmed when the connection broke is
published again, under the same ``message_id``, until its time is up.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from functools import partial
from typing import Any, Literal

import msgspec
import structlog
from pika.channel import Channel

from chassis import correlation
from chassis.bus import metrics
from chassis.bus.connection import Link, Wire
from chassis.bus.errors import Down, Overloaded, PublishFailed, Refused, Unconfirmed, Unroutable
from chassis.bus.topology import COMMANDS, EVENTS, SIGNALS, Topology, event_key
from chassis.bus.wire import ChannelReader, Envelope, publish_frames
from contracts.payload import Command, Event

log = structlog.get_logger(__name__)

State = Literal["up", "blocked", "down"]

CONFIRMED, UNCONFIRMED = 1, 2
"""The numbers of the two channels: with confirms, and without."""

MOST_EVENTS_TOGETHER = 100
MOST_BYTES_TOGETHER = 64 * 1024
RENEWAL_SECONDS = 1.0
"""How old a channel is at least when it is given up because the broker refused something on it."""

_MOST_SIGNALS_WAITING = 10_000
_MOST_UNSENT_BYTES_FOR_SIGNALS = 1 << 20


class _Receipt:
    """The future of one call to publish, which settles when all its publications have."""

    __slots__ = ("error", "future", "missing")

    def __init__(self, missing: int) -> None:
        self.future: Future[None] = Future()
        self.missing = missing
        self.error: PublishFailed | None = None

    def settle(self, error: PublishFailed | None) -> None:
        self.error = self.error or error
        self.missing -= 1
        if not self.missing:
            try:
                self.future.set_exception(self.error) if self.error else self.future.set_result(None)
            except InvalidStateError:
                # The caller cancelled it; what was published stays published.
                return


class Publication:
    __slots__ = ("deadline", "frames", "is_returned", "is_unheard_fine", "key", "message_id", "receipt")

    def __init__(self, key: str, message_id: str, frames: bytes, *, is_unheard_fine: bool) -> None:
        self.key = key
        self.message_id = message_id
        self.frames = frames
        self.is_unheard_fine = is_unheard_fine
        self.is_returned = False
        self.receipt: _Receipt
        self.deadline = 0.0


class Publisher:
    """Publishes frames with confirms. ``Bus`` puts payloads into them; consumers use it for what failed.

    ``timeout`` is how many seconds a publication may take, reconnecting included, before it is
    ``Unconfirmed``; ``max_in_flight`` is how many may be on their way at once.
    """

    def __init__(
        self, url: str, *, name: str, topology: Topology, max_in_flight: int = 1024, timeout: float = 5.0
    ) -> None:
        self._link = Link(url, name=name, on_open=self._open_channels, on_lost=self._on_lost)
        self._topology = topology
        self._max_in_flight = max_in_flight
        self._timeout = timeout
        self._lock = threading.Lock()
        self._accepted: deque[Publication] = deque()
        self._signals: deque[bytes] = deque(maxlen=_MOST_SIGNALS_WAITING)
        self._is_due = False
        self._accepted_count = 0
        self._settled_count = 0
        self._is_open = False
        self._is_closing = False
        self._up = threading.Event()
        self._all_settled = threading.Event()
        self.state: State = "down"
        # From here on, the I/O thread's alone.
        self._wire: Wire | None = None
        self._channel: Channel | None = None
        self._opened_at = 0.0
        self._is_renewal_due = False
        self._unconfirmed: dict[int, Publication] = {}
        self._unsent: deque[Publication] = deque()
        self._next_tag = 1
        self._oldest_tag = 1
        self._timer = 0
        self._is_timer_set = False

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._link.start()

    def wait_until_up(self, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds for a connection; whether there is one."""
        return self._up.wait(timeout)

    def accept(self, publications: Sequence[Publication]) -> "Future[None]":
        """Take responsibility for ``publications``, or say at once why not. The future settles when all have."""
        receipt = _Receipt(len(publications))
        deadline = time.monotonic() + self._timeout
        for publication in publications:
            publication.receipt = receipt
            publication.deadline = deadline
        with self._lock:
            refusal = self._refusal()
            if refusal is None:
                self._accepted_count += len(publications)
                self._accepted.extend(publications)
        if refusal is not None:
            self._count(refusal)
            receipt.future.set_exception(refusal)
        elif not publications:
            receipt.future.set_result(None)
        else:
            self._wake()
        return receipt.future

    def accept_signal(self, frames: bytes) -> None:
        """Send ``frames`` if that is possible now; forget them otherwise."""
        if self.state == "up":
            self._signals.append(frames)
            self._wake()

    def close(self) -> None:
        """Wait for what is on its way, at most ``timeout`` seconds, then close the connection."""
        with self._lock:
            self._is_closing = True
        if self.in_flight:
            self._link.call(self._tell_when_settled)
            self._all_settled.wait(self._timeout + 1.0)
        self._link.close()
        self._give_up_rest()

    @property
    def in_flight(self) -> int:
        """How many publications are accepted and not settled."""
        return self._accepted_count - self._settled_count

    def _refusal(self) -> PublishFailed | None:
        if self._is_closing or self.state == "down":
            return Down("no connection to the broker")
        if self.state == "blocked":
            return Overloaded("the broker takes nothing just now")
        # A call with several publications may exceed the bound, never start beyond it.
        if self.in_flight >= self._max_in_flight:
            return Overloaded(f"{self.in_flight} publishes are unconfirmed")
        return None

    def _wake(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._link.call(self._send_accepted)

    def _open_channels(self, wire: Wire) -> None:
        self._wire = wire
        wire.add_on_connection_blocked_callback(self._on_blocked)
        wire.add_on_connection_unblocked_callback(self._on_unblocked)
        self._open_confirmed(wire)
        wire.channel(UNCONFIRMED, on_open_callback=self._watch)

    def _open_confirmed(self, wire: Wire) -> None:
        if wire.is_open:
            wire.channel(CONFIRMED, on_open_callback=self._prepare)

    def _watch(self, channel: Channel) -> None:
        channel.add_on_close_callback(self._on_channel_closed)

    def _prepare(self, channel: Channel) -> None:
        self._channel = channel
        self._watch(channel)
        channel.add_on_return_callback(self._on_returned)
        self._topology.declare(channel)
        channel.confirm_delivery(_read_elsewhere, callback=self._on_ready)

    def _on_ready(self, _confirmation: object) -> None:
        if self._wire is None:
            return
        self._wire.readers[CONFIRMED] = ChannelReader(on_confirm=self._on_confirm)
        self._next_tag = self._oldest_tag = 1
        self._is_open = True
        self._opened_at = time.monotonic()
        self._is_renewal_due = False
        self._link.ready()
        self._set_state("up")
        self._send_accepted()

    def _on_channel_closed(self, channel: Channel, reason: Exception) -> None:
        is_renewed = channel.channel_number == CONFIRMED and self._channel is None
        if is_renewed and self._wire is not None and self._wire.is_open:
            # Not now: pika is about to forget what it knows of this number.
            self._link.call(partial(self._open_confirmed, self._wire))
            return
        self._is_open = False
        self._link.drop(f"channel closed: {reason!r}")

    def _on_lost(self) -> None:
        self._wire = None
        self._channel = None
        self._set_state("down")
        self._take_back()
        self._link.call(self._renew_timer)

    def _take_back(self) -> None:
        """What is not confirmed is to be sent again, before anything else."""
        self._is_open = False
        self._unsent.extendleft(reversed(self._unconfirmed.values()))
        self._unconfirmed.clear()

    def _renew_channel_soon(self) -> None:
        # The refusal may be the channel's own. RabbitMQ 3 asks the node that led a quorum queue when the channel first
        # published to it; if that node was dying just then, the channel refuses all for that queue until it is closed.
        if not self._is_renewal_due:
            self._is_renewal_due = True
            pause = max(0.0, self._opened_at + RENEWAL_SECONDS - time.monotonic())
            self._link.later(pause, partial(self._renew, self._channel))

    def _renew(self, channel: Channel | None) -> None:
        if channel is None or channel is not self._channel or not channel.is_open:
            return
        metrics.channels_renewed.labels(self._link.name).inc()
        log.warning("channel renewed after a refusal", connection=self._link.name)
        self._channel = None
        self._take_back()
        self._link.prepare()
        channel.close()

    def _on_blocked(self, _connection: object, _frame: object) -> None:
        log.warning("bus blocked by the broker", connection=self._link.name)
        self._set_state("blocked")

    def _on_unblocked(self, _connection: object, _frame: object) -> None:
        log.info("bus unblocked", connection=self._link.name)
        if self._is_open:
            self._set_state("up")

    def _set_state(self, state: State) -> None:
        self.state = state
        if state == "up":
            self._up.set()
        else:
            self._up.clear()

    def _send_accepted(self) -> None:
        self._is_due = False
        while self._accepted:
            self._unsent.append(self._accepted.popleft())
        if self._is_open and self._wire is not None:
            self._send(self._wire)
        self._set_timer()

    def _send(self, wire: Wire) -> None:
        if self._unsent:
            for tag, publication in enumerate(self._unsent, self._next_tag):
                self._unconfirmed[tag] = publication
                publication.is_returned = False
            self._next_tag += len(self._unsent)
            wire.emit(b"".join([publication.frames for publication in self._unsent]))
            self._unsent.clear()
        if self._signals:
            signals = [self._signals.popleft() for _ in range(len(self._signals))]
            if wire.unsent_bytes < _MOST_UNSENT_BYTES_FOR_SIGNALS:
                wire.emit(b"".join(signals))

    def _on_returned(self, _channel: Channel, _method: object, properties: Any, _body: bytes) -> None:
        # The broker returns a publication just before it confirms it, so it is among the oldest.
        for publication in self._unconfirmed.values():
            if publication.message_id == properties.message_id and not publication.is_returned:
                publication.is_returned = True
                return

    def _on_confirm(self, tag: int, is_multiple: bool, is_ack: bool) -> None:
        for confirmed in range(self._oldest_tag, tag + 1) if is_multiple else (tag,):
            publication = self._unconfirmed.pop(confirmed, None)
            if publication is not None:
                self._settle(publication, _outcome(publication, is_ack))
        if is_multiple:
            self._oldest_tag = tag + 1
        if not is_ack:
            self._renew_channel_soon()

    def _settle(self, publication: Publication, error: PublishFailed | None) -> None:
        self._settled_count += 1
        if error is not None:
            self._count(error)
        publication.receipt.settle(error)
        if self._is_closing:
            self._tell_when_settled()

    def _count(self, failure: PublishFailed) -> None:
        metrics.publish_failures.labels(self._link.name, type(failure).__name__).inc()

    def _tell_when_settled(self) -> None:
        if not self.in_flight:
            self._all_settled.set()

    def _set_timer(self) -> None:
        if self._is_timer_set:
            return
        oldest = self._oldest()
        if oldest is not None:
            self._is_timer_set = True
            self._timer += 1
            pause = max(0.0, oldest.deadline - time.monotonic())
            self._link.later(pause, partial(self._give_up_late, self._timer))

    def _renew_timer(self) -> None:
        self._is_timer_set = False
        self._set_timer()

    def _oldest(self) -> Publication | None:
        for publication in self._unconfirmed.values():
            return publication
        return self._unsent[0] if self._unsent else None

    def _give_up_late(self, timer: int) -> None:
        if timer != self._timer:
            return
        present = time.monotonic()
        late = [tag for tag, publication in self._unconfirmed.items() if publication.deadline <= present]
        for tag in late:
            self._give_up(self._unconfirmed.pop(tag))
        while self._unsent and self._unsent[0].deadline <= present:
            self._give_up(self._unsent.popleft())
        self._renew_timer()

    def _give_up(self, publication: Publication) -> None:
        self._settle(publication, Unconfirmed(f"{publication.key}: no answer within {self._timeout} s"))

    def _give_up_rest(self) -> None:
        rest = [*self._unconfirmed.values(), *self._unsent, *self._accepted]
        self._unconfirmed.clear()
        self._unsent.clear()
        self._accepted.clear()
        for publication in rest:
            self._give_up(publication)


def _fresh_id() -> str:
    # Only has to be unique, and is needed thousands of times a second: no system call for it.
    return f"{random.getrandbits(128):032x}"


def _bundles(events: Iterable[Event]) -> "Iterator[list[tuple[Event, bytes]]]":
    """The events with their bytes, as many together as a message may hold."""
    bundle: list[tuple[Event, bytes]] = []
    size = 0
    for event in events:
        body = msgspec.json.encode(event)
        if bundle and (len(bundle) == MOST_EVENTS_TOGETHER or size + len(body) >= MOST_BYTES_TOGETHER):
            yield bundle
            bundle, size = [], 0
        bundle.append((event, body))
        # With the comma that follows, or the brackets around all.
        size += len(body) + 1
    yield bundle


def _announcement(key: str, envelope: Envelope, body: bytes) -> Publication:
    frames = publish_frames(CONFIRMED, EVENTS, key, envelope, body)
    return Publication(key, envelope.message_id, frames, is_unheard_fine=True)


def _outcome(publication: Publication, is_ack: bool) -> PublishFailed | None:
    if not is_ack:
        return Refused(publication.key)
    if not publication.is_returned:
        return None
    if publication.is_unheard_fine:
        log.info("event heard by nobody", routing_key=publication.key)
        return None
    return Unroutable(publication.key)


def _read_elsewhere(_frame: object) -> None:
    """pika insists on a callback for confirms; the channel reader takes them before pika sees them."""


class Bus:
    """How a service tells others what happened and asks others to do something. Any thread may use it.

        bus = Bus(url, service="surveys")
        bus.start()
        bus.publish(ResponseRecorded(...)).result()

    Every future settles within about ``timeout`` seconds: with None once the broker has the payload
    safely, or with a ``PublishFailed``. Without a connection, or with ``max_in_flight`` publishes
    unconfirmed, they fail at once: there is no queue here that could grow.
    """

    def __init__(self, url: str, *, service: str, max_in_flight: int = 1024, timeout: float = 5.0) -> None:
        self._service = service
        self._publisher = Publisher(
            url, name=f"{service} publisher", topology=Topology(), max_in_flight=max_in_flight, timeout=timeout
        )

    def start(self) -> None:
        """Begin to connect, and stay connected; returns at once. Call it after any fork."""
        self._publisher.start()

    def wait_until_up(self, timeout: float = 10.0) -> bool:
        """Wait up to ``timeout`` seconds for the connection; whether there is one."""
        return self._publisher.wait_until_up(timeout)

    def publish(
        self, event: Event, *, message_id: str | None = None, correlation_id: str | None = None
    ) -> "Future[None]":
        """Tell everybody who wants to hear it. That nobody does is no failure.

        Publishes of one thread arrive in order. ``message_id`` is for repeating an earlier attempt;
        ``correlation_id`` is that of the current request or delivery unless given.
        """
        return self._publisher.accept([self._event(event, message_id, correlation_id)])

    def publish_together(self, events: Iterable[Event]) -> "Future[None]":
        """As ``publish`` for all of them, with one future that fails with the first failure.

        Events of one type and one customer share a message, which costs the broker as much as one event does.
        They keep their order among themselves; events of different types or customers do not.
        """
        alike: dict[str, list[Event]] = {}
        for event in events:
            alike.setdefault(event_key(event), []).append(event)
        return self._publisher.accept(
            [self._bundle(key, bundle) for key, some in alike.items() for bundle in _bundles(some)]
        )

    def send(self, command: Command, *, queue: str, correlation_id: str | None = None) -> "Future[None]":
        """Ask the owner of ``queue``. Fails with ``Unroutable`` if that queue has never been declared."""
        envelope = self._envelope(command.routing_key, None, correlation_id)
        body = msgspec.json.encode(command)
        frames = publish_frames(CONFIRMED, COMMANDS, queue, envelope, body)
        return self._publisher.accept([Publication(queue, envelope.message_id, frames, is_unheard_fine=False)])

    def signal(self, customer_id: str, body: bytes) -> None:
        """Tell the listeners bound to ``customer_id``, if that is possible just now; nothing is kept or repeated."""
        envelope = Envelope(app_id=self._service, is_persistent=False)
        frames = publish_frames(UNCONFIRMED, SIGNALS, customer_id, envelope, body, is_mandatory=False)
        self._publisher.accept_signal(frames)

    @property
    def state(self) -> State:
        """``up``; ``blocked`` while the broker lacks memory or disk; ``down`` while there is no connection."""
        return self._publisher.state

    @property
    def is_up(self) -> bool:
        """Whether a publish would be accepted, the bound on those in flight aside."""
        return self._publisher.state == "up"

    def close(self) -> None:
        """Wait for publishes on their way, at most ``timeout`` seconds, then disconnect for good."""
        self._publisher.close()

    def _event(self, event: Event, message_id: str | None, correlation_id: str | None) -> Publication:
        envelope = self._envelope(event.routing_key, message_id, correlation_id)
        return _announcement(event_key(event), envelope, msgspec.json.encode(event))

    def _bundle(self, key: str, bundle: "list[tuple[Event, bytes]]") -> Publication:
        first, body = bundle[0]
        if len(bundle) == 1:
            return _announcement(key, self._envelope(first.routing_key, None, first.cause), body)
        # What led to each of them, each of them says.
        envelope = self._envelope(first.routing_key, None, "")
        return _announcement(key, envelope, b"[" + b",".join([body for _, body in bundle]) + b"]")

    def _envelope(self, kind: str, message_id: str | None, correlation_id: str | None) -> Envelope:
        return Envelope(
            message_id=message_id or _fresh_id(),
            type=kind,
            app_id=self._service,
            correlation_id=correlation.current() if correlation_id is None else correlation_id,
            timestamp=int(time.time()),
        )
