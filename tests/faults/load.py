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

import requests

from tests.bench.client import Client, pause_after
from tests.bench.http import Http
from tests.bench.people import Pair, World
from tests.bench.talk import Outcome, Talk
from tests.edge.people import Visitor
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
        self.busy_pairs = 0

    def do(self, work: Coroutine[Any, Any, T], timeout: float = 170) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    def call(self, act: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(act)

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
    unanswered: int
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
        self.talk: Talk

    def __enter__(self) -> "Load":
        self.driver.do(self._begin())
        return self

    def __exit__(self, *_: object) -> None:
        self.driver.do(self.talk.__aexit__())
        self.driver.busy_pairs -= self._pairs

    @property
    def pairs(self) -> list[Pair]:
        return list(self.talk.pairs)

    @property
    def conversation_ids(self) -> list[str]:
        return [pair.conversation_id for pair in self.pairs]

    def run(
        self,
        strike: Callable[[], object],
        *,
        seed: int,
        pause: float = PAUSE_SECONDS,
        patience: float = PATIENCE_SECONDS,
    ) -> Run:
        """Let them talk, do ``strike`` at some moment, and go on until each has talked with success after it."""
        return self.driver.do(self._run(strike, random.Random(seed), pause, patience), timeout=4 * patience)

    def wait(self, seconds: float) -> None:
        """How long a fault lasts is part of it."""
        time.sleep(max(0.0, seconds))

    def judge_transcripts(self) -> Verdict:
        """Close what is open; the verdict on the sealed transcripts of all that was said."""
        self.close_conversations()
        verdict = self.driver.do(self.talk.judge_sealed())
        assert verdict.is_clean, {kind: found[:5] for kind, found in verdict.findings.items() if found}
        return verdict

    def close_conversations(self) -> list[int]:
        """Ask for the end of all of them; the statuses of the answers."""
        return self.driver.do(_all(self._close(pair) for pair in self.pairs))

    def sealed(self) -> int:
        """How many of the conversations have their transcript."""
        paths = [f"/api/v1/transcripts/{pair.conversation_id}" for pair in self.pairs]
        asked = [
            self.driver.http.ask("GET", path, head=pair.operator.head)
            for path, pair in zip(paths, self.pairs, strict=True)
        ]
        return sum(answer.status == 200 for answer in self.driver.do(_all(asked)))

    async def _close(self, pair: Pair) -> int:
        path = f"/api/v1/conversations/{pair.conversation_id}/close"
        return (await self.driver.http.ask("POST", path, {}, head=pair.operator.head)).status

    async def _begin(self) -> None:
        # Whoever has two conversations at once is shown both, and a client of ours is in one.
        pairs = await self.driver.world.pairs(self._pairs, besides=self.driver.busy_pairs)
        self.driver.busy_pairs += self._pairs
        self.talk = Talk(self.driver.world, [Pair(**vars(pair)) for pair in pairs], port=self._port)
        for client in self.talk.clients:
            client.is_persistent = True
            client.pauses = lambda code, failures: pause_after(code, failures) * self._haste
        await self.talk.__aenter__()

    async def _run(self, strike: Callable[[], object], chance: random.Random, pause: float, patience: float) -> Run:
        before = Counter(self.talk.troubles())
        outcome = await self.talk.run(lambda talk: self._speak(talk, strike, chance, pause, patience))
        entries = outcome.ledger.entries.values()
        waits = [(entry.acknowledged_at or outcome.ended) - entry.sent_at for entry in entries]
        unanswered = sum(entry.acknowledged_at is None for entry in entries)
        return Run(outcome.verdict, outcome, max(waits, default=0.0), unanswered, self.talk.troubles() - before)

    async def _speak(
        self, talk: Talk, strike: Callable[[], object], chance: random.Random, pause: float, patience: float
    ) -> None:
        stop = asyncio.Event()
        speakers = [Speaker(talk, client, chance) for client in talk.clients]
        speaking = [asyncio.create_task(speaker.speak(stop, pause)) for speaker in speakers]
        try:
            await _until(lambda: all(speaker.has_said(SAID_BEFORE) for speaker in speakers), patience)
            await asyncio.sleep(chance.uniform(0, pause))
            await asyncio.to_thread(strike)
            over = time.perf_counter()
            await _until(lambda: all(speaker.has_said(SAID_AFTER, since=over) for speaker in speakers), patience)
            stop.set()
            # Whoever is still waiting then is counted as unanswered.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.gather(*speaking), patience)
        finally:
            for task in speaking:
                task.cancel()


@dataclass(frozen=True)
class Bystander:
    """A visitor without a socket, who asks and says things by HTTP and keeps the answers as they are."""

    visitor: Visitor
    conversation_id: str

    @classmethod
    def arrived(cls, system: System, driver: Driver) -> "Bystander":
        """A new one, in a conversation of its own; some of the driver's people must be there already."""
        visitor = Visitor(system.instance.base_url, driver.world.site_keys[0]).arrive()
        return cls(visitor, visitor.open(answers=None))

    def says(self, client_id: str, text: str = "hello") -> requests.Response:
        return self.visitor.edge.post(self._path, {"client_id": client_id, "text": text})

    def asks(self) -> requests.Response:
        return self.visitor.edge.get(self._path)

    @property
    def _path(self) -> str:
        return f"/api/v1/widget/conversations/{self.conversation_id}/messages"


async def _until(check: Callable[[], bool], patience: float) -> None:
    deadline = time.perf_counter() + patience
    while not check():
        if time.perf_counter() > deadline:
            # What did not come back is what the ledger and the waits will show.
            return
        await asyncio.sleep(0.05)


async def _all(works: Any) -> list[Any]:
    return await asyncio.gather(*works)
