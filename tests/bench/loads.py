"""The parts in which pairs talk: one message alone, a fixed rate, and as fast as it goes."""

from tests.bench.bench import Bench, Row
from tests.bench.figures import Figures, of_latencies
from tests.bench.talk import Outcome, Speaking, Talk, closed_loop, open_loop

LONE_RATE = 30.0
OPEN_RATES = (50, 100, 200, 500, 1_000, 2_000, 3_000)
OPEN_PAIRS = 200
CLOSED_PAIRS = (1, 10, 50, 100, 200)


async def latency(bench: Bench) -> None:
    """One message at a time between two sockets, with nothing else going on."""
    seconds = bench.seconds(7, 3)
    async with Talk(bench.world, await bench.world.pairs(1)) as talk:
        for run in range(1, bench.runs + 1):
            await _measured(bench, talk, "latency", "one pair, 30/s", 1, run, open_loop(LONE_RATE, seconds + 1), 1)
        await _sealed(bench, talk, "latency", "one pair, 30/s", 1)


async def open_loops(bench: Bench) -> None:
    """A fixed rate over 200 conversations; what is late counts from when it was due."""
    seconds = bench.seconds(8, 3)
    async with Talk(bench.world, await bench.world.pairs(bench.levels([OPEN_PAIRS], [20])[0])) as talk:
        for rate in bench.levels(OPEN_RATES, (50, 200, 1_000)):
            for run in range(1, bench.runs + 1):
                load = open_loop(rate, seconds + 2)
                outcome = await _measured(bench, talk, "open-loop", f"{rate:,}/s", rate, run, load, 2)
            if not _keeps_up(outcome, rate):
                bench.say(f"{rate:,}/s is more than it can carry; higher rates would only measure the backlog")
                break
        await _sealed(bench, talk, "open-loop", f"{len(talk.pairs)} pairs", rate)


def _keeps_up(outcome: Outcome, rate: float) -> bool:
    return outcome.rate() > 0.9 * rate


async def closed_loops(bench: Bench) -> None:
    """Each pair says the next message when the last one's echo is there."""
    seconds = bench.seconds(8, 3)
    for count in bench.levels(CLOSED_PAIRS, (1, 20)):
        label = f"{count} pair{'s' * (count > 1)}"
        async with Talk(bench.world, await bench.world.pairs(count)) as talk:
            for run in range(1, bench.runs + 1):
                await _measured(bench, talk, "closed-loop", label, count, run, closed_loop(seconds + 2), 2)
            await _sealed(bench, talk, "closed-loop", label, count)


async def _measured(
    bench: Bench, talk: Talk, part: str, label: str, level: float, run: int, load: Speaking, warm_up: float
) -> Outcome:
    meter = Meter(bench)
    outcome = await talk.run(meter.around(load), warm_up=warm_up)
    bench.add(
        Row(
            part=part,
            label=label,
            level=level,
            run=run,
            figures=figures_of(outcome) | meter.figures_at(outcome.rate()),
            verdict=outcome.verdict.counts(),
            cpu=meter.cpu,
            memory_kib=bench.costs.memory(),
            troubles=dict(talk.troubles()),
        )
    )
    bench.explain(outcome, f"{part}-{level}-{run}")
    return outcome


def figures_of(outcome: Outcome) -> Figures:
    """Throughput, and the times to the other side and to the own echo."""
    return {
        "msg_per_s": round(outcome.rate(), 1),
        **of_latencies("delivered", outcome.delivered()),
        **of_latencies("echoed", outcome.echoed()),
    }


class Meter:
    """Counts the CPU of a load alone, not of what comes before and after it.

    What a message costs over all processes says most where others use the machine too.
    """

    def __init__(self, bench: Bench) -> None:
        self._costs = bench.costs
        self.cpu: dict[str, float] = {}

    def figures_at(self, rate: float) -> Figures:
        cores = sum(self.cpu.values())
        return {"cores": round(cores, 2), "cpu_ms_per_msg": round(cores / rate * 1000, 3) if rate else 0.0}

    def around(self, load: Speaking) -> Speaking:
        async def metered(talk: Talk) -> None:
            self._costs.restart()
            await load(talk)
            self.cpu = self._costs.cpu()

        return metered


async def _sealed(bench: Bench, talk: Talk, part: str, label: str, level: float) -> None:
    """All runs once more, as transcripts recorded them: what the stored record lags behind shows here."""
    verdict, took = await talk.seal()
    row = Row(
        part=f"{part}, sealed",
        label=label,
        level=level,
        run=0,
        figures={"sealed_after_s": round(took, 2), "conversations": len(talk.pairs)},
        verdict=verdict.counts(),
    )
    bench.add(row)
