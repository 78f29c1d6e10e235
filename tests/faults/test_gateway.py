"""The gateway, killed, told to stop and put to sleep while people talk."""

import os
import random
import signal
from collections.abc import Callable

from chassis.testing import eventually
from deploy.local.waiting import answers_ready
from tests.faults.crowd import Crowd
from tests.faults.load import Load, Run
from tests.faults.rows import promised, row
from tests.faults.system import System, asleep

Note = Callable[[Run], Run]

BACK_SECONDS = 10
STUCK_SECONDS = 40
WORKERS = 2
RESTARTING = "close-1012"
CROWD = 300
MOST_AT_ONCE = 3


@row("1", times=20, is_short=True)
def test_clients_of_a_gateway_worker_that_is_killed_come_back(
    system: System, load: Load, note: Note, seed: int
) -> None:
    run = note(load.run(lambda: kill_a_worker(system, seed), seed=seed))
    assert run.longest_wait <= promised(BACK_SECONDS)


def kill_a_worker(system: System, seed: int) -> None:
    os.kill(random.Random(seed).choice(system.gateway_workers()), signal.SIGKILL)


@row("2", times=20)
def test_a_gateway_that_is_told_to_reload_says_so_and_fails_nobody(
    system: System, load: Load, note: Note, seed: int
) -> None:
    with Crowd(load.driver, CROWD) as crowd:
        run = note(load.run(lambda: reload(system, crowd), seed=seed))
        peak, mean = crowd.accepts_per_second()
    print(f"row 2, seed {seed}: {peak:.0f} come back in a second at most, {mean:.0f} on average")
    assert run.longest_wait <= promised(BACK_SECONDS)
    assert set(run.troubles) == {RESTARTING}
    assert peak <= MOST_AT_ONCE * mean


def reload(system: System, crowd: Crowd) -> None:
    """New workers for old, as with new code or settings."""
    old = set(system.gateway_workers())
    os.kill(system.pid("gateway"), signal.SIGHUP)
    eventually(lambda: len(system.gateway_workers()) == WORKERS and not old & set(system.gateway_workers()), timeout=60)
    eventually(crowd.is_back, timeout=60)


@row("2 restart", times=20)
def test_a_gateway_that_is_stopped_and_started_again_says_so_and_fails_nobody(
    system: System, load: Load, note: Note, seed: int
) -> None:
    run = note(load.run(lambda: restart(system), seed=seed))
    assert run.troubles[RESTARTING] >= len(load.talk.clients)


def restart(system: System) -> None:
    system.stop("gateway")
    system.supervisor.run("gateway")
    eventually(lambda: answers_ready(system.instance.ports.gateway), timeout=60)


@row("3", times=5)
def test_a_gateway_worker_that_sleeps_for_ten_seconds_loses_nobody(
    system: System, load: Load, note: Note, seed: int
) -> None:
    run = note(load.run(lambda: sleep(system, seed, load, seconds=10), seed=seed))
    assert not run.troubles


def sleep(system: System, seed: int, load: Load, *, seconds: float) -> None:
    with asleep(random.Random(seed).choice(system.gateway_workers())):
        load.wait(seconds)


@row("3 stuck", times=5)
def test_a_gateway_worker_that_sleeps_for_forty_seconds_is_replaced(
    system: System, load: Load, note: Note, seed: int
) -> None:
    run = note(load.run(lambda: sleep_until_replaced(system, seed), seed=seed))
    assert run.longest_wait <= STUCK_SECONDS


def sleep_until_replaced(system: System, seed: int) -> None:
    sleeper = random.Random(seed).choice(system.gateway_workers())
    with asleep(sleeper):
        eventually(lambda: len({*system.gateway_workers()} - {sleeper}) == WORKERS, timeout=STUCK_SECONDS)
