"""Connections to the broker, each kept up by an I/O thread, its own or one that several share.

A pika connection belongs to the thread that made it: others may only ask that thread to do
something (``Link.call``). The thread runs nothing but I/O, so no handler can hold up heartbeats.
"""

import logging
import random
import select
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

import pika
import structlog
from pika.adapters.select_connection import IOLoop, SelectConnection
from pika.adapters.utils.io_services_utils import _AsyncPlaintextTransport  # type: ignore[attr-defined]
from pika.exceptions import InvalidFrameError
from pika.frame import decode_frame

from chassis.bus import metrics, wire

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 20
BLOCKED_SECONDS = 30
FIRST_BACKOFF_SECONDS = 0.1
LONGEST_BACKOFF_SECONDS = 2.0
CLOSING_SECONDS = 3.0
PREPARING_SECONDS = 30.0
_STEADY_SECONDS = 5.0
_RECEIVE_BYTES = 64 * 1024


class Wire(SelectConnection):
    """A pika connection that hands deliveries and confirms to channel readers directly."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.readers: dict[int, wire.ChannelReader] = {}
        self._is_plain = False
        super().__init__(*args, **kwargs)

    def emit(self, frames: bytes) -> None:
        """Send whole frames, in the order of calls. Only for channels that are open; I/O thread only."""
        pika_side = cast(Any, self)
        pika_side.bytes_sent += len(frames)
        pika_side._adapter_emit_data(frames)
        # pika would write in its next round, after asking twice whether the socket takes it. It nearly always does.
        if self._is_plain and pika_side._transport is not None:
            pika_side._transport._on_socket_writable()

    def hang_up(self) -> None:
        """End the connection as if the line were cut, but after all that was written. I/O thread only.

        The broker sees the end of the stream and ends it from its side, which pika takes for a loss.
        """
        if self._is_plain:
            cast(Any, self)._transport._sock.shutdown(socket.SHUT_WR)
        else:
            self.abort()

    def abort(self) -> None:
        """End the connection now, whatever is still to be written. I/O thread only."""
        transport = cast(Any, self)._transport
        if transport is not None:
            transport.abort()

    @property
    def unsent_bytes(self) -> int:
        """What the socket has not taken yet."""
        size: int = cast(Any, self)._get_write_buffer_size()
        return size

    def _proto_connection_made(self, transport: Any) -> None:
        transport._MAX_RECV_BYTES = _RECEIVE_BYTES
        self._is_plain = isinstance(transport, _AsyncPlaintextTransport)
        cast(Any, super())._proto_connection_made(transport)

    def _on_data_available(self, data_in: bytes) -> None:
        if not self.readers:
            cast(Any, super())._on_data_available(data_in)
            return
        buffered = cast(bytes, getattr(self, "_frame_buffer", b""))
        data = buffered + data_in if buffered else data_in
        self._frame_buffer = data[self._take_frames(data) :]

    def _take_frames(self, data: bytes) -> int:
        position, end = 0, len(data)
        while end - position >= wire.FRAME_OVERHEAD:
            kind, channel, size = wire.frame_at(data, position)
            start = position + 7
            following = start + size + 1
            if following > end:
                break
            if data[following - 1] != wire.FRAME_END:
                raise InvalidFrameError("Invalid FRAME_END marker")
            reader = self.readers.get(channel)
            if reader is None or not reader.take(kind, data, start, size):
                cast(Any, self)._process_frame(decode_frame(data[position:following])[1])
            position = following
        self.bytes_received += position
        return position


def parameters_of(url: str, name: str, heartbeat_seconds: int = HEARTBEAT_SECONDS) -> list[pika.URLParameters]:
    """How to connect to each host of ``url``; ``name`` is what the broker's own screens call the connection."""
    return [_parameters(each, name, heartbeat_seconds) for each in urls_of(url)]


def urls_of(url: str) -> list[str]:
    """One address for each host of ``url``, which may list several: ``amqp://user:secret@one:5672,two:5672/vhost``."""
    parts = urlsplit(url)
    credentials, at, hosts = parts.netloc.rpartition("@")
    return [parts._replace(netloc=f"{credentials}{at}{host}").geturl() for host in hosts.split(",")]


def _parameters(url: str, name: str, heartbeat_seconds: int) -> pika.URLParameters:
    parameters = pika.URLParameters(url)
    parameters.heartbeat = heartbeat_seconds
    parameters.blocked_connection_timeout = BLOCKED_SECONDS
    parameters.client_properties = {"connection_name": name}
    parameters.socket_timeout = 5.0
    parameters.stack_timeout = 10.0
    parameters.connection_attempts = 1
    return parameters


