"""People who talk while something is broken, and the ledger of what they said.

They run on an event loop in a thread of its own, so that a test can break things in plain words meanwhile.
"""

import asyncio
import contextlib
import gc
import random
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.bench.client import Client, pause_after
from tests.bench.http import Http
from tests.bench.people import Pair, World
from tests.bench.talk import Outcome, Talk
from tests.faults.system import System
from tests.ledger.checker import Verdict

T = TypeVar("T")

PAIRS = 8
PAUSE_SECONDS = 0.3
MOST_AT_ONCE = 3
SAID_BEFORE, SAID_AFTER = 3, 3
SILENCE_SECONDS = 12.0
PATIENCE_SECONDS = 120.0


class Driver:
    """The thread in which everybody lives, and the people there are."""

    def __init__(self, system: System) -> None:
        self.system = system
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="load", daemon=True)
        self._thread.start()
        self.http = Http(system.instance.ports.gateway)
        self.world = World(system.instance, self.http)

    def do(self, work: Coroutine[Any, Any, T], timeout: float = 170) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    def close(self) -> None:
        self.do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        with warnings.catch_warnings():
            # Connections that were broken under those who used them are nobody's to close.
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()

    async def _end(self) -> None:
        self.http.close()
        # What is being closed is closed a few rounds later.
        await asyncio.sleep(0.1)


@dataclass
class Run:
    """One repetition: what the ledger says, how long the longest had to wait, and what clients were told."""

    verdict: Verdict
    outcome: Outcome
    longest_wait: float
    troubles: Counter[str] = field(default_factory=Counter)


class Speaker:
    """Says a few things, waits until all of them are stored, pauses, and so on."""

    def __init__(self, talk: Talk, client: Client, chance: random.Random) -> None:
        self._talk = talk
        self._client = client
        self._chance = chance
        self._echo = asyncio.Event()
        self.said: list[float] = []
        client.on_echo = lambda _client, _at: self._echo.set()

    async def speak(self, stop: asyncio.Event, pause: float) -> None:
        while not stop.is_set():
            began = time.perf_counter()
            for _ in range(self._chance.randint(1, MOST_AT_ONCE)):
                self._talk.say(self._client, time.perf_counter())
            await self._until_stored()
            self.said.append(began)
            await asyncio.sleep(self._chance.uniform(0.5, 1.5) * pause)

    async def _until_stored(self) -> None:
        heard_at = time.perf_counter()
        while self._client.pending:
            refusals = self._client.refusals.total()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._echo.wait(), 1)
                heard_at = time.perf_counter()
            self._echo.clear()
            is_refused = self._client.refusals.total() > refusals
            if is_refused or time.perf_counter() - heard_at > SILENCE_SECONDS:
                self._client.say_again()
                heard_at = time.perf_counter()

    def has_said(self, count: int, *, since: float = 0.0) -> bool:
        return sum(1 for began in self.said if began >= since) >= count


class Load:
    """Pairs in conversation, who come back whenever they are cut off. Enter it to begin the conversations.

    ``haste`` shortens the pauses of those who come back: the widget's own are up to ten seconds.
    """

    def __init__(self, driver: Driver, *, pairs: int = PAIRS, port: int | None = None, haste: float = 1.0) -> None:
        self.driver = driver
        self._pairs = pairs
        self._port = port
        self._haste = haste
        self._told: Counter[str] = Counter()
        self.talk: Talk

    def __enter__(self) -> "Load":
        self.driver.do(self._begin())
        return self

    def __exit__(self, *_: object) -> None:
        self.driver.do(self.talk.__aexit__())

    @property
    def pairs(self) -> list[Pair]:
        return list(self.talk.pairs)

    def run(self, strike: Callable[[], object], *, seed: int, pause: float = PAUSE_SECONDS) -> Run:
        """Let them talk, do ``strike`` at some moment, and go on until each has talked with success after it."""
        return self.driver.do(self._run(strike, random.Random(seed), pause))

    def seal(self) -> Verdict:
        """Close all conversations; the verdict on the sealed transcripts."""
        verdict, _ = self.driver.do(self.talk.seal())
        return verdict

    def close_conversations(self) -> None:
        self.driver.do(_all(pair.operator.close(pair.conversation_id) for pair in self.pairs))

    async def _begin(self) -> None:
        pairs = await self.driver.world.pairs(self._pairs)
        self.talk = Talk(self.driver.world, [Pair(**vars(pair)) for pair in pairs], port=self._port)
        for client in self.talk.clients:
            client.is_persistent = True
            client.pauses = lambda code, failures: pause_after(code, failures) * self._haste
        await self.talk.__aenter__()

    async def _run(self, strike: Callable[[], object], chance: random.Random, pause: float) -> Run:
        before = Counter(self.talk.troubles())
        outcome = await self.talk.run(lambda talk: self._speak(talk, strike, chance, pause))
        entries = outcome.ledger.entries.values()
        waits = [(entry.acknowledged_at or outcome.ended) - entry.sent_at for entry in entries]
        return Run(outcome.verdict, outcome, max(waits, default=0.0), self.talk.troubles() - before)

    async def _speak(self, talk: Talk, strike: Callable[[], object], chance: random.Random, pause: float) -> None:
        stop = asyncio.Event()
        speakers = [Speaker(talk, client, chance) for client in talk.clients]
        speaking = [asyncio.create_task(speaker.speak(stop, pause)) for speaker in speakers]
        try:
            await _until(lambda: all(speaker.has_said(SAID_BEFORE) for speaker in speakers))
            await asyncio.sleep(chance.uniform(0, pause))
            await asyncio.to_thread(strike)
            over = time.perf_counter()
            await _until(lambda: all(speaker.has_said(SAID_AFTER, since=over) for speaker in speakers))
            stop.set()
            await asyncio.wait_for(asyncio.gather(*speaking), PATIENCE_SECONDS)
        finally:
            for task in speaking:
                task.cancel()


async def _until(check: Callable[[], bool]) -> None:
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while not check():
        if time.perf_counter() > deadline:
            # What did not come back is what the ledger and the waits will show.
            return
        await asyncio.sleep(0.05)


async def _all(works: Any) -> list[Any]:
    return await asyncio.gather(*works)
