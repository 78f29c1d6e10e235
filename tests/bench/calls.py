"""The part that uses no socket: the HTTP calls that widgets and programs make, as fast as a few of them can."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from uuid import uuid4

from tests.bench.bench import Bench, Row
from tests.bench.figures import of_latencies
from tests.bench.people import WIDGET, Pair
from tests.ledger.checker import Verdict, check
from tests.ledger.ledger import Entry, Ledger, Sighting

WORKERS = 8
HISTORY_LENGTH = 50
TEXT = "Is this in stock? {}"

Act = Callable[[Pair], Awaitable[float]]
"""One call of one pair's; gives its latency."""


async def calls(bench: Bench) -> None:
    """config, history, posting and long-polling, one after another."""
    for run in range(1, bench.runs + 1):
        pairs = await bench.world.pairs(WORKERS)
        desk = Desk(bench, pairs)
        for pair in pairs:
            for _ in range(HISTORY_LENGTH):
                await desk.post(pair)
        for label, act in (
            ("config", desk.config),
            ("history of 50", desk.history),
            ("post a message", desk.post),
            ("long-poll", desk.poll),
        ):
            await _hammered(bench, pairs, label, act, run)
        verdict = await desk.verdict()
        bench.add(Row(part="calls", label="all messages", level=0, run=run, figures={}, verdict=verdict.counts()))


async def _hammered(bench: Bench, pairs: Sequence[Pair], label: str, act: Act, run: int) -> None:
    seconds = bench.seconds(5, 2)
    latencies: list[float] = []
    refusals = bench.world.http.refusals
    bench.costs.restart()
    began = time.perf_counter()

    async def worker(pair: Pair) -> None:
        while time.perf_counter() - began < seconds:
            latencies.append(await act(pair))

    await asyncio.gather(*map(worker, pairs))
    took = time.perf_counter() - began
    figures = {"calls_per_s": round(len(latencies) / took, 1), **of_latencies("took", latencies)}
    bench.add(
        Row(
            part="calls",
            label=label,
            level=len(pairs),
            run=run,
            figures=figures,
            cpu=bench.costs.cpu(),
            troubles={"503": count} if (count := bench.world.http.refusals - refusals) else {},
        )
    )


class Desk:
    """What the pairs ask, and the ledger of what they say on the way."""

    def __init__(self, bench: Bench, pairs: Sequence[Pair]) -> None:
        self._http = bench.world.http
        self._site_key = bench.world.site_keys[0]
        self._pairs = pairs
        self._ledger = Ledger()
        self._numbers = itertools.count()
        self._name = uuid4().hex[:12]
        for pair in pairs:
            self._ledger.enters(_visitor(pair), pair.conversation_id)
        self._seen = dict.fromkeys((pair.conversation_id for pair in pairs), 0)

    async def config(self, _pair: Pair) -> float:
        began = time.perf_counter()
        await self._http.made("GET", f"{WIDGET}/config?site={self._site_key}", status=200)
        return time.perf_counter() - began

    async def history(self, pair: Pair) -> float:
        began = time.perf_counter()
        path = f"{WIDGET}/conversations/{pair.conversation_id}/messages?limit={HISTORY_LENGTH}"
        await self._http.made("GET", path, head=pair.visitor.head, status=200)
        return time.perf_counter() - began

    async def post(self, pair: Pair) -> float:
        """The visitor says something and has the answer."""
        path = f"{WIDGET}/conversations/{pair.conversation_id}/messages"
        return await self._say(pair, _visitor(pair), path, pair.visitor.head)

    async def poll(self, pair: Pair) -> float:
        """The visitor waits; from when the operator says something to when the visitor has it."""
        after = await self._catch_up(pair)
        waiting = asyncio.create_task(self._heard(pair, after, wait=25))
        # The wait has to have begun, as it has when people talk.
        await asyncio.sleep(0.02)
        began = time.perf_counter()
        path = f"/api/v1/conversations/{pair.conversation_id}/messages"
        saying = asyncio.create_task(self._say(pair, f"operator-{pair.conversation_id}", path, pair.operator.head))
        await waiting
        took = time.perf_counter() - began
        await saying
        return took

    async def _say(self, pair: Pair, sender: str, path: str, head: str) -> float:
        client_id = f"{self._name}-{next(self._numbers)}"
        text = TEXT.format(client_id)
        began = time.perf_counter()
        self._ledger.sent(Entry(client_id, pair.conversation_id, sender, text, began, began))
        posted = await self._http.made("POST", path, {"client_id": client_id, "text": text}, head=head)
        ended = time.perf_counter()
        self._ledger.acknowledged(client_id, posted["seq"], ended)
        return ended - began

    async def _catch_up(self, pair: Pair) -> int:
        """Read what there is, without waiting; the number of the last."""
        while await self._heard(pair, self._seen[pair.conversation_id], wait=0):
            continue
        return self._seen[pair.conversation_id]

    async def _heard(self, pair: Pair, after: int, *, wait: int) -> int:
        path = f"{WIDGET}/conversations/{pair.conversation_id}/messages?after={after}&wait={wait}"
        page = await self._http.made("GET", path, head=pair.visitor.head, status=200)
        at = time.perf_counter()
        sightings = self._ledger.parts[_visitor(pair), pair.conversation_id].sightings
        sightings += [Sighting(message["seq"], message["client_id"], at) for message in page["messages"]]
        if page["messages"]:
            self._seen[pair.conversation_id] = page["messages"][-1]["seq"]
        return len(page["messages"])

    async def verdict(self) -> Verdict:
        """Read to the end, close, and compare with the sealed transcripts."""
        for pair in self._pairs:
            await self._catch_up(pair)
            await pair.operator.close(pair.conversation_id)
        return check(
            self._ledger,
            {pair.conversation_id: await pair.operator.transcript(pair.conversation_id) for pair in self._pairs},
        )


def _visitor(pair: Pair) -> str:
    return f"visitor-{pair.conversation_id}"
