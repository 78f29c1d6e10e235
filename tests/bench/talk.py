"""People who talk: their sockets, the load they make, and what the ledger says of it."""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

from tests.bench import pace
from tests.bench.client import Client
from tests.bench.people import Pair, World
from tests.ledger.checker import Stored, Verdict, check
from tests.ledger.ledger import Ledger, joined

DRAIN_SECONDS = 30.0
QUIET_SECONDS = 0.05
CONNECTING_AT_ONCE = 64
TEXT = "How long does it take until you can read this sentence, which is about as long as people write? {}"

Speaking = Callable[["Talk"], Awaitable[None]]


@dataclass
class Couple:
    """Both sockets of a pair. They speak in turn."""

    visitor: Client
    operator: Client
    turn: int = 0

    def next_speaker(self) -> Client:
        self.turn += 1
        return self.visitor if self.turn % 2 else self.operator


@dataclass
class Outcome:
    """What one run gave: when it was measured, the ledger, and the verdict on it."""

    began: float
    ended: float
    ledger: Ledger
    verdict: Verdict

    def delivered(self) -> list[float]:
        """Seconds from when each message was due to when the other side had it."""
        return [
            sighting.at - entry.intended_at
            for part in self.ledger.parts.values()
            for sighting in part.sightings
            if (entry := self.ledger.entries.get(sighting.client_id))
            and entry.sender != part.party
            and self.began <= entry.intended_at < self.ended
        ]

    def echoed(self) -> list[float]:
        """Seconds from when each message was due to its own echo."""
        return [
            entry.acknowledged_at - entry.intended_at
            for entry in self.ledger.entries.values()
            if entry.acknowledged_at is not None and self.began <= entry.intended_at < self.ended
        ]

    def rate(self) -> float:
        """Messages a second that reached the other side while it was measured."""
        arrived = sum(
            1
            for part in self.ledger.parts.values()
            for sighting in part.sightings
            if self.began <= sighting.at < self.ended
            and (entry := self.ledger.entries.get(sighting.client_id))
            and entry.sender != part.party
        )
        return arrived / (self.ended - self.began)


class Talk:
    """Pairs in conversation. Enter it to connect them; every run gets a ledger of its own.

    Their sockets go to ``port``, if it is given, and to the gateway's otherwise; with ``is_persistent`` they come
    back when they are cut off.
    """

    def __init__(
        self, world: World, pairs: Sequence[Pair], *, port: int | None = None, is_persistent: bool = False
    ) -> None:
        self.pairs = pairs
        self.couples = [_couple(port or world.instance.ports.gateway, pair) for pair in pairs]
        self._is_persistent = is_persistent
        self.ledger = Ledger()
        self._ledgers: list[Ledger] = []
        self._ids = (f"{prefix}-{number}" for prefix in [uuid4().hex[:12]] for number in itertools.count())

    @property
    def clients(self) -> list[Client]:
        return [client for couple in self.couples for client in (couple.visitor, couple.operator)]

    async def __aenter__(self) -> "Talk":
        await each(self.clients, lambda client: client.come() if self._is_persistent else client.connect())
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self.clients:
            client.disconnect()

    def say(self, client: Client, intended_at: float) -> None:
        client_id = next(self._ids)
        client.say(client_id, TEXT.format(client_id), intended_at)

    async def run(self, load: Speaking, *, warm_up: float = 0.0) -> Outcome:
        """Let them talk, wait until all has arrived, and compare the ledger with the history."""
        self.ledger = Ledger()
        self._ledgers.append(self.ledger)
        for client in self.clients:
            client.pending.clear()
            client.note_in(self.ledger)
        began = time.perf_counter() + warm_up
        await load(self)
        ended = time.perf_counter()
        await self._drain()
        return Outcome(began, ended, self.ledger, check(self.ledger, await self._histories()))

    async def _drain(self) -> None:
        """Until every message has its echo and both sides have seen the same, or it takes too long."""
        deadline = time.perf_counter() + DRAIN_SECONDS
        while time.perf_counter() < deadline and not all(map(_is_settled, self.couples)):
            await asyncio.sleep(QUIET_SECONDS)

    async def _histories(self) -> dict[str, list[Stored]]:
        starts = self.ledger.starts()
        ids = [pair.conversation_id for pair in self.pairs]
        reads = (pair.visitor.history(pair.conversation_id, starts[pair.conversation_id]) for pair in self.pairs)
        return dict(zip(ids, await asyncio.gather(*reads), strict=True))

    async def seal(self) -> tuple[Verdict, float]:
        """Close every conversation; the verdict on the sealed transcripts, and how long the last took to be there."""
        began = time.perf_counter()
        await asyncio.gather(*(pair.operator.close(pair.conversation_id) for pair in self.pairs))
        sealed = await self._transcripts()
        took = time.perf_counter() - began
        return check(joined(self._ledgers), sealed), took

    async def judge_sealed(self) -> Verdict:
        """The verdict on the transcripts of what is closed already."""
        return check(joined(self._ledgers), await self._transcripts())

    async def _transcripts(self) -> dict[str, list[Stored]]:
        sealed = await asyncio.gather(*(pair.operator.transcript(pair.conversation_id) for pair in self.pairs))
        return {pair.conversation_id: found for pair, found in zip(self.pairs, sealed, strict=True)}

    def troubles(self) -> Counter[str]:
        """Refusals and closed sockets, by code."""
        found: Counter[str] = Counter()
        for client in self.clients:
            found.update(client.refusals)
            found.update({f"close-{code}": times for code, times in client.closes.items()})
        return found


