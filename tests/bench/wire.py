"""A client's WebSocket made by hand: as little work as possible between the kernel and the ledger.

The driver shares the machine with what it measures. So frames are put together and taken apart here
and nowhere else, text frames only; the mask is zero, which the protocol allows and which costs nothing.
"""

import asyncio
import base64
import os
import time
from collections.abc import Callable
from typing import cast

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
FIN, MASKED = 0x80, 0x80
ZERO_MASK = b"\0\0\0\0"
ABNORMAL = 1006

Heard = Callable[[bytes, float], None]
Lost = Callable[[int], None]


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """A client's frame with ``payload``."""
    size = len(payload)
    if size < 126:
        head = bytes((FIN | opcode, MASKED | size))
    else:
        head = bytes((FIN | opcode, MASKED | 126)) + size.to_bytes(2)
    return head + ZERO_MASK + payload


def split(data: bytes, at: int) -> tuple[int, bytes, int] | None:
    """Opcode and payload of the server's frame at ``at``, and where the next begins; None if it is not all there."""
    if len(data) < at + 2:
        return None
    size, start = data[at + 1], at + 2
    if size >= 126:
        start += 2 if size == 126 else 8
        size = int.from_bytes(data[at + 2 : start])
    end = start + size
    return (data[at] & 0x0F, data[start:end], end) if len(data) >= end and len(data) >= start else None


class Wire(asyncio.Protocol):
    """One WebSocket. ``heard`` gets each text and when it came; ``lost`` the close code, once."""

    def __init__(self, host: str, heard: Heard, lost: Lost) -> None:
        self._host = host
        self._heard = heard
        self._lost = lost
        self._rest = b""
        self._is_open = False
        self._code = ABNORMAL
        self._transport: asyncio.Transport
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def say(self, payload: bytes) -> None:
        """Send one text. Raises ``ConnectionError`` if the other side is gone."""
        if self._transport.is_closing():
            raise ConnectionError("the socket is closed")
        self._transport.write(frame(payload))

    def close(self) -> None:
        """Say goodbye and hang up."""
        if not self._transport.is_closing():
            self._transport.write(frame((1000).to_bytes(2), CLOSE))
            self._transport.close()

    def abort(self) -> None:
        """Hang up without a word."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            f"GET /ws/v1 HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        at = time.perf_counter()
        if self._rest:
            data = self._rest + data
            self._rest = b""
        if self._is_open:
            self._take(data, at)
        else:
            self._open(data, at)

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("closed before the handshake was over"))
            # Whoever waited for it may be gone already.
            self.opened.exception()
        self._lost(self._code)

    def _open(self, data: bytes, at: float) -> None:
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end:
            self._rest = data
        elif b" 101 " in head[:20]:
            self._is_open = True
            if not self.opened.done():
                self.opened.set_result(None)
            self._take(rest, at)
        else:
            self._transport.abort()

    def _take(self, data: bytes, at: float) -> None:
        position = 0
        while (found := split(data, position)) is not None:
            opcode, payload, position = found
            if opcode == TEXT:
                self._heard(payload, at)
            else:
                self._control(opcode, payload)
        self._rest = data[position:] if position else data

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            self._transport.write(frame(payload, PONG))
        elif opcode == CLOSE:
            self._code = int.from_bytes(payload[:2]) if payload else 1005
            self._transport.write(frame(payload[:2], CLOSE))
            self._transport.close()
