"""What is kept for a message, a conversation or a visitor is let go of again, in every process."""

import asyncio
from contextlib import suppress
from operator import itemgetter

from chassis.testing import eventually
from tests.bench.client import Client
from tests.bench.costs import private_kib
from tests.bench.people import World
from tests.bench.talk import Talk, counted
from tests.faults.load import Driver
from tests.faults.system import System
from tests.ledger.checker import Verdict

PAIRS, ROUNDS, SAID_BY_A_PAIR, VISITORS = 20, 4, 80, 160
MESSAGES = PAIRS * ROUNDS * SAID_BY_A_PAIR
ALLOWED_KIB = 2 * 1024
"""Two steps of Python, which takes memory by the megabyte: a third of a kilobyte kept of each message is too much."""

TIMES = 3
"""Room for the most that was ever needed at once is taken once, and a first full collection copies once."""

LONG_SECONDS, SETTLED_SECONDS = 400, 30
SERVERS = {"epmd", "mongod", "rabbitmq"}


def test_no_process_takes_more_memory_each_time_there_is_as_much_traffic_again(system: System, driver: Driver) -> None:
    driver.do(converse(driver.world), timeout=LONG_SECONDS)
    suspects, rounds = set(memory(system)), list[dict[str, int]]()
    while suspects and len(rounds) < TIMES:
        before = memory(system)
        driver.do(converse(driver.world), timeout=LONG_SECONDS)
        rounds.append(kept_after(system, before))
        print(f"after {MESSAGES:,} more messages, KiB: {dict(filter(itemgetter(1), rounds[-1].items()))}")
        suspects = {name for name in suspects if rounds[-1][name] > ALLOWED_KIB}
    assert not suspects, {name: [kib[name] for kib in rounds] for name in suspects}


async def converse(world: World) -> None:
    """Visitors pass by and pairs talk, in new conversations and on new sockets each time."""
    for _ in range(ROUNDS):
        await asyncio.gather(*(pass_by(world) for _ in range(VISITORS // ROUNDS)))
        async with Talk(world, await world.pairs(PAIRS)) as talk:
            outcome = await talk.run(counted(SAID_BY_A_PAIR))
            sealed, _ = await talk.seal()
        assert_clean(outcome.verdict)
        assert_clean(sealed)


async def pass_by(world: World) -> None:
    visitor = await world.visitor()
    client = Client(world.instance.ports.gateway, "passer-by", visitor.ticket)
    await client.connect()
    client.disconnect()


def assert_clean(verdict: Verdict) -> None:
    assert verdict.is_clean, verdict
    assert verdict.attempts == verdict.acknowledged


def memory(system: System) -> dict[str, int]:
    """KiB of each process of ours that it shares with no other."""
    running = [one["name"] for one in system.supervisor.processes() if one["name"] not in SERVERS]
    return {name: sum(map(private_kib, system.pids(name))) for name in running}


def kept_after(system: System, before: dict[str, int]) -> dict[str, int]:
    """KiB more than before, once what is still on its way, or waits to be collected, has had time to go."""

    def grown() -> dict[str, int]:
        return {name: kib - before[name] for name, kib in memory(system).items()}

    with suppress(AssertionError):
        eventually(lambda: max(grown().values()) <= ALLOWED_KIB, timeout=SETTLED_SECONDS, every=1)
    return grown()
