"""The socket of the public edge, as a client keeps it: it reconnects, syncs and sends again."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import requests
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect

BROKEN = (ConnectionClosed, InvalidHandshake, OSError, TimeoutError, requests.RequestException, AssertionError)


class Gone(Exception):
    """The socket closed; ``code`` says why."""

    def __init__(self, code: int) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class Socket:
    """One authenticated connection. ``ticket`` fetches a fresh ticket."""

    def __init__(self, url: str, ticket: Callable[[], str]) -> None:
        self._url = url
        self._ticket = ticket
        self.connection: ClientConnection
        self.ready: Any = None

    def __enter__(self) -> "Socket":
        self._opened = self.bare(self._url)
        self.connection = self._opened.__enter__()
        self.send(type="auth", ticket=self._ticket())
        self.ready = self.until("ready")
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.__exit__(None, None, None)

    @staticmethod
    def bare(url: str) -> connect:
        """A connection that has not said who it is; enter it to open it."""
        return connect(url, compression=None, open_timeout=10, close_timeout=2, proxy=None, ping_interval=None)

    @staticmethod
    def close_code(connection: ClientConnection, timeout: float = 15) -> int:
        """Reads until the other side closes, and returns the code it gave."""
        deadline = time.monotonic() + timeout
        try:
            while True:
                connection.recv(timeout=max(0.01, deadline - time.monotonic()))
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006

    def send(self, **frame: Any) -> None:
        self.connection.send(json.dumps(frame))

    def receive(self, timeout: float = 10) -> Any:
        try:
            return json.loads(self.connection.recv(timeout=timeout))
        except ConnectionClosed as closed:
            raise Gone(closed.rcvd.code if closed.rcvd else 1006) from closed

    def until(self, kind: str, timeout: float = 10, **wanted: Any) -> Any:
        """The next frame of this kind that has these fields; others are passed over."""
        deadline = time.monotonic() + timeout
        while True:
            frame = self.receive(max(0.01, deadline - time.monotonic()))
            if frame["type"] == kind and all(frame.get(name) == value for name, value in wanted.items()):
                return frame

    def say(self, conversation_id: str, text: str, client_id: str | None = None) -> Any:
        """Sends a message and returns its own echo: the proof that it is stored."""
        client_id = client_id or str(uuid4())
        self.send(type="message", conversation_id=conversation_id, client_id=client_id, text=text)
        return self.until("message", client_id=client_id)


class Party(threading.Thread):
    """Says a list of texts, each until it is stored, through whatever breaks; keeps all it was shown.

    One message is under way at a time, so that the order of sending means something.
    """

    def __init__(
        self,
        new_socket: Callable[[], Socket],
        conversation_id: str,
        texts: list[str],
        *,
        patience: float,
        pause: float,
    ) -> None:
        super().__init__(daemon=True)
        self._patience = patience
        self._pause = pause
        self._new_socket = new_socket
        self._conversation_id = conversation_id
        self._texts = texts
        self.seen: dict[int, Any] = {}
        self.duplicates: list[Any] = []
        self.reordered: list[Any] = []
        self.said = 0
        self.reconnects = -1
        self.failure: BaseException | None = None
        self._done = threading.Event()

    def run(self) -> None:
        deadline = time.monotonic() + self._patience
        waiting = [(str(uuid4()), text) for text in self._texts]
        while time.monotonic() < deadline and not self._done.is_set():
            try:
                with self._new_socket() as socket:
                    self.reconnects += 1
                    self._talk(socket, waiting)
            except (*BROKEN, Gone) as broken:
                self.failure = broken
                # A client backs off before it comes again; there is no fact to wait for here.
                time.sleep(0.2)

    def finish(self) -> None:
        self._done.set()
        self.join(20)

    def _talk(self, socket: Socket, waiting: list[tuple[str, str]]) -> None:
        socket.send(type="sync", conversation_id=self._conversation_id, after=max(self.seen, default=0))
        while not self._done.is_set():
            if not waiting:
                self._hear(socket, None)
                continue
            client_id, text = waiting[0]
            socket.send(type="message", conversation_id=self._conversation_id, client_id=client_id, text=text)
            if self._hear(socket, client_id):
                waiting.pop(0)
                self.said += 1
                self._done.wait(self._pause)

    def _hear(self, socket: Socket, client_id: str | None) -> bool:
        """True once the own echo came; False after a refusal or a quiet second."""
        deadline = time.monotonic() + (8 if client_id else 0.5)
        while time.monotonic() < deadline:
            try:
                frame = socket.receive(0.5)
            except TimeoutError:
                if client_id is None:
                    return False
                continue
            if frame["type"] == "message":
                self._note(frame)
                if frame["client_id"] == client_id:
                    return True
            if frame["type"] == "rejected" and frame["client_id"] == client_id:
                time.sleep(0.2)
                return False
        raise Gone(0)

    def _note(self, frame: Any) -> None:
        seq = frame["seq"]
        if seq in self.seen:
            self.duplicates.append(frame)
        elif seq != max(self.seen, default=0) + 1:
            self.reordered.append(frame)
        self.seen.setdefault(seq, frame)
