"""The parts with many sockets that say little: what each costs, and how fast all come back after a restart."""

import asyncio
import time
from collections.abc import Sequence

import psutil

from deploy.local.waiting import answers_ready
from tests.bench.bench import Bench, Row
from tests.bench.client import Client
from tests.bench.costs import pss_kib, rss_kib
from tests.bench.figures import Figures, of_latencies
from tests.bench.loads import figures_of
from tests.bench.people import Visitor
from tests.bench.talk import Outcome, Talk, each, open_loop
from tests.ledger.ledger import Ledger

IDLE_LEVELS = (1_000, 5_000, 10_000)
IDLE_RATE, IDLE_PAIRS = 50.0, 10
SETTLE_SECONDS = 3.0
RETURNING = 5_000
RETURN_RATE, RETURN_PAIRS = 20.0, 10
RETURN_DEADLINE = 120.0


async def idle(bench: Bench) -> None:
    """Sockets of visitors who are there and silent: memory of each, and how fast the others' messages are."""
    levels = bench.levels(IDLE_LEVELS, (1_000,))
    bench.say(f"{levels[-1]:,} visitors arrive")
    visitors = await bench.world.crowd(levels[-1])
    for run in range(1, bench.runs + 1):
        # Memory that earlier sockets left behind would be used again and hide what the new ones need.
        await bench.restart_gateway()
        async with Talk(bench.world, await bench.world.pairs(IDLE_PAIRS)) as talk:
            await talk.run(open_loop(IDLE_RATE, 2))
            await _idle_levels(bench, talk, visitors, levels, run)


async def _idle_levels(bench: Bench, talk: Talk, visitors: Sequence[Visitor], levels: list[int], run: int) -> None:
    before = _gateway_memory(bench)
    crowd: list[Client] = []
    try:
        for level in levels:
            await _arrive(bench, crowd, visitors[len(crowd) : level])
            after = _gateway_memory(bench)
            each_kib = {
                f"{kind}_kib_per_socket": round((after[kind] - before[kind]) / len(crowd), 2) for kind in before
            }
            bench.costs.restart()
            outcome = await talk.run(open_loop(IDLE_RATE, bench.seconds(8, 4)), warm_up=1)
            _add_idle(bench, level, run, each_kib, outcome, crowd)
    finally:
        for client in crowd:
            client.disconnect()


async def _arrive(bench: Bench, crowd: list[Client], visitors: Sequence[Visitor]) -> None:
    port = bench.world.instance.ports.gateway
    new = [Client(port, f"idle-{len(crowd) + number}", one.ticket) for number, one in enumerate(visitors)]
    await each(new, lambda client: client.connect())
    crowd += new
    await asyncio.sleep(SETTLE_SECONDS)


def _add_idle(bench: Bench, level: int, run: int, each_kib: Figures, outcome: Outcome, crowd: list[Client]) -> None:
    bench.add(
        Row(
            part="idle",
            label=f"{level:,} sockets",
            level=level,
            run=run,
            figures=each_kib | figures_of(outcome),
            verdict=outcome.verdict.counts(),
            cpu=bench.costs.cpu(),
            memory_kib=bench.costs.memory(),
            troubles={f"close-{code}": times for client in crowd for code, times in client.closes.items()},
        )
    )
    bench.explain(outcome, f"idle-{level}-{run}")


def _gateway_memory(bench: Bench) -> dict[str, int]:
    """KiB of the processes that hold sockets, without the one that only watches over them."""
    workers = psutil.Process(bench.stack.supervisor.pid_of("gateway")).children()
    return {
        "pss": sum(pss_kib(worker.pid) for worker in workers),
        "rss": sum(rss_kib(worker.pid) for worker in workers),
    }


async def reconnect(bench: Bench) -> None:
    """The gateway is restarted under thousands of sockets, each with a conversation; some people go on talking."""
    count = bench.levels([RETURNING], [500])[0]
    crowd = await _with_conversations(bench, count)
    pairs = await bench.world.pairs(RETURN_PAIRS)
    async with Talk(bench.world, pairs) as talk:
        for client in [*crowd, *talk.clients]:
            client.is_persistent = True
        for run in range(1, bench.runs + 1):
            await _one_restart(bench, talk, crowd, run)
        for client in crowd:
            client.disconnect()


async def _with_conversations(bench: Bench, count: int) -> list[Client]:
    bench.say(f"{count:,} visitors each open a conversation and a socket")
    visitors = await bench.world.crowd(count)
    port = bench.world.instance.ports.gateway
    crowd = [Client(port, f"returning-{number}", one.ticket) for number, one in enumerate(visitors)]
    opened = await asyncio.gather(*(one.open(bench.world.policy_version) for one in visitors))
    ledger = Ledger()
    for client, conversation_id in zip(crowd, opened, strict=True):
        client.enter(conversation_id)
        client.note_in(ledger)
    await each(crowd, lambda client: client.connect())
    return crowd


async def _one_restart(bench: Bench, talk: Talk, crowd: list[Client], run: int) -> None:
    times: Figures = {}

    async def load(talk: Talk) -> None:
        restarting = asyncio.create_task(_restart(bench, crowd, times))
        while not restarting.done():
            await open_loop(RETURN_RATE, 1)(talk)
        await restarting

    for client in crowd:
        client.closes.clear()
        client.lost_at = 0.0
    bench.costs.restart()
    outcome = await talk.run(load)
    label = f"{len(crowd):,} sockets"
    row = Row(
        part="reconnect",
        label=label,
        level=len(crowd),
        run=run,
        figures=times | of_latencies("away", [client.synced_at - client.lost_at for client in crowd if client.lost_at]),
        verdict=outcome.verdict.counts(),
        cpu=bench.costs.cpu(),
        troubles={f"close-{code}": _closes(crowd, code) for client in crowd for code in client.closes},
    )
    bench.add(row)
    bench.explain(outcome, f"reconnect-{run}")


def _closes(crowd: Sequence[Client], code: int) -> int:
    return sum(client.closes[code] for client in crowd)


async def _restart(bench: Bench, crowd: Sequence[Client], times: Figures) -> None:
    """Have the supervisor stop the gateway, which says goodbye to everybody, and start it; wait for all to be back."""
    supervisor = bench.stack.supervisor
    ordered = time.perf_counter()
    await asyncio.to_thread(supervisor.stop, ["gateway"])
    stopped = time.perf_counter()
    await asyncio.to_thread(supervisor.run, "gateway")
    port = bench.world.instance.ports.gateway
    while not await asyncio.to_thread(answers_ready, port):
        await asyncio.sleep(0.05)
    ready = time.perf_counter()
    deadline = ready + RETURN_DEADLINE
    while time.perf_counter() < deadline and not all(client.lost_at < client.synced_at for client in crowd):
        await asyncio.sleep(0.05)
    last = max(client.synced_at for client in crowd)
    times["goodbyes_s"] = round(stopped - ordered, 2)
    times["ready_after_start_s"] = round(ready - stopped, 2)
    times["all_back_after_ready_s"] = round(last - ready, 2)
    times["all_back_after_order_s"] = round(last - ordered, 2)
    times["not_back"] = sum(1 for client in crowd if client.lost_at >= client.synced_at)
