"""One connection, whose client does as it likes, in one hub with others."""

from collections.abc import Iterator

import gevent
import pytest
from gevent import socket
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from services.gateway.closings import Closing
from services.gateway.connection import AFTER_GOODBYE, READ_SIZE, Connection
from tests.gateway.raw import frame, frames_in

PING = frame(0x89)
GOODBYE = frame(0x88, b"\x03\xe8")
CHUNKS = 8


class Core(ServerProtocol):
    """The core with the handshake behind it; counts what it is given to look at."""

    def __init__(self) -> None:
        super().__init__()
        self.looked_at = 0
        self.state = State.OPEN
        self.parser = self.parse()
        next(self.parser)

    def receive_data(self, data: bytes) -> None:
        self.looked_at += len(data)
        super().receive_data(data)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Our end of a connection, and the client's."""
    both = socket.socketpair()
    for end in both:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * CHUNKS * READ_SIZE)
    yield both
    for end in both:
        end.close()


def hear(connection: Connection) -> None:
    with gevent.Timeout(10):
        for _ in connection.texts():
            continue


@pytest.mark.parametrize("said", [PING, frame(0x81, b"{}")], ids=["pings", "texts"])
def test_others_have_their_turn_while_one_floods(ends, said):
    ours, client = ends
    client.sendall(said * (CHUNKS * READ_SIZE // len(said)))
    client.shutdown(socket.SHUT_WR)
    turns: list[int] = []

    def another() -> None:
        while True:
            turns.append(1)
            gevent.sleep(0)

    other = gevent.spawn(another)
    hear(Connection(ours, Core()))
    other.kill()
    assert len(turns) >= CHUNKS


def test_after_the_goodbye_nothing_more_is_sent(ends):
    ours, client = ends
    connection = Connection(ours, Core())
    connection.close(Closing.REVOKED)
    client.sendall(PING * 100)
    client.shutdown(socket.SHUT_WR)
    hear(connection)
    ours.shutdown(socket.SHUT_WR)
    assert opcodes_in(everything(client)) == [Opcode.CLOSE]


def test_after_the_goodbye_a_flood_is_read_and_not_looked_at(ends):
    ours, client = ends
    core = Core()
    connection = Connection(ours, core)
    connection.close(Closing.TOO_MANY_SCRAPS)
    client.sendall(PING * (2 * AFTER_GOODBYE // len(PING)))
    client.shutdown(socket.SHUT_WR)
    hear(connection)
    assert core.looked_at <= AFTER_GOODBYE + READ_SIZE


def test_the_clients_own_goodbye_ends_it_at_once(ends):
    ours, client = ends
    connection = Connection(ours, Core())
    connection.close(Closing.REVOKED)
    client.sendall(PING * 10 + GOODBYE)
    hearing = gevent.spawn(hear, connection)
    # It is our end that closes: the client has shut down nothing.
    assert opcodes_in(everything(client)) == [Opcode.CLOSE]
    client.close()
    hearing.join()


def everything(client: socket.socket) -> bytes:
    data = b""
    with gevent.Timeout(10):
        while more := client.recv(READ_SIZE):
            data += more
    return data


def opcodes_in(data: bytes) -> list[Opcode]:
    return [each.opcode for each in frames_in(data)]
