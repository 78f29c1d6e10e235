"""Frames by hand are the protocol's frames: the library that the gateway uses reads and writes the same."""

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from tests.bench.wire import CLOSE, TEXT, frame, split


@pytest.mark.parametrize("size", [0, 1, 125, 126, 4_000, 65_535])
def test_the_servers_core_reads_what_we_write(size: int) -> None:
    server = ServerProtocol()
    client = ClientProtocol(parse_uri("ws://localhost/ws/v1"))
    client.send_request(client.connect())
    server.receive_data(b"".join(client.data_to_send()))
    (request,) = server.events_received()
    assert isinstance(request, Request)
    server.send_response(server.accept(request))
    server.receive_data(frame(b"x" * size))
    heard = [(one.opcode, bytes(one.data)) for one in server.events_received() if isinstance(one, Frame)]
    assert heard == [(Opcode.TEXT, b"x" * size)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 4_000, 65_535, 70_000])
def test_we_read_what_the_servers_core_writes(size: int) -> None:
    data = Frame(Opcode.TEXT, b"x" * size).serialize(mask=False)
    assert split(data, 0) == (TEXT, b"x" * size, len(data))


def test_frames_that_come_together_are_taken_apart() -> None:
    data = Frame(Opcode.TEXT, b"one").serialize(mask=False) + Frame(Opcode.CLOSE, b"\x03\xf4").serialize(mask=False)
    first = split(data, 0)
    assert first == (TEXT, b"one", 5)
    assert split(data, first[2]) == (CLOSE, b"\x03\xf4", len(data))


@pytest.mark.parametrize("size", [3, 200, 70_000])
def test_a_frame_that_is_not_all_there_yet_is_waited_for(size: int) -> None:
    data = Frame(Opcode.TEXT, b"x" * size).serialize(mask=False)
    assert all(split(data[:end], 0) is None for end in range(min(len(data), 500)))
    assert split(data[:-1], 0) is None
