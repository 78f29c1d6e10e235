"""A line to one of the servers, which tests can cut, hold, slow down, slice, or make swallow what is said on it."""

import contextlib
import random
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.chassis.bus.proxy import Proxy

HELLO_BYTES = 4096

Ends = tuple[socket.socket, socket.socket]


@dataclass
class _Connection:
    """One connection through the line. ``hello`` is the first that its client said, which tells whose it is."""

    client: socket.socket
    server: socket.socket
    hello: bytearray = field(default_factory=bytearray)


class Line(Proxy):
    """A ``Proxy`` that outlives its server, and on which more can go wrong.

    ``delay`` gives seconds for each piece of what is said, and ``slice_bytes`` the size of the pieces if not 0.
    """

    def __init__(self, url: str) -> None:
        self.delay: Callable[[], float] | None = None
        self.slice_bytes = 0
        self._deaf_to: bytes | None = None
        self._is_mute = False
        self._told = threading.Event()
        self._told.set()
        self._connections: list[_Connection] = []
        super().__init__(url)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def swallow(self, who: bytes = b"") -> None:
        """What clients whose hello contains ``who`` say from now on goes nowhere, until ``heal``."""
        self._deaf_to = who

    def mute(self) -> None:
        """What the server says from now on goes nowhere, until ``heal``."""
        self._is_mute = True

    def conceal(self) -> None:
        """From now on clients do not learn that the server has hung up, until ``heal``."""
        self._told.clear()

    def cut_server_side(self) -> None:
        """The server sees all its clients go. Together with ``conceal`` it alone knows."""
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.server.shutdown(socket.SHUT_RDWR)

    def heal(self) -> None:
        """All is well from now on; what was swallowed stays swallowed."""
        self.delay, self.slice_bytes, self._deaf_to, self._is_mute = None, 0, None, False
        self._told.set()
        self.thaw()

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target)
        except OSError:
            # The server is away for now; whoever wants it hears so and comes again.
            client.close()
            return
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = _Connection(client, server)
        self._pairs.append((client, server))
        self._connections.append(connection)
        for carry in (self._carry_words, self._carry_answers):
            threading.Thread(target=carry, args=(connection,), daemon=True).start()

    def _carry_words(self, connection: _Connection) -> None:
        with contextlib.suppress(OSError):
            while data := connection.client.recv(65536):
                if len(connection.hello) < HELLO_BYTES:
                    connection.hello += data
                self._flowing.wait()
                if self._deaf_to is None or self._deaf_to not in connection.hello:
                    self._pass_on(data, connection.server)
        self._end(connection)

    def _carry_answers(self, connection: _Connection) -> None:
        with contextlib.suppress(OSError):
            while data := connection.server.recv(65536):
                self._flowing.wait()
                if not self._is_mute:
                    self._pass_on(data, connection.client)
        self._told.wait()
        self._end(connection)

    def _pass_on(self, data: bytes, sink: socket.socket) -> None:
        size = self.slice_bytes or len(data)
        for start in range(0, len(data), size):
            if self.delay is not None:
                # This is the fault itself: a line on which everything takes its time.
                time.sleep(self.delay())
            sink.sendall(data[start : start + size])

    def _end(self, connection: _Connection) -> None:
        with contextlib.suppress(ValueError):
            self._connections.remove(connection)
            self._pairs.remove((connection.client, connection.server))
        for end in (connection.client, connection.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def about(seconds: float, spread: float = 0.0) -> Callable[[], float]:
    """So many seconds, more or less."""
    return lambda: random.uniform(seconds - spread, seconds + spread)