def _couple(port: int, pair: Pair) -> Couple:
    visitor = Client(port, f"visitor-{pair.conversation_id}", pair.visitor.ticket)
    operator = Client(port, f"operator-{pair.conversation_id}", pair.operator.ticket)
    visitor.enter(pair.conversation_id)
    operator.enter(pair.conversation_id)
    return Couple(visitor, operator)


def _is_settled(couple: Couple) -> bool:
    visitor, operator = couple.visitor, couple.operator
    return not visitor.pending and not operator.pending and visitor.last_seq == operator.last_seq


async def each(clients: Iterable[Client], act: Callable[[Client], Awaitable[None]]) -> None:
    """Do it for all of them, a number at a time."""
    slots = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def one(client: Client) -> None:
        async with slots:
            await act(client)

    await asyncio.gather(*(one(client) for client in clients))


def open_loop(rate: float, seconds: float) -> Speaking:
    """Messages at a fixed rate over all pairs, whatever becomes of them."""

    async def speak(talk: Talk) -> None:
        couples = random.sample(talk.couples, len(talk.couples))

        def due(number: int, intended_at: float) -> None:
            talk.say(couples[number % len(couples)].next_speaker(), intended_at)

        await pace.at_rate(rate, seconds, due)

    return speak


def closed_loop(seconds: float) -> Speaking:
    """In each pair the next message goes out when the last one's echo is there."""

    async def speak(talk: Talk) -> None:
        ends_at = time.perf_counter() + seconds
        for couple in talk.couples:
            echoed = partial(_say_next, talk, couple, ends_at)
            couple.visitor.on_echo = couple.operator.on_echo = echoed
            talk.say(couple.next_speaker(), time.perf_counter())
        await asyncio.sleep(seconds)

    return speak


def counted(count: int) -> Speaking:
    """In each pair so many messages, each when the last one's echo is there: nothing that hangs on the clock."""

    async def speak(talk: Talk) -> None:
        await asyncio.gather(*(_converse(talk, couple, count) for couple in talk.couples))

    return speak


async def _converse(talk: Talk, couple: Couple, count: int) -> None:
    echoed = asyncio.Event()
    couple.visitor.on_echo = couple.operator.on_echo = lambda _client, _at: echoed.set()
    for _ in range(count):
        echoed.clear()
        talk.say(couple.next_speaker(), time.perf_counter())
        await echoed.wait()


def _say_next(talk: Talk, couple: Couple, ends_at: float, _client: Client, at: float) -> None:
    if at < ends_at:
        talk.say(couple.next_speaker(), time.perf_counter())
