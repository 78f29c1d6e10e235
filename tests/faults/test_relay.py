"""The relay of the partitions, killed and put to sleep while people talk."""

from collections.abc import Callable

from chassis.testing import eventually
from tests.faults.load import Load, Run
from tests.faults.rows import row
from tests.faults.system import RELAYS, System, asleep

Note = Callable[[Run], Run]

TAKEOVER_SECONDS = 5
HEARTBEAT_MISSED_SECONDS = 60
LATE_WRITES = 8
FENCE = "velaro_relay_fence_rejections_total"
COMMANDS = "velaro_relay_commands_total"


@row("6", times=20, is_short=True)
def test_another_relay_takes_over_from_one_that_is_killed(system: System, load: Load, note: Note, seed: int) -> None:
    run = note(load.run(lambda: system.kill(system.active_relay()), seed=seed))
    assert run.longest_wait <= TAKEOVER_SECONDS
    assert not run.troubles


@row("6 all", times=20)
def test_all_relays_killed_at_once_are_no_more_than_a_pause(system: System, load: Load, note: Note, seed: int) -> None:
    note(load.run(lambda: system.kill(*RELAYS), seed=seed))


@row("7", times=20, is_short=True)
def test_what_a_relay_does_after_it_lost_its_partitions_is_fenced_off(
    system: System, load: Load, note: Note, seed: int
) -> None:
    note(load.run(lambda: sleep_through_the_loss(system), seed=seed))


def sleep_through_the_loss(system: System) -> None:
    """The active relay sleeps, the broker takes its partitions away, and it wakes up without knowing.

    The broker is told by a cut, where a lost heartbeat would take it a minute.
    """
    sleeper = system.active_relay()
    other = next(relay for relay in RELAYS if relay != sleeper)
    line = system.relays_to_broker[sleeper]
    fenced, done = system.metric(sleeper, FENCE), system.metric(other, COMMANDS)
    with asleep(system.pid(sleeper)):
        eventually(lambda: system.delivered() >= LATE_WRITES, timeout=30)
        line.conceal()
        line.cut_server_side()
        eventually(lambda: system.metric(other, COMMANDS) >= done + LATE_WRITES, timeout=30)
    eventually(lambda: system.metric(sleeper, FENCE) > fenced)
    line.heal()


@row("7 heartbeat", times=2)
def test_a_relay_that_sleeps_for_a_minute_has_lost_its_partitions_and_does_no_harm(
    system: System, load: Load, note: Note, seed: int
) -> None:
    run = note(load.run(lambda: sleep_for_a_minute(system), seed=seed))
    assert run.longest_wait <= HEARTBEAT_MISSED_SECONDS + TAKEOVER_SECONDS


def sleep_for_a_minute(system: System) -> None:
    sleeper = system.active_relay()
    other = next(relay for relay in RELAYS if relay != sleeper)
    done = system.metric(other, COMMANDS)
    with asleep(system.pid(sleeper)):
        eventually(
            lambda: system.metric(other, COMMANDS) >= done + LATE_WRITES, timeout=HEARTBEAT_MISSED_SECONDS, every=0.5
        )
