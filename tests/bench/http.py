"""A small HTTP client over a few kept connections: enough for the public edge, and cheap."""

import asyncio
from collections import deque
from typing import Any, NamedTuple

import msgspec

HTTP_TIMEOUT = 60.0
AT_ONCE = 32
UNAVAILABLE, ATTEMPTS, RETRY_SECONDS = 503, 60, 1.0


class Answer(NamedTuple):
    """Status, the cookie that was set if any, and the body."""

    status: int
    cookie: str
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Unexpected(Exception):
    """An answer with another status than the one asked for."""


class Connection(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Http:
    """Up to ``at_once`` requests at a time; whoever comes then waits."""

    def __init__(self, port: int, *, at_once: int = AT_ONCE) -> None:
        self.refusals = 0
        self._port = port
        self._host = f"localhost:{port}"
        self._idle: deque[Connection] = deque()
        self._slots = asyncio.Semaphore(at_once)

    async def made(self, method: str, path: str, body: Any = None, *, head: str = "", status: int = 201) -> Any:
        """The decoded body of an answer that has to have this status."""
        answer = await self.answered(method, path, body, head=head)
        if answer.status != status:
            raise Unexpected(f"{method} {path}: {answer.status} {answer.body[:300]!r}")
        return answer.json() if answer.body else None

    async def answered(self, method: str, path: str, body: Any = None, *, head: str = "") -> Answer:
        """Asks again, as it is told to, while the answer is that now is not the time; how often is counted."""
        for _ in range(ATTEMPTS):
            answer = await self.ask(method, path, body, head=head)
            if answer.status != UNAVAILABLE:
                break
            self.refusals += 1
            await asyncio.sleep(RETRY_SECONDS)
        return answer

    async def ask(self, method: str, path: str, body: Any = None, *, head: str = "") -> Answer:
        """One request; ``head`` is further header lines, each with its line end."""
        payload = b"" if body is None else msgspec.json.encode(body)
        kind = "" if body is None else "Content-Type: application/json\r\n"
        request = (
            f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n{head}{kind}Content-Length: {len(payload)}\r\n\r\n"
        ).encode() + payload
        async with self._slots:
            return await asyncio.wait_for(self._exchange(request), HTTP_TIMEOUT)

    async def _exchange(self, request: bytes) -> Answer:
        while self._idle:
            connection = self._idle.pop()
            try:
                return await self._on(connection, request)
            except (OSError, asyncio.IncompleteReadError):
                # Cut while it was idle. All calls here may be repeated, so the next connection takes it.
                connection.writer.close()
        return await self._on(await self._connected(), request)

    async def _connected(self) -> Connection:
        return Connection(*await asyncio.open_connection("127.0.0.1", self._port))

    async def _on(self, connection: Connection, request: bytes) -> Answer:
        if connection.writer.is_closing():
            raise ConnectionError("cut")
        connection.writer.write(request)
        head = (await connection.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        lines = head.split("\r\n")
        fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        body = await connection.reader.readexactly(int(fields.get("content-length", "0")))
        if fields.get("connection", "").lower() == "close":
            connection.writer.close()
        else:
            self._idle.append(connection)
        return Answer(int(lines[0].split()[1]), fields.get("set-cookie", "").partition(";")[0], body)

    def close(self) -> None:
        """Cut the kept connections."""
        while self._idle:
            self._idle.pop().writer.close()
