"""A party's socket as a good client keeps it: it comes back, syncs, and says again what has no echo."""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import msgspec

from tests.bench.http import Unexpected
from tests.bench.wire import Wire
from tests.ledger.ledger import Entry, Ledger, Part, Sighting

RESTARTING, OVERLOADED = 1012, 1013
READY_SECONDS = 30.0


class Frame(msgspec.Struct, gc=False):
    """What the driver needs of any frame that the server sends."""

    type: str
    conversation_id: str = ""
    seq: int = 0
    client_id: str | None = None
    last_seq: int | None = None
    code: str = ""


_decode = msgspec.json.Decoder(Frame).decode
_encode = msgspec.json.Encoder().encode


class Client:
    """One person's socket in at most one conversation, with what the ledger wants to know about it.

    ``on_echo`` is called when a message of its own is stored. Set ``is_persistent`` for a client that comes back,
    after ``pauses(code, failures)`` seconds.
    """

    def __init__(self, port: int, party: str, ticket: Callable[[], Awaitable[str]]) -> None:
        self.party = party
        self.conversation_id = ""
        self.last_seq = 0
        self.pending: dict[str, Entry] = {}
        self.closes: Counter[int] = Counter()
        self.refusals: Counter[str] = Counter()
        self.is_persistent = False
        self.lost_at = self.synced_at = 0.0
        self.on_echo: Callable[[Client, float], None] = _nothing
        self.pauses: Callable[[int, int], float] = pause_after
        self._port = port
        self._ticket = ticket
        self._ledger = Ledger()
        self._part: Part | None = None
        self._wire: Wire | None = None
        self._in_sync: asyncio.Future[None] | None = None
        self._is_live = False
        self._failures = 0
        self._code = 0
        self._returning: asyncio.Task[None] | None = None

    def enter(self, conversation_id: str) -> None:
        """Take part in this conversation from its beginning."""
        self.conversation_id = conversation_id
        self.last_seq = 0

    def note_in(self, ledger: Ledger) -> None:
        """From now on, what happens goes into this ledger."""
        self._ledger = ledger
        self._part = ledger.enters(self.party, self.conversation_id, after=self.last_seq)

    async def connect(self) -> None:
        """Open the socket; returns when it is ready, and in sync with its conversation if it has one."""
        ticket = await self._ticket()
        loop = asyncio.get_running_loop()
        self._in_sync = in_sync = loop.create_future()
        _, wire = await loop.create_connection(
            lambda: Wire(f"localhost:{self._port}", self._heard, self._lost), "127.0.0.1", self._port
        )
        self._wire = wire
        await asyncio.wait_for(wire.opened, READY_SECONDS)
        wire.say(b'{"type":"auth","ticket":"' + ticket.encode() + b'"}')
        await asyncio.wait_for(in_sync, READY_SECONDS)

    async def come(self) -> None:
        """Connect, however often it is turned away, and come back from now on."""
        self.is_persistent = True
        with contextlib.suppress(OSError, TimeoutError, EOFError, Unexpected):
            await self.connect()
        while not self._is_live:
            if self._returning is None or self._returning.done():
                self._returning = asyncio.get_running_loop().create_task(self._return())
            await self._returning

    def disconnect(self) -> None:
        """Leave for good."""
        self.is_persistent = False
        if self._returning is not None:
            self._returning.cancel()
        if self._wire is not None:
            self._wire.close()

    def say(self, client_id: str, text: str, intended_at: float) -> None:
        """Say something now, if there is a socket; a persistent client says it later if there is none."""
        entry = Entry(client_id, self.conversation_id, self.party, text, intended_at, time.perf_counter())
        self._ledger.sent(entry)
        self.pending[client_id] = entry
        if self._is_live:
            # A socket that is just closing takes nothing; what is pending is said again on the next one.
            with contextlib.suppress(ConnectionError):
                self._send(entry)

    def _send(self, entry: Entry) -> None:
        assert self._wire is not None
        self._wire.say(
            _encode(
                {
                    "type": "message",
                    "conversation_id": entry.conversation_id,
                    "client_id": entry.client_id,
                    "text": entry.text,
                }
            )
        )

    def _heard(self, text: bytes, at: float) -> None:
        frame = _decode(text)
        if frame.type == "message":
            self._message(frame, at)
        elif frame.type == "ready":
            self._ready()
        elif frame.type == "conversation":
            # The answer to a sync names the last message; a mere change of the queue does not.
            if not self._is_live and frame.conversation_id == self.conversation_id and frame.last_seq is not None:
                self._go_live()
        elif frame.type == "rejected":
            self.refusals[frame.code] += 1

    def _message(self, frame: Frame, at: float) -> None:
        client_id = frame.client_id or ""
        if frame.conversation_id != self.conversation_id:
            # Not ours to see: the ledger shall know.
            self._ledger.enters(self.party, frame.conversation_id).sightings.append(Sighting(frame.seq, client_id, at))
            return
        if frame.seq > self.last_seq:
            self.last_seq = frame.seq
        if self._part is not None:
            self._part.sightings.append(Sighting(frame.seq, client_id, at))
        if self.pending.pop(client_id, None) is not None:
            self._ledger.acknowledged(client_id, frame.seq, at)
            self.on_echo(self, at)

    def _ready(self) -> None:
        assert self._wire is not None
        if not self.conversation_id:
            self._go_live()
            return
        sync = {"type": "sync", "conversation_id": self.conversation_id, "after": self.last_seq}
        with contextlib.suppress(ConnectionError):
            self._wire.say(_encode(sync))

    def _go_live(self) -> None:
        """In sync: whatever still has no echo is said again, in order."""
        self._is_live = True
        self._failures = 0
        self.synced_at = time.perf_counter()
        if self._in_sync is not None and not self._in_sync.done():
            self._in_sync.set_result(None)
        self.say_again()

    def say_again(self) -> None:
        """Whatever has no echo yet, in the order in which it was said."""
        with contextlib.suppress(ConnectionError):
            for entry in tuple(self.pending.values()) if self._is_live else ():
                self._send(entry)

    @property
    def is_live(self) -> bool:
        """Whether there is a socket, in sync with its conversation."""
        return self._is_live

    def _lost(self, code: int) -> None:
        if self._is_live:
            self.lost_at = time.perf_counter()
        elif self._in_sync is not None and not self._in_sync.done():
            # Turned away, as by a gateway that is about to end: whoever waits to be in sync need not.
            self._in_sync.set_exception(ConnectionError(f"closed with {code}"))
            # It may be that nobody does.
            self._in_sync.exception()
        self._is_live = False
        self.closes[code] += 1
        self._code = code
        if self.is_persistent and (self._returning is None or self._returning.done()):
            self._returning = asyncio.get_running_loop().create_task(self._return())

    async def _return(self) -> None:
        """Come back with the pauses that the widget keeps."""
        while self.is_persistent and not self._is_live:
            self._failures += 1
            await asyncio.sleep(self.pauses(self._code, self._failures))
            try:
                await self.connect()
            except (OSError, TimeoutError, EOFError, Unexpected):
                # Whatever is half open must not come to life beside the next one.
                if self._wire is not None and not self._is_live:
                    self._wire.abort()


def pause_after(code: int, failures: int) -> float:
    """Seconds before attempt number ``failures``, as in the widget's ``backoff.ts``."""
    growing = min(30.0, 1.5 ** min(failures - 1, 10))
    if code == RESTARTING:
        return random.uniform(growing / 2, growing) if failures > 1 else random.uniform(0.2, 4)
    if code == OVERLOADED:
        return random.uniform(5, max(10, growing))
    return random.uniform(growing / 4, growing)


def _nothing(_client: "Client", _at: float) -> None:
    return
