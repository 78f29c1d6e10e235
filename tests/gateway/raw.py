"""A client whose every byte is chosen: for what a library would never send."""

import json
import re
import socket
import struct
from collections.abc import Iterator

from websockets.frames import Frame
from websockets.streams import StreamReader

from tests.gateway.world import Gateway

MASK = b"\1\2\3\4"
HANDSHAKE = {
    "Host": "localhost",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


def handshake(line: str = "GET /ws/v1 HTTP/1.1", *more: str, **changes: str | None) -> bytes:
    """A request for a socket; ``key=None`` leaves out the header whose name ends so."""
    changed = {name: changes.get(name.rpartition("-")[2].lower(), value) for name, value in HANDSHAKE.items()}
    headers = [f"{name}: {value}" for name, value in changed.items() if value is not None]
    return "\r\n".join([line, *headers, *more, "", ""]).encode()


def frame(head: int, data: bytes = b"", *, is_masked: bool = True, form: int = 0) -> bytes:
    """A frame; ``form`` is the form of its length (126 or 127) where it is not to be the shortest."""
    length = len(data)
    form = form or (length if length < 126 else 126 if length < 65536 else 127)
    size = {126: struct.pack("!H", length & 0xFFFF), 127: struct.pack("!Q", length)}.get(form, b"")
    start = bytes([head, (0x80 if is_masked else 0) | form]) + size
    return start + (MASK + masked(data) if is_masked else data)


def frames_in(data: bytes) -> Iterator[Frame]:
    """What a server said, frame by frame."""
    reader = StreamReader()
    reader.feed_data(data)
    while reader.buffer:
        parsing = Frame.parse(reader.read_exact, mask=False, max_size=None, extensions=None)
        try:
            next(parsing)
        except StopIteration as parsed:
            yield parsed.value


def masked(data: bytes) -> bytes:
    return bytes(byte ^ MASK[index % 4] for index, byte in enumerate(data))


class Raw:
    """A socket whose frames are made byte by byte."""

    def __init__(self, gateway: Gateway, *, receives: int = 0) -> None:
        self.sock = socket.socket()
        self.sock.settimeout(30)
        if receives:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
        self.sock.connect(("127.0.0.1", gateway.port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def shake_hands(self) -> "Raw":
        self.sock.sendall(handshake())
        status, head = self.answer()
        assert status == 101
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
        return self

    def answer(self) -> tuple[int, bytes]:
        """The status and the head of an HTTP response."""
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._exactly(1)
        return int(head.split()[1]), head

    def whole_answer(self) -> bytes:
        """The body of an HTTP response that says how long it is."""
        _, head = self.answer()
        [length] = re.findall(rb"(?i)^content-length: (\d+)", head, re.MULTILINE)
        return self._exactly(int(length))

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def authenticate(self, ticket: str) -> None:
        self.frame(0x81, json.dumps({"type": "auth", "ticket": ticket}).encode())
        assert json.loads(self.read()[1])["type"] == "ready"

    def frame(self, head: int, data: bytes = b"", *, is_masked: bool = True) -> None:
        self.sock.sendall(frame(head, data, is_masked=is_masked))

    def read(self) -> tuple[int, bytes]:
        """The next frame that is no ping; those are answered."""
        while True:
            head, data = self._frame()
            if head != 0x89:
                return head, data
            self.frame(0x8A, data)

    def _frame(self) -> tuple[int, bytes]:
        head, length = self._exactly(2)
        if length == 126:
            (length,) = struct.unpack("!H", self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._exactly(8))
        return head, self._exactly(length)

    def until_closed(self) -> int:
        while True:
            head, data = self.read()
            if head == 0x88:
                return int(struct.unpack("!H", data[:2])[0]) if data else 1005

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.sock.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data
