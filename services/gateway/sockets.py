"""Sockets: the WSGI layer that takes upgrades away from Flask, and the sessions that came of them.

The credential is a ticket in the first frame, never a cookie. A page of another origin can therefore
open a socket but do nothing with it, and programs, which send no ``Origin``, are welcome; a browser
that does say where its page comes from must name our own origin, as the widget's frame and the console do.
"""

import logging
import random
import socket
from collections import Counter as Tally
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import gevent
from prometheus_client import Gauge
from websockets.datastructures import Headers
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Origin

from chassis import correlation
from services.gateway import frames
from services.gateway.addresses import client_address, limit_key
from services.gateway.closings import Closing
from services.gateway.connection import Connection
from services.gateway.session import Session, Surroundings

PATH = "/ws/v1"
VERSION = "13"
REFUSED = "velaro.socket_refused"
"""Where the layer leaves, for Flask to say, the status with which an upgrade is refused."""

HANDSHAKE_HEADERS = (
    "Connection",
    "Upgrade",
    "Origin",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Version",
)
PONG_SECONDS = 20
CAPACITY_USED = 0.9
CLOSES_PER_SECOND = 250
TURNED_AWAY_AT_ONCE = 100

_sockets = Gauge("velaro_gateway_sockets", "Open sockets.", multiprocess_mode="livesum")

