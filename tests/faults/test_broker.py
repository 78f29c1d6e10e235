"""The broker: killed, out of memory, full, and cut off between a publish and its confirm."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta

import pika
import requests
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker

from chassis.testing import eventually
from contracts.partitions import partition_queue
from deploy.local.processes import PARTITIONS
from deploy.secrets import BUS_VHOST
from tests.faults.load import Bystander, Driver, Load, Run
from tests.faults.rows import promised, row
from tests.faults.strikes import kill_broker, lose_events
from tests.faults.system import DISK_FREE, RELAYS, WATERMARK, System, asleep

Note = Callable[[Run], Run]

NO_HANG_SECONDS = 30
RECOVERED_SECONDS = 15
ALARM_SECONDS = 60
ROOM = 5
CANCELLED = "velaro_bus_consumers_cancelled_total"
CONSUMED_AGAIN_SECONDS = 10
PARTITION_QUEUES = [partition_queue(partition) for partition in range(PARTITIONS)]
RECORDER, RECORDS = "transcripts-consumer", "transcripts.record-messages"
SOME_RECORDS = 5


@row("10", times=20)
def test_a_broker_that_is_killed_comes_back_with_everything(system: System, load: Load, note: Note, seed: int) -> None:
    came_back: list[float] = []
    run = note(load.run(lambda: came_back.append(kill_broker(system)), seed=seed))
    assert first_success_after(run, came_back[0]) <= RECOVERED_SECONDS


def first_success_after(run: Run, moment: float) -> float:
    """Seconds until each party that spoke before ``moment`` and had no echo by then had one; the longest."""
    waited = [
        entry.acknowledged_at - moment
        for entry in run.outcome.ledger.entries.values()
        if entry.acknowledged_at and entry.sent_at < moment < entry.acknowledged_at
    ]
    return max(waited, default=0.0)


@row("9", times=10, is_short=True)
def test_partitions_that_are_deleted_are_there_again_and_whoever_has_no_echo_says_it_again(
    system: System, load: Load, note: Note, seed: int
) -> None:
    """What was in them is gone. But a command is no message yet: nobody was told that it was sent."""
    cancelled = {relay: system.metric(relay, CANCELLED) for relay in RELAYS}
    took: list[float] = []
    note(load.run(lambda: took.append(delete_queues(system, PARTITION_QUEUES)), seed=seed))
    assert took[0] <= promised(CONSUMED_AGAIN_SECONDS)
    assert all(system.metric(relay, CANCELLED) > cancelled[relay] for relay in RELAYS)


@row("9 record", times=10)
def test_messages_that_were_in_the_records_queue_when_it_was_deleted_are_in_the_transcript(
    system: System, driver: Driver, note: Note, seed: int
) -> None:
    """Transcripts asks chat, when a conversation is closed, for what never reached it."""
    cancelled = system.metric(RECORDER, CANCELLED)
    with Load(driver) as load:
        took: list[float] = []
        note(load.run(lambda: took.append(lose_records(system)), seed=seed))
        load.judge_transcripts()
    assert took[0] <= CONSUMED_AGAIN_SECONDS
    assert system.metric(RECORDER, CANCELLED) > cancelled


@row("9 closed", times=10)
def test_conversations_whose_end_was_in_the_records_queue_when_it_was_deleted_are_sealed(
    system: System, driver: Driver, note: Note, seed: int
) -> None:
    """Chat tells of them again until it hears that they are sealed."""
    with system.instead(["chat-consumer"], ["chat-consumer-soon-reminding"]), Load(driver) as load:
        note(load.run(lambda: None, seed=seed))
        with asleep(system.pid(RECORDER)):
            assert set(load.close_conversations()) == {200}
            eventually(lambda: system.queue_length(RECORDS) > 0, timeout=30)
            delete(system, [RECORDS])
        until_consumed(system, [RECORDS])
        assert load.sealed() < len(load.pairs)
        load.judge_transcripts()


def lose_records(system: System) -> float:
    """Its consumer sleeps until something is in the queue for certain."""
    with asleep(system.pid(RECORDER)):
        eventually(lambda: system.queue_length(RECORDS) >= SOME_RECORDS, timeout=30)
        delete(system, [RECORDS])
    return until_consumed(system, [RECORDS])


def delete_queues(system: System, queues: Sequence[str]) -> float:
    delete(system, queues)
    return until_consumed(system, queues)


def delete(system: System, queues: Sequence[str]) -> None:
    with administrator(system) as channel:
        for queue in queues:
            channel.queue_delete(queue)


def until_consumed(system: System, queues: Sequence[str]) -> float:
    """Seconds until each queue is there and has a consumer."""
    began = time.monotonic()
    eventually(lambda: all(consumers(system, queue) for queue in queues), timeout=120)
    return time.monotonic() - began


def consumers(system: System, queue: str) -> int:
    try:
        with administrator(system) as channel:
            return int(channel.queue_declare(queue, passive=True).method.consumer_count)
    except ChannelClosedByBroker:
        return 0


@contextmanager
def administrator(system: System) -> Iterator[BlockingChannel]:
    with pika.BlockingConnection(pika.URLParameters(system.instance.amqp_url("admin", BUS_VHOST))) as connection:
        yield connection.channel()


@row("12", times=10)
def test_a_broker_short_of_memory_is_a_clear_refusal_and_no_loss(
    system: System, load: Load, bystander: Bystander, note: Note, seed: int
) -> None:
    refuses_clearly(load, short_of_memory(system), system, bystander, note, seed)


@row("12 disk", times=10)
def test_a_broker_short_of_disk_is_a_clear_refusal_and_no_loss(
    system: System, load: Load, bystander: Bystander, note: Note, seed: int
) -> None:
    refuses_clearly(load, short_of_disk(system), system, bystander, note, seed)


def refuses_clearly(
    load: Load, alarm: AbstractContextManager[str], system: System, bystander: Bystander, note: Note, seed: int
) -> None:
    answers: list[requests.Response] = []
    run = note(load.run(lambda: answers.extend(send_during(alarm, system, load, bystander)), seed=seed))
    for answer in answers:
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.elapsed < timedelta(seconds=NO_HANG_SECONDS)
    assert run.longest_wait < ALARM_SECONDS + NO_HANG_SECONDS


def send_during(
    alarm: AbstractContextManager[str], system: System, load: Load, bystander: Bystander
) -> list[requests.Response]:
    """While there is an alarm consumers go on: what was recorded is taken from the queue all the same.

    It lasts longer than a connection stays that is blocked.
    """
    with alarm as what:
        eventually(lambda: what in system.control_broker("-q", "eval", "rabbit_alarm:get_alarms()."), timeout=20)
        began = time.monotonic()
        first = bystander.says("alarm")
        eventually(lambda: system.queue_length(RECORDS) == 0, timeout=20, every=0.5)
        load.wait(began + ALARM_SECONDS - time.monotonic())
        return [first, bystander.says("alarm-lasts")]


@contextmanager
def short_of_memory(system: System) -> Iterator[str]:
    system.control_broker("set_vm_memory_high_watermark", "0.0001")
    try:
        yield "memory"
    finally:
        system.control_broker("set_vm_memory_high_watermark", *WATERMARK)


@contextmanager
def short_of_disk(system: System) -> Iterator[str]:
    system.control_broker("set_disk_free_limit", "100000GB")
    try:
        yield "disk"
    finally:
        system.control_broker("set_disk_free_limit", DISK_FREE)


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
    definition = f'{{"max-length": {ROOM}, "overflow": "reject-publish", "delivery-limit": 1000000}}'
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
