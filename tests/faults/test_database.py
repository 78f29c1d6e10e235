"""The database: killed, slow, silent."""

import time
from collections.abc import Callable

from tests.faults.line import about
from tests.faults.load import Bystander, Load, Run
from tests.faults.rows import promised, row
from tests.faults.strikes import kill_database
from tests.faults.system import System

Note = Callable[[Run], Run]

RECOVERED_SECONDS = 15
ANSWERED_SECONDS = 10
SILENCE_SECONDS = 15


@row("18", times=60, is_short=True)
def test_a_database_that_is_killed_has_everything_that_was_acknowledged(
    system: System, load: Load, note: Note, seed: int
) -> None:
    run = note(load.run(lambda: kill_database(system), seed=seed))
    assert run.longest_wait <= promised(RECOVERED_SECONDS + 10)


@row("19 latency", times=10)
def test_a_slow_database_makes_everything_slow_and_nothing_wrong(
    system: System, load: Load, note: Note, seed: int
) -> None:
    note(load.run(lambda: be_slow(system, load), seed=seed))


def be_slow(system: System, load: Load) -> None:
    system.chat_to_database.delay = about(0.25, 0.1)
    load.wait(10)
    system.chat_to_database.heal()


@row("19 silence", times=10)
def test_a_silent_database_is_a_clear_refusal_and_no_loss(
    system: System, load: Load, bystander: Bystander, note: Note, seed: int
) -> None:
    took: list[float] = []
    note(load.run(lambda: took.append(ask_in_silence(system, load, bystander)), seed=seed))
    assert took[0] <= ANSWERED_SECONDS


def ask_in_silence(system: System, load: Load, bystander: Bystander) -> float:
    """Seconds until somebody who asks for what only the database knows is told that it is not to be had."""
    system.chat_to_database.freeze()
    began = time.monotonic()
    answer = bystander.asks()
    took = time.monotonic() - began
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    load.wait(SILENCE_SECONDS - took)
    system.chat_to_database.heal()
    return took
