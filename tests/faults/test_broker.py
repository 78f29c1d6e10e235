"""The broker: killed, out of memory, full, and cut off between a publish and its confirm."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import requests

from chassis.testing import eventually
from deploy.local.waiting import accepts_connections
from deploy.secrets import BUS_VHOST
from tests.faults.load import Bystander, Driver, Load, Run
from tests.faults.rows import row
from tests.faults.strikes import lose_events
from tests.faults.system import RELAYS, WATERMARK, System

Note = Callable[[Run], Run]

NO_HANG_SECONDS = 30
RECOVERED_SECONDS = 15
ALARM_SECONDS = 10
ROOM = 5


@row("10", times=20)
def test_a_broker_that_is_killed_comes_back_with_everything(system: System, load: Load, note: Note, seed: int) -> None:
    came_back: list[float] = []
    run = note(load.run(lambda: came_back.append(kill_broker(system)), seed=seed))
    assert first_success_after(run, came_back[0]) <= RECOVERED_SECONDS


def kill_broker(system: System) -> float:
    """Returns when its port was open again."""
    dead = system.broker_machine()
    system.kill_pid(dead)
    port = system.instance.ports.amqp
    eventually(lambda: not accepts_connections(port), timeout=10, every=0.01)
    eventually(lambda: accepts_connections(port), timeout=60)
    return time.perf_counter()


def first_success_after(run: Run, moment: float) -> float:
    """Seconds until each party that spoke before ``moment`` and had no echo by then had one; the longest."""
    waited = [
        entry.acknowledged_at - moment
        for entry in run.outcome.ledger.entries.values()
        if entry.acknowledged_at and entry.sent_at < moment < entry.acknowledged_at
    ]
    return max(waited, default=0.0)


@row("12", times=10)
def test_a_broker_short_of_memory_is_a_clear_refusal_and_no_loss(
    system: System, load: Load, bystander: Bystander, note: Note, seed: int
) -> None:
    answers: list[requests.Response] = []
    run = note(load.run(lambda: answers.append(send_during_alarm(system, bystander)), seed=seed))
    assert answers[0].status_code == 503
    assert int(answers[0].headers["Retry-After"]) > 0
    assert answers[0].elapsed < timedelta(seconds=NO_HANG_SECONDS)
    assert run.longest_wait < ALARM_SECONDS + NO_HANG_SECONDS


def send_during_alarm(system: System, bystander: Bystander) -> requests.Response:
    """While there is an alarm consumers go on: what was recorded is taken from the queue all the same."""
    with alarm(system):
        eventually(lambda: "memory" in system.control_broker("-q", "eval", "rabbit_alarm:get_alarms()."), timeout=10)
        answer = bystander.says("alarm")
        eventually(lambda: system.queue_length("transcripts.record-messages") == 0, timeout=20, every=0.5)
    return answer


@contextmanager
def alarm(system: System) -> Iterator[None]:
    system.control_broker("set_vm_memory_high_watermark", "0.0001")
    try:
        yield
    finally:
        system.control_broker("set_vm_memory_high_watermark", *WATERMARK)


@row("14", times=5)
def test_a_full_partition_is_a_clear_refusal_and_no_loss(
    system: System, load: Load, bystander: Bystander, note: Note, seed: int
) -> None:
    answers: list[requests.Response] = []
    note(load.run(lambda: answers.append(send_to_a_full_partition(system, bystander)), seed=seed))
    assert answers[0].status_code == 503
    assert int(answers[0].headers["Retry-After"]) > 0


def send_to_a_full_partition(system: System, bystander: Bystander) -> requests.Response:
    """Nobody takes anything from the partitions, until they take nothing any more."""
    with small_partitions(system):
        system.stop(*RELAYS)
        try:
            return eventually(lambda: _refusals(bystander), timeout=60)[0]
        finally:
            system.run(*RELAYS)


def _refusals(bystander: Bystander) -> list[requests.Response]:
    answer = bystander.says(f"full-{time.monotonic_ns()}")
    return [] if answer.status_code == 202 else [answer]


@contextmanager
def small_partitions(system: System) -> Iterator[None]:
    definition = f'{{"max-length": {ROOM}, "overflow": "reject-publish", "delivery-limit": 20}}'
    system.control_broker("set_policy", "-p", BUS_VHOST, "full", r"^chat\.p\.\d+$", definition, "--priority", "9")
    try:
        yield
    finally:
        system.control_broker("clear_policy", "-p", BUS_VHOST, "full")


@row("15", times=50, is_short=True)
def test_what_the_gateway_published_and_nobody_confirmed_is_there_once(
    system: System, load: Load, note: Note, seed: int
) -> None:
    note(load.run(lambda: lose_confirms(system, load), seed=seed))


def lose_confirms(system: System, load: Load) -> None:
    """For a moment the broker hears everything and is not heard; then the line is cut."""
    system.gateway_to_broker.mute()
    load.wait(0.5)
    system.gateway_to_broker.cut()
    system.gateway_to_broker.heal()


@row("15 relay", times=50, is_short=True)
def test_events_that_never_reached_the_broker_are_published_again(
    system: System, driver: Driver, note: Note, seed: int
) -> None:
    """The last thing said of a conversation is that it is closed: no later event can make up for this one."""
    with Load(driver) as load:
        note(load.run(lambda: None, seed=seed))
        lose_events(system, load.close_conversations)
        load.judge_transcripts()