class IoThread:
    """Does the I/O of the links that were made with it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._links: list[Link] = []
        self._loop: IOLoop | None = None
        self._thread: threading.Thread | None = None
        self._work: deque[Callable[[], None]] = deque()
        self._is_woken = False

    def add(self, link: "Link") -> None:
        """Do the I/O of ``link`` too. Before the start only."""
        self._links.append(link)

    def start(self) -> None:
        """Begin; returns at once. Starting twice is starting once. After a fork, never before."""
        if self._thread is None:
            _refuse_epoll_under_gevent()
            # Every loss is logged here, once; pika would log it three times more.
            logging.getLogger("pika.adapters").setLevel(logging.CRITICAL)
            self._loop = self._new_loop()
            self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
            self._thread.start()

    def call(self, work: Callable[[], None]) -> None:
        """Have ``work`` done soon, in the order of calls. Any thread may call."""
        self._work.append(work)
        # One wakeup is enough for all that is waiting; each costs a system call.
        if not self._is_woken:
            self._is_woken = True
            if self._loop is not None:
                self._loop.add_callback_threadsafe(self._do_work)

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        """Have ``work`` done in a while. I/O thread only. Forgotten if the loop breaks meanwhile."""
        if self._loop is not None:
            self._loop.call_later(seconds, work)

    def close(self, end: Callable[[Wire], None], timeout: float) -> None:
        """End all links, each connection by ``end``, and then the thread."""
        for link in self._links:
            link.is_closing = True
        if self._thread is not None:
            self.call(partial(self._shut, end))
            self._thread.join(timeout)

    def ended(self) -> None:
        """A link has ended for good: when all have, so does the thread. I/O thread only."""
        if self._loop is not None and all(link.has_ended for link in self._links):
            self._loop.stop()

    def _shut(self, end: Callable[[Wire], None]) -> None:
        if self._loop is not None:
            self._loop.call_later(CLOSING_SECONDS, self._loop.stop)
        for link in self._links:
            link.shut(end)

    def _do_work(self) -> None:
        self._is_woken = False
        while self._work:
            work = self._work.popleft()
            try:
                work()
            except Exception:
                # The outermost loop: one bad piece of work must not end the connection.
                log.exception("bus work failed", connection=self.name)

    def _new_loop(self) -> IOLoop:
        # Made when started, not before: a fork in between would leave two processes with one wakeup socket.
        loop = _loop_class()()
        loop.add_callback_threadsafe(self._do_work)
        return loop

    def _run(self) -> None:
        while True:
            loop = self._loop or self._new_loop()
            try:
                for link in self._links:
                    link.connect(loop)
                loop.start()
            except Exception:
                # The outermost loop: whatever broke, connect again.
                log.exception("bus connection broke", connection=self.name)
            for link in self._links:
                link.forget_connection()
            if all(link.is_closing for link in self._links):
                loop.close()
                return
            self._loop = self._new_loop()
            loop.close()
            time.sleep(max(link.backoff() for link in self._links))


class Link:
    """Keeps a connection up: connects, tells ``on_open``, and when it is lost, ``on_lost``, and connects again.

    Both are called in the I/O thread: the link's own, or the ``io`` it shares. Start it after a fork, never before.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        on_open: Callable[[Wire], None],
        on_lost: Callable[[], None],
        io: IoThread | None = None,
        heartbeat_seconds: int = HEARTBEAT_SECONDS,
    ) -> None:
        self._parameters = parameters_of(url, name, heartbeat_seconds)
        self.name = name
        self._on_open = on_open
        self._on_lost = on_lost
        self._io = io or IoThread(name)
        self._io.add(self)
        self.is_closing = False
        self.has_ended = False
        self._is_hanging_up = False
        self._preparation: object = None
        self._wire: Wire | None = None
        self._attempt: Any = None
        self._failures = 0
        self._opened_at = 0.0

    def start(self) -> None:
        """Begin to connect; returns at once. Starting twice is starting once."""
        self._io.start()

    def call(self, work: Callable[[], None]) -> None:
        """Have the I/O thread do ``work`` soon, in the order of calls. Any thread may call."""
        self._io.call(work)

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        """Have ``work`` done in a while. I/O thread only. Forgotten if the loop breaks meanwhile."""
        self._io.later(seconds, work)

    def prepare(self) -> None:
        """What begins now must be ``ready`` in time, or there is a new connection. I/O thread only.

        Goes without saying for ``on_open``.
        """
        self._preparation = object()
        self.later(PREPARING_SECONDS, partial(self._drop_unless_ready, self._preparation))

    def ready(self) -> None:
        """What was to be prepared is done: the connection is of use. I/O thread only."""
        self._preparation = None

    def drop(self, reason: str) -> None:
        """Give up the present connection and make a new one. I/O thread only."""
        wire = self._wire
        if wire is not None and wire.is_open:
            log.warning("bus connection dropped", connection=self.name, reason=reason)
            wire.close(320, reason)
            # pika would wait for the goodbye of a broker that has stopped talking.
            self.later(CLOSING_SECONDS, partial(self._cut, wire))

    def hang_up(self) -> None:
        """Cut the present connection after all that was written, and make a new one. I/O thread only.

        For consumers whose order counts. If they close a channel, or the connection, in good order,
        RabbitMQ puts back what had not yet reached them before what had, which mixes up the queue.
        """
        wire = self._wire
        if wire is not None and wire.is_open:
            self._is_hanging_up = True
            wire.hang_up()
            self.later(CLOSING_SECONDS, partial(self._cut, wire))

    def close(self, timeout: float = CLOSING_SECONDS + 2.0) -> None:
        """Close the connection once what was handed over is written, and end its own thread."""
        self._io.close(Wire.close, timeout)

    def shut(self, end: Callable[[Wire], None]) -> None:
        """End the connection, if there is one, by ``end``. I/O thread only, and when it is closing."""
        if self._attempt is not None:
            self._attempt.abort()
        elif self._wire is None:
            self._finish()
        elif self._wire.is_open:
            end(self._wire)

    def connect(self, loop: IOLoop) -> None:
        """Begin to connect, unless it is closing. I/O thread only."""
        if self.is_closing:
            self._finish()
            return
        targets = random.sample(self._parameters, len(self._parameters))
        self._attempt = Wire.create_connection(targets, on_done=partial(self._on_connected, loop), custom_ioloop=loop)

    def forget_connection(self) -> None:
        """The loop has ended: so has what it did. I/O thread only."""
        abandoned, self._wire = self._wire, None
        self._attempt = None
        if abandoned is not None:
            _close_socket(abandoned)
            self._on_lost()

    def backoff(self) -> float:
        """The pause before the next attempt to connect, which grows."""
        # Half of it is chance, so that a broker that comes back is not met by everybody at once.
        pause = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0 ** min(self._failures, 10))
        self._failures += 1
        return pause * random.uniform(0.5, 1.0)  # noqa: S311 - nobody gains from guessing it

    def _finish(self) -> None:
        self.has_ended = True
        self._io.ended()

    def _cut(self, wire: Wire) -> None:
        if wire is self._wire:
            wire.abort()

    def _on_connected(self, loop: IOLoop, outcome: object) -> None:
        self._attempt = None
        if not isinstance(outcome, Wire):
            self._try_again(loop, outcome)
            return
        self._wire = outcome
        self._opened_at = time.monotonic()
        self._is_hanging_up = False
        outcome.add_on_close_callback(partial(self._on_closed, loop))
        if self.is_closing:
            self.shut(Wire.close)
            return
        log.info("bus connected", connection=self.name)
        self.prepare()
        try:
            self._on_open(outcome)
        except Exception:
            # Otherwise pika takes it for a failure to connect and keeps the connection open.
            log.exception("bus connection could not be prepared", connection=self.name)
            self.drop("could not be prepared")

    def _drop_unless_ready(self, preparation: object) -> None:
        if preparation is self._preparation:
            self.drop("could not be prepared in time")

    def _on_closed(self, loop: IOLoop, _connection: object, reason: object) -> None:
        self._wire = None
        if time.monotonic() - self._opened_at > _STEADY_SECONDS:
            self._failures = 0
        if not self.is_closing and not self._is_hanging_up:
            metrics.connections_lost.labels(self.name).inc()
        self._on_lost()
        self._try_again(loop, reason)

    def _try_again(self, loop: IOLoop, reason: object) -> None:
        if self.is_closing:
            self._finish()
            return
        pause = self.backoff()
        tell = log.info if self._is_hanging_up else log.warning
        tell("bus disconnected", connection=self.name, reason=repr(reason), pause_s=round(pause, 2))
        loop.call_later(pause, partial(self.connect, loop))


def _close_socket(abandoned: Wire) -> None:
    transport = cast(Any, abandoned)._transport
    if transport is not None:
        transport._sock.close()


def _is_under_gevent() -> bool:
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def _loop_class() -> type[IOLoop]:
    if _is_under_gevent():
        from chassis.bus.hub import HubLoop

        return HubLoop
    return IOLoop


def _refuse_epoll_under_gevent() -> None:
    if _is_under_gevent() and hasattr(select, "epoll"):
        raise RuntimeError("select was imported before gevent's monkey patch: the I/O thread would stall the process")
