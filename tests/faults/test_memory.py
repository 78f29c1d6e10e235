"""What is kept for a message, a conversation or a visitor is let go of again, in every process."""

import asyncio

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

LONG_SECONDS = 400
SERVERS = {"epmd", "mongod", "rabbitmq"}


def test_as_much_traffic_again_takes_no_more_memory(system: System, driver: Driver) -> None:
    driver.do(converse(driver.world), timeout=LONG_SECONDS)
    before = memory(system)
    driver.do(converse(driver.world), timeout=LONG_SECONDS)
    # Whatever is still on its way, or waits to be collected, goes.
    eventually(lambda: not too_much(system, before), timeout=60, every=1)
    print(f"after {MESSAGES:,} more messages, KiB: {grown(system, before)}")


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
    return {name: found for name in running if (found := sum(map(private_kib, system.pids(name))))}


def grown(system: System, before: dict[str, int]) -> dict[str, int]:
    return {name: kib - before[name] for name, kib in memory(system).items()}


def too_much(system: System, before: dict[str, int]) -> dict[str, int]:
    """Those that take more than is allowed."""
    return {name: kib for name, kib in grown(system, before).items() if kib > ALLOWED_KIB}