StartResponse = Callable[..., Any]
WSGI = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class Sockets:
    """The WSGI layer that takes upgrades away from Flask, and the sockets that came of them."""

    def __init__(self, surroundings: Surroundings, *, app: WSGI) -> None:
        self._here = surroundings
        self._settings = surroundings.settings
        self._app = app
        self._logger = _quiet_logger()
        self._open: set[Session] = set()
        self._unauthenticated: Tally[str] = Tally()
        self._beats: list[set[Session]] = [set() for _ in range(frames.HEARTBEAT_SECONDS)]
        self._beat = 0
        self._turned_away = 0
        self._is_draining = False

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Serve the request, if it is one for a socket; pass it on to the application if not."""
        if environ.get("PATH_INFO") != PATH or "websocket" not in environ.get("HTTP_UPGRADE", "").lower():
            return self._app(environ, start_response)
        protocol = self._handshake(environ)
        if protocol is None:
            # With it, Flask would look for a route of another kind.
            del environ["HTTP_UPGRADE"]
            return self._app(environ, start_response)
        sock: socket.socket = environ["gunicorn.socket"]
        address = limit_key(client_address(environ, self._settings.trusted_proxies))
        # The server keeps this dictionary for as long as we are here, which may be hours.
        environ.clear()
        self._serve(sock, protocol, address)
        # There is no response to send and no further request to read: the connection is used up.
        raise StopIteration

    def _handshake(self, environ: dict[str, Any]) -> ServerProtocol | None:
        """The core with the handshake behind it, or None and in ``environ`` the status of the refusal."""
        protocol = self._protocol()
        # The core reads the request for itself before it reads frames.
        protocol.receive_data(_request_of(environ).serialize())
        requests = [event for event in protocol.events_received() if isinstance(event, Request)]
        response = protocol.accept(requests[0] if requests else _request_of(environ))
        if response.status_code != 101 or "gunicorn.socket" not in environ:
            environ[REFUSED] = _refusal_of(environ, response.status_code)
            return None
        protocol.send_response(response)
        # A client ought to wait for our answer. If it did not, the server has its first frames already.
        if early := environ["wsgi.input"].reader.unreader.take_buffered():
            protocol.receive_data(early)
        return protocol

    def _protocol(self) -> ServerProtocol:
        return ServerProtocol(
            origins=[Origin(self._settings.public_url), None],
            extensions=None,
            # Not of messages: a ping between the pieces of one would count as if it were a piece.
            max_size=(None, frames.MAX_FRAME),
            logger=self._logger,
        )

    def _serve(self, sock: socket.socket, protocol: ServerProtocol, address: str) -> None:
        connection = Connection(sock, protocol)
        if refusal := self._refusal(address):
            self._turn_away(connection, refusal)
        else:
            self._let_in(connection, address)

    def _turn_away(self, connection: Connection, why: Closing) -> None:
        """Say why. The client's goodbye is awaited while there are few of them: many are somebody who wants us busy."""
        self._turned_away += 1
        try:
            connection.open()
            connection.close(why)
            if self._turned_away <= TURNED_AWAY_AT_ONCE:
                connection.see_off()
        except OSError:
            # The client is gone, which it may be at any time.
            return
        finally:
            self._turned_away -= 1
            connection.over()

    def _let_in(self, connection: Connection, address: str) -> None:
        session = Session(connection, self._here)
        self._open.add(session)
        self._unauthenticated[address] += 1
        self._count()
        try:
            with correlation.bound(None):
                session.run(on_authenticated=partial(self._authenticated, session, address))
        finally:
            self._leave(session, address)

    def _refusal(self, address: str) -> Closing | None:
        """Why a new socket is turned away, if it is."""
        if self._is_draining:
            return Closing.DRAINING
        if len(self._open) >= self._settings.connections * CAPACITY_USED:
            return Closing.FULL
        if self._unauthenticated.total() >= self._settings.unauthenticated_sockets:
            return Closing.TOO_MANY_UNAUTHENTICATED
        if self._unauthenticated[address] >= self._settings.unauthenticated_sockets_per_address:
            return Closing.TOO_MANY_UNAUTHENTICATED_OF_ADDRESS
        return None

    def _authenticated(self, session: Session, address: str) -> None:
        self._no_longer_unauthenticated(address)
        session.beat = min(range(len(self._beats)), key=lambda beat: len(self._beats[beat]))
        self._beats[session.beat].add(session)

    def _no_longer_unauthenticated(self, address: str) -> None:
        self._unauthenticated[address] -= 1
        if self._unauthenticated[address] <= 0:
            del self._unauthenticated[address]

    def _leave(self, session: Session, address: str) -> None:
        if session.beat is None:
            self._no_longer_unauthenticated(address)
        else:
            self._beats[session.beat].discard(session)
        self._open.discard(session)
        self._count()

    def _count(self) -> None:
        _sockets.set(len(self._open))

    def __len__(self) -> int:
        return len(self._open)

    def tick(self, now: float) -> None:
        """Called once a second: each socket is pinged in its own second, and has to have answered by another."""
        self._beat = (self._beat + 1) % len(self._beats)
        for session in tuple(self._beats[self._beat]):
            session.ping(now)
        for session in tuple(self._beats[(self._beat - PONG_SECONDS) % len(self._beats)]):
            session.check_pong()

    def drain(self, seconds: float) -> None:
        """Close every socket with 1012, spread out so that they do not all come back at once; returns at once."""
        self._is_draining = True
        spread = min(seconds, len(self._open) / CLOSES_PER_SECOND)
        for session in tuple(self._open):
            gevent.spawn_later(random.uniform(0, spread), session.close, Closing.DRAINING)  # noqa: S311


def _request_of(environ: dict[str, Any]) -> Request:
    headers = Headers()
    for name in HANDSHAKE_HEADERS:
        value = environ.get("HTTP_" + name.upper().replace("-", "_"))
        if value is not None:
            headers[name] = value
    return Request(PATH, headers, environ["REQUEST_METHOD"], environ["SERVER_PROTOCOL"])


def _refusal_of(environ: dict[str, Any], status: int) -> int:
    """The status of a refusal: the core's, but who speaks another version is told which one we speak."""
    if status == 101:
        return 501
    return 426 if status == 400 and environ.get("HTTP_SEC_WEBSOCKET_VERSION", VERSION) != VERSION else status


def _quiet_logger() -> logging.Logger:
    # The core logs each connection that ends, at the level at which we log what matters.
    logger = logging.getLogger("velaro.websockets")
    logger.setLevel(logging.WARNING)
    return logger
