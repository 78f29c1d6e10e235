"""RFC 6455 byte by byte, against a real gateway process: what is sent, and the answer that it must have.

The public fuzzing suite is no part of this: ``autobahntestsuite`` 25.10.1 installs from PyPI but is Python 2 and
does not even import on 3.11, and ``kosoku`` 0.1.0, which runs its cases there, wants a server that echoes.

What stands for an echo here is a refusal: a text that is no frame of ours is answered with its own ``client_id``.
"""

import json
import struct
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.testing import eventually
from tests.gateway.raw import Raw, frame, handshake
from tests.gateway.world import Gateway, World

FIN, TEXT, BINARY, CLOSE, PING, PONG = 0x80, 0x81, 0x82, 0x88, 0x89, 0x8A
MOST = 64 * 1024
Answer = int | str | tuple[int, bytes]
"""A close code, the ``client_id`` of a text that was heard, or the frame itself."""
Row = tuple[str, Sequence[bytes], Sequence[Answer]]


@pytest.fixture(scope="module")
def world(amqp_url: str) -> Iterator[World]:
    with World(amqp_url).turning() as turning:
        yield turning


@pytest.fixture(scope="module")
def gateway(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(world, tmp_path_factory.mktemp("gateway")).serving() as serving:
        yield serving
        assert serving.surprises() == []


@pytest.fixture
def raw(gateway: Gateway, world: World) -> Iterator[Raw]:
    with Raw(gateway).shake_hands() as raw:
        raw.authenticate(world.ticket())
        yield raw


def said(client_id: str, size: int = 0, text: str = "") -> bytes:
    """A text that is answered with its ``client_id``, as long as wanted."""
    return json.dumps({"client_id": client_id, "text": text}, ensure_ascii=False).encode().ljust(size)


def in_pieces(data: bytes, *cuts: int, between: bytes = b"") -> list[bytes]:
    """A text in fragments, with something between them."""
    pieces = [data[start:end] for start, end in pairwise([0, *cuts, len(data)])]
    heads = [0x01, *[0x00] * (len(pieces) - 2), FIN] if len(pieces) > 1 else [TEXT]
    return [frame(head, piece) + (between if head < FIN else b"") for head, piece in zip(heads, pieces, strict=True)]


def goodbye(code: int, reason: bytes = b"") -> bytes:
    return struct.pack("!H", code) + reason


def answers(raw: Raw, count: int) -> list[Answer]:
    return [answer(*raw.read()) for _ in range(count)]


def answer(head: int, data: bytes) -> Answer:
    if head == TEXT:
        return str(json.loads(data)["client_id"])
    if head == CLOSE and data and int.from_bytes(data[:2]) in OURS:
        return int.from_bytes(data[:2])
    return head, data


OURS = {1002, 1003, 1007, 1009}
LENGTHS = (125, 126, 127, 1000, 65535, 65536)

FRAMING: list[Row] = [
    ("a frame that is not masked", [frame(TEXT, said("a"), is_masked=False)], [1002]),
    ("a ping that is not masked", [frame(PING, is_masked=False)], [1002]),
    *((f"reserved bit {bit:#x}", [frame(TEXT | bit, said("a"))], [1002]) for bit in (0x40, 0x20, 0x10, 0x70)),
    *((f"opcode {code}, which is reserved", [frame(FIN | code)], [1002]) for code in (*range(3, 8), *range(11, 16))),
    ("an empty text", [frame(TEXT)], ["None"]),
    *((f"a text of {size} bytes", [frame(TEXT, said("a", size))], ["a"]) for size in LENGTHS),
    ("a short text whose length takes two bytes", [frame(TEXT, said("a"), form=126)], ["a"]),
    ("a short text whose length takes eight bytes", [frame(TEXT, said("a"), form=127)], ["a"]),
    ("a ping whose length takes two bytes", [frame(PING, b"x", form=126)], [(PONG, b"x")]),
    ("a length with the top bit set", [b"\x81\xff\x80" + bytes(7)], [1009]),
    ("a length of all bits", [b"\x81\xff" + b"\xff" * 8], [1009]),
    ("a text of one byte too many", [frame(TEXT, said("a", MOST + 1))], [1009]),
    ("the head of a frame that would be too large", [b"\x81\xff" + struct.pack("!Q", MOST + 1)], [1009]),
    ("fragments that are too much together", in_pieces(said("a", MOST + 1), 40_000), [1009]),
    ("a fragment too many of one byte", in_pieces(said("a", MOST + 1), MOST), [1009]),
    ("fragments of 64 KiB together", in_pieces(said("a", MOST), 1, 40_000), ["a"]),
    (
        "many frames in one packet",
        [b"".join(frame(TEXT, said(f"n{n}")) for n in range(8))],
        [f"n{n}" for n in range(8)],
    ),
    ("many pings in one packet", [frame(PING, b"x") * 200], [(PONG, b"x")] * 200),
]
BETWEEN = frame(PING, b"still there?")
FRAGMENTS: list[Row] = [
    *((f"a text in {n} fragments", in_pieces(said("a", 90), *range(1, n)), ["a"]) for n in (2, 3, 10, 80)),
    ("fragments of which the first is empty", in_pieces(said("a"), 0), ["a"]),
    ("fragments of which the last is empty", in_pieces(said("a"), len(said("a"))), ["a"]),
    ("fragments of which one in the middle is empty", in_pieces(said("a"), 5, 5), ["a"]),
    ("fragments that are all empty", in_pieces(b"", 0, 0), ["None"]),
    ("a ping between fragments", in_pieces(said("a"), 5, between=BETWEEN), [(PONG, b"still there?"), "a"]),
    ("pings between all fragments", in_pieces(said("a"), 5, 9, between=BETWEEN), [(PONG, b"still there?")] * 2 + ["a"]),
    ("a pong between fragments", in_pieces(said("a"), 5, between=frame(PONG, b"x")), ["a"]),
    (
        "a ping between fragments that leave no room",
        in_pieces(said("a", MOST), MOST, between=BETWEEN),
        [(PONG, b"still there?"), "a"],
    ),
    ("two texts in fragments, one after the other", in_pieces(said("a"), 3) + in_pieces(said("b"), 3), ["a", "b"]),
    ("a last fragment of nothing", [frame(FIN, b"x")], [1002]),
    ("a fragment of nothing", [frame(0x00, b"x")], [1002]),
    ("a fragment after the last", [b"".join(in_pieces(said("a"), 3)) + frame(FIN, b"x")], [1002]),
    ("a text inside fragments", [frame(0x01, b"{"), frame(TEXT, said("a"))], [1002]),
    ("the start of a text inside fragments", [frame(0x01, b"{"), frame(0x01, b"{")], [1002]),
    ("a binary frame inside fragments", [frame(0x01, b"{"), frame(BINARY, b"x")], [1002]),
    ("a goodbye inside fragments", [frame(0x01, b"{"), frame(CLOSE, goodbye(1000))], [1002]),
]
CONTROL: list[Row] = [
    *((f"a ping of {n} bytes", [frame(PING, b"\xfe" * n)], [(PONG, b"\xfe" * n)]) for n in (0, 1, 124, 125)),
    ("a ping of 126 bytes", [frame(PING, b"x" * 126)], [1002]),
    ("a ping in fragments", [frame(0x09, b"x"), frame(FIN, b"x")], [1002]),
    ("a pong of 126 bytes", [frame(PONG, b"x" * 126)], [1002]),
    ("a goodbye in fragments", [frame(0x08, goodbye(1000))], [1002]),
    ("a goodbye of 126 bytes", [frame(CLOSE, goodbye(1000, b"x" * 124))], [1002]),
    ("a pong that nobody asked for", [frame(PONG, b"x"), frame(PING, b"y")], [(PONG, b"y")]),
]
SIGNS = "é€\U0001f600"
NO_TEXT = {
    "a byte that starts nothing": b"\xff",
    "a continuation without a start": b"\x80",
    "an overlong slash": b"\xc0\xaf",
    "an overlong euro": b"\xf0\x82\x82\xac",
    "half of a surrogate pair": b"\xed\xa0\x80",
    "both halves of a surrogate pair": b"\xed\xa0\x80\xed\xb0\x80",
    "a character beyond the last": b"\xf4\x90\x80\x80",
    "two bytes of three": b"\xe2\x82",
    "three bytes of four": b"\xf0\x9f\x98",
}
UNFINISHED = said("a", text=SIGNS)
FIRST = UNFINISHED.index("é".encode())
WORDS: list[Row] = [
    ("characters of two, three and four bytes", [frame(TEXT, UNFINISHED)], ["a"]),
    *(
        (f"characters cut after byte {at}", in_pieces(UNFINISHED, FIRST + at), ["a"])
        for at in range(len(SIGNS.encode()) + 1)
    ),
    ("characters in fragments of one byte", in_pieces(UNFINISHED, *range(1, len(UNFINISHED))), ["a"]),
    *((name, [frame(TEXT, b"{" + data)], [1007]) for name, data in NO_TEXT.items()),
    *((f"{name}, in fragments", in_pieces(b"{" + data, 2), [1007]) for name, data in NO_TEXT.items()),
    ("a binary frame", [frame(BINARY, said("a"))], [1003]),
    ("an empty binary frame", [frame(BINARY)], [1003]),
    ("a binary frame in fragments", [frame(0x02, b"x")], [1003]),
]
BAD_CODES = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
GOOD_CODES = (1000, 1001, 1008, 1010, 1014, 3000, 3999, 4000, 4999)
GOODBYES: list[Row] = [
    ("a goodbye without a code", [frame(CLOSE)], [(CLOSE, b"")]),
    *((f"a goodbye with {code}", [frame(CLOSE, goodbye(code))], [(CLOSE, goodbye(code))]) for code in GOOD_CODES),
    (
        "a goodbye with a reason",
        [frame(CLOSE, goodbye(1000, b"\xe2\x82\xac"))],
        [(CLOSE, goodbye(1000, b"\xe2\x82\xac"))],
    ),
    (
        "a goodbye with the longest reason",
        [frame(CLOSE, goodbye(1000, b"x" * 123))],
        [(CLOSE, goodbye(1000, b"x" * 123))],
    ),
    ("a goodbye of one byte", [frame(CLOSE, b"\x03")], [1002]),
    *(
        (f"a goodbye with {code}, which is not for the wire", [frame(CLOSE, goodbye(code))], [1002])
        for code in BAD_CODES
    ),
    ("a goodbye whose reason is not UTF-8", [frame(CLOSE, goodbye(1000, b"\xff"))], [1007]),
    ("a goodbye whose reason ends inside a character", [frame(CLOSE, goodbye(1000, b"\xe2\x82"))], [1007]),
    (
        "what comes with a goodbye and after it",
        [frame(TEXT, said("a")) + frame(CLOSE, goodbye(1000)) + frame(TEXT, said("b")) + frame(PING)],
        [(CLOSE, goodbye(1000))],
    ),
    ("a second goodbye", [frame(CLOSE, goodbye(1000)) + frame(CLOSE, goodbye(1001))], [(CLOSE, goodbye(1000))]),
]
ROWS = [*FRAMING, *FRAGMENTS, *CONTROL, *WORDS, *GOODBYES]


def is_last(expected: Answer) -> bool:
    return isinstance(expected, int) or (isinstance(expected, tuple) and expected[0] == CLOSE)


@pytest.mark.parametrize(("sent", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_what_is_sent_gets_the_answer_it_must_have(raw, sent, expected):
    for data in sent:
        raw.sock.sendall(data)
    assert answers(raw, len(expected)) == list(expected)
    if is_last(expected[-1]):
        assert raw.sock.recv(1) == b""
    else:
        # And nothing else: the socket is as good as before.
        raw.frame(PING, b"and now?")
        assert answers(raw, 1) == [(PONG, b"and now?")]


SCRIPT = b"".join(
    [
        frame(PING, b"one"),
        *in_pieces(UNFINISHED, FIRST + 1, FIRST + 3, between=frame(PING, b"two")),
        frame(TEXT, said("b", 300)),
        frame(PING, b"", form=127),
    ]
)
SCRIPT_ANSWERS = [(PONG, b"one"), (PONG, b"two"), (PONG, b"two"), "a", "b", (PONG, b"")]


def in_packets(raw: Raw, data: bytes, cuts: Sequence[int]) -> None:
    for start, end in pairwise([0, *sorted(cuts), len(data)]):
        raw.sock.sendall(data[start:end])


class TestPackets:
    def test_bytes_may_come_one_at_a_time(self, raw):
        in_packets(raw, SCRIPT, range(1, len(SCRIPT)))
        assert unordered(answers(raw, len(SCRIPT_ANSWERS))) == unordered(SCRIPT_ANSWERS)

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(cuts=st.sets(st.integers(1, len(SCRIPT) - 1), max_size=12))
    def test_packets_may_end_anywhere(self, gateway, world, cuts):
        with Raw(gateway).shake_hands() as raw:
            raw.authenticate(world.ticket())
            in_packets(raw, SCRIPT, list(cuts))
            assert unordered(answers(raw, len(SCRIPT_ANSWERS))) == unordered(SCRIPT_ANSWERS)

    @pytest.mark.parametrize("at", range(1, 14))
    def test_a_frame_may_be_cut_at_every_byte_of_its_head(self, raw, at):
        data = frame(TEXT, said("a", 65_536))
        raw.sock.sendall(data[:at])
        raw.sock.sendall(data[at:])
        assert answers(raw, 1) == ["a"]


def unordered(found: Sequence[Answer]) -> list[str]:
    """Pongs may overtake the answers to texts that came with them: only each kind keeps its order."""
    return [str(one) for one in found if isinstance(one, tuple)] + [one for one in found if isinstance(one, str)]


TOO_MANY = tuple(f"X-{number}: x" for number in range(120))
HANDSHAKES: list[tuple[str, bytes, int]] = [
    ("without an Upgrade", handshake(upgrade=None), 426),
    ("with another Upgrade", handshake(upgrade="h2c"), 426),
    ("with two Upgrades", handshake(upgrade="websocket, h2c"), 426),
    ("without a Connection", handshake(connection=None), 426),
    ("with a Connection that is not to be upgraded", handshake(connection="keep-alive"), 426),
    ("without a Key", handshake(key=None), 400),
    ("with an empty Key", handshake(key=""), 400),
    ("with a Key that is too short", handshake(key="c2hvcnQ="), 400),
    ("with a Key that is not base64", handshake(key="?" * 24), 400),
    ("with two Keys", handshake("GET /ws/v1 HTTP/1.1", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), 400),
    ("without a Version", handshake(version=None), 400),
    ("with Version 8", handshake(version="8"), 426),
    ("with Version 14", handshake(version="14"), 426),
    ("with two Versions", handshake("GET /ws/v1 HTTP/1.1", "Sec-WebSocket-Version: 13"), 426),
    ("at another path", handshake("GET /ws/v2 HTTP/1.1"), 404),
    ("below the path", handshake("GET /ws/v1/x HTTP/1.1"), 404),
    ("from another origin", handshake("GET /ws/v1 HTTP/1.1", "Origin: https://evil.example"), 403),
    ("from an origin that is none", handshake("GET /ws/v1 HTTP/1.1", "Origin: null"), 403),
    ("from two origins", handshake("GET /ws/v1 HTTP/1.1", "Origin: http://a", "Origin: http://b"), 403),
    ("with POST", handshake("POST /ws/v1 HTTP/1.1", "Content-Length: 0"), 405),
    ("over HTTP/1.0", handshake("GET /ws/v1 HTTP/1.0"), 505),
    ("with a header that is too long", handshake("GET /ws/v1 HTTP/1.1", "X: " + "x" * 9000), 431),
    ("with too many headers", handshake("GET /ws/v1 HTTP/1.1", *TOO_MANY), 431),
    ("with Connection in a list", handshake(connection="keep-alive, Upgrade"), 101),
    ("with Connection and Upgrade in other letters", handshake(connection="uPGRADE", upgrade="WebSocket"), 101),
    ("with a query", handshake("GET /ws/v1?x=1 HTTP/1.1"), 101),
    ("with subprotocols", handshake("GET /ws/v1 HTTP/1.1", "Sec-WebSocket-Protocol: chat, soap"), 101),
    ("with extensions", handshake("GET /ws/v1 HTTP/1.1", "Sec-WebSocket-Extensions: permessage-deflate"), 101),
]


class TestHandshake:
    @pytest.mark.parametrize(("sent", "status"), [row[1:] for row in HANDSHAKES], ids=[row[0] for row in HANDSHAKES])
    def test_a_handshake_is_answered_with_its_status(self, gateway, sent, status):
        with Raw(gateway) as raw:
            raw.sock.sendall(sent)
            found, head = raw.answer()
            assert found == status
            assert (b"\r\nSec-WebSocket-Version: 13\r\n" in head) == (status == 426)
            assert b"\r\nSec-WebSocket-Protocol:" not in head
            assert b"\r\nSec-WebSocket-Extensions:" not in head

    @pytest.mark.parametrize("at", [1, 20, handshake().index(b"dGhl") + 5, len(handshake()) - 1])
    def test_a_handshake_may_come_in_two_packets(self, gateway, at):
        with Raw(gateway) as raw:
            raw.sock.sendall(handshake()[:at])
            began = time.monotonic()
            eventually(lambda: time.monotonic() - began > 0.05, every=0.01)
            raw.sock.sendall(handshake()[at:])
            assert raw.answer()[0] == 101

    def test_what_comes_right_behind_the_handshake_is_read(self, gateway, world):
        ticket = json.dumps({"type": "auth", "ticket": world.ticket()}).encode()
        with Raw(gateway) as raw:
            raw.sock.sendall(handshake() + frame(PING, b"early") + frame(TEXT, ticket))
            assert raw.answer()[0] == 101
            assert raw.read() == (PONG, b"early")
            assert json.loads(raw.read()[1])["type"] == "ready"

    def test_half_a_frame_behind_the_handshake_waits_for_the_other_half(self, gateway):
        with Raw(gateway) as raw:
            raw.sock.sendall(handshake() + frame(PING, b"early")[:4])
            assert raw.answer()[0] == 101
            raw.sock.sendall(frame(PING, b"early")[4:])
            assert raw.read() == (PONG, b"early")


class TestTheEnd:
    def test_a_connection_that_ends_without_a_goodbye_frees_its_session(self, gateway, world):
        before = sockets_of(gateway)
        raw = Raw(gateway).shake_hands()
        raw.authenticate(world.ticket())
        raw.sock.sendall(frame(TEXT, said("a"))[:7])
        eventually(lambda: sockets_of(gateway) > before)
        raw.sock.close()
        eventually(lambda: sockets_of(gateway) <= before)

    def test_a_goodbye_is_answered_while_the_server_is_sending_and_nothing_follows_it(self, gateway, world):
        cid = world.conversation(visitor_id="leaving")
        sender = {"kind": "visitor", "id": "leaving", "name": "V"}
        for seq in range(1, 401):
            stored = {"seq": seq, "message_id": f"m-{seq}", "client_id": f"c-{seq}", "sender": sender}
            world.logs[cid].append(stored | {"text": "x" * 4000, "sent_at": "2026-01-01T00:00:00Z"})
        with Raw(gateway, receives=65536).shake_hands() as raw:
            raw.authenticate(world.ticket(subject="leaving"))
            raw.frame(TEXT, json.dumps({"type": "sync", "conversation_id": cid, "after": 0}).encode())
            assert json.loads(raw.read()[1])["seq"] == 1
            raw.frame(CLOSE, goodbye(1000))
            assert raw.until_closed() == 1000
            assert raw.sock.recv(1) == b""


def sockets_of(gateway: Gateway) -> float:
    lines = requests.get(f"{gateway.base_url}/metrics", timeout=30).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("velaro_gateway_sockets "))
