"""The part that takes long: steady traffic while conversations come and go, and what the memory of each process does.

Two lanes of pairs take turns, so that some talk while others part and meet: traffic is steady, and everything
that is kept for a conversation or a visitor turns over.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

from tests.bench.bench import Bench, Row
from tests.bench.client import Client, Frame
from tests.bench.figures import Trend, of_latencies, trend
from tests.bench.people import Pair, World
from tests.bench.plots import number as in_words
from tests.bench.talk import Outcome, Talk, each, open_loop
from tests.ledger.checker import FORBIDDEN, Verdict

SOAK_RATE, SOAK_PAIRS = 200.0, 20
LANES = 2
ROUND_SECONDS = 30.0
SAMPLES = 120
LEAST_PERIOD = 1.0
WARM_UP_SHARE, LONGEST_WARM_UP = 0.25, 600.0
PASSING_SECONDS = 1.0
LATENCY_EVERY = 10
GROWTH = "soak, growth"
MIB = 1024


async def soak(bench: Bench) -> None:
    """A steady 200 messages a second for an hour, while conversations and visitors come and go: memory over time."""
    size = SOAK_PAIRS // LANES
    # Everybody is there before it begins: passwords take their time.
    meeting = [await bench.world.pairs(size, besides=number * size) for number in range(LANES)]
    windows = [Window(bench.world.instance.ports.gateway, "window", pair.operator.ticket) for pair in chain(*meeting)]
    await each(windows, lambda window: window.come())
    memory, tally = Memory(bench), Tally()
    bench.costs.restart()
    ends_at = memory.began + bench.soak_seconds
    watching = asyncio.create_task(memory.watch(bench.soak_seconds))
    lanes = (_lane(bench, tally, number, pairs, ends_at) for number, pairs in enumerate(meeting))
    await asyncio.gather(_pass_by(bench.world, ends_at), *lanes)
    await watching
    for window in windows:
        window.disconnect()
    _add(bench, tally, memory)


class Window(Client):
    """One more window of an operator, open all day, which nobody reads."""

    def _message(self, frame: Frame, at: float) -> None:
        return


async def _lane(bench: Bench, tally: "Tally", number: int, pairs: Sequence[Pair], ends_at: float) -> None:
    """Round after round: talk, part, look at what was recorded, and meet again."""
    length = min(ROUND_SECONDS, bench.soak_seconds / 4)
    # The lanes part at different times.
    await asyncio.sleep(number * length / LANES)
    while time.monotonic() < ends_at:
        # An hour is long: a gateway that turns somebody away for a moment does not end it.
        async with Talk(bench.world, pairs, is_persistent=True) as talk:
            outcome = await talk.run(open_loop(SOAK_RATE / LANES, length))
            sealed, _ = await talk.seal()
        tally.add(talk, outcome, sealed)
        bench.explain(outcome, f"soak-{number}-{tally.rounds}")
        pairs = await bench.world.pairs(len(pairs), besides=number * len(pairs))


async def _pass_by(world: World, ends_at: float) -> None:
    """Once a second a new visitor comes, opens a socket, and leaves."""
    while time.monotonic() < ends_at:
        visitor = await world.visitor()
        passer_by = Client(world.instance.ports.gateway, "passer-by", visitor.ticket)
        await passer_by.come()
        passer_by.disconnect()
        await asyncio.sleep(PASSING_SECONDS)


@dataclass
class Tally:
    """What all rounds gave; the ledgers themselves would be too much to keep."""

    rounds: int = 0
    conversations: int = 0
    delivered: list[float] = field(default_factory=list)
    verdict: Counter[str] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)

    def add(self, talk: Talk, outcome: Outcome, sealed: Verdict) -> None:
        self.rounds += 1
        self.conversations += len(talk.pairs)
        self.delivered += outcome.delivered()[::LATENCY_EVERY]
        self.verdict.update(outcome.verdict.counts())
        # What the sealed transcripts lack counts like what the history does.
        self.verdict.update({kind: sealed[kind] for kind in FORBIDDEN})
        self.troubles.update(talk.troubles())


@dataclass
class Memory:
    """The memory of every process through it."""

    bench: Bench
    began: float = field(default_factory=time.monotonic)
    samples: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    async def watch(self, seconds: float) -> None:
        """Look often enough to draw a line."""
        period = max(LEAST_PERIOD, seconds / SAMPLES)
        for number in range(int(seconds / period) + 1):
            await asyncio.sleep(max(0.0, self.began + number * period - time.monotonic()))
            memory = await asyncio.to_thread(self.bench.costs.memory)
            went_by = time.monotonic() - self.began
            for process, kib in memory.items():
                if kib:
                    self.samples.setdefault(process, []).append((went_by, kib / MIB))

    def trends(self, warm_up: float) -> dict[str, Trend]:
        """How the memory of each process went on after ``warm_up`` seconds."""
        after = {name: [one for one in found if one[0] >= warm_up] for name, found in self.samples.items()}
        return {name: trend(found) for name, found in after.items() if len(found) > 2}


def _add(bench: Bench, tally: Tally, memory: Memory) -> None:
    seconds = bench.soak_seconds
    label = f"{in_words(seconds / 60)} min"
    figures = {
        "msg_per_s": round(tally.verdict["acknowledged"] / seconds, 1),
        "conversations": tally.conversations,
        **of_latencies("delivered", tally.delivered),
    }
    bench.add(
        Row(
            part="soak",
            label=label,
            level=seconds,
            run=1,
            figures=figures,
            verdict=dict(tally.verdict),
            cpu=bench.costs.cpu(),
            memory_kib=bench.costs.memory(),
            troubles=dict(tally.troubles),
        )
    )
    for process, found in memory.trends(min(LONGEST_WARM_UP, seconds * WARM_UP_SHARE)).items():
        bench.add(
            Row(
                part=GROWTH,
                label=process,
                level=seconds,
                run=1,
                figures={
                    "mib_after_warm_up": round(found.first, 1),
                    "mib_at_the_end": round(found.last, 1),
                    "mib_per_hour": round(found.slope * 3600, 2),
                    "give_or_take": round(found.doubt * 3600, 2),
                },
                course=memory.samples[process],
            )
        )
