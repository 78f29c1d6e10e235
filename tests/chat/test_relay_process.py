"""The relay as a process, on a real broker: killed, replaced, put to sleep, and none of it shows."""

import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import pytest
from pydantic import SecretStr

from chassis.auth import new_key
from chassis.bus import Bus, Listener
from chassis.testing import eventually
from contracts.chat import ConversationClosed, ConversationCommand, MessagePosted
from contracts.digest import digest_of
from contracts.partitions import command_key, partition_of
from deploy.local import broker
from deploy.local.instance import Instance
from services.chat.bootstrap import Context
from tests.chat.builders import CUSTOMER, OPERATOR, VISITOR, a_closing, a_post, an_acceptance, an_opening

CONVERSATIONS = [f"c{number}" for number in range(10)]
EACH = 50


@pytest.fixture
def settings(settings, amqp_url):
    return settings.model_copy(update={"amqp_url": SecretStr(amqp_url)})


@pytest.fixture
def bus(settings) -> Iterator[Bus]:
    made = Bus(settings.amqp_url.get_secret_value(), service="gateway")
    made.start()
    assert made.wait_until_up()
    yield made
    made.close()


class Heard(list):
    """Every event of the customer, in the order of arrival."""

    def of(self, kind) -> list:
        return [event for event in list(self) if isinstance(event, kind)]


@pytest.fixture
def heard(settings) -> Iterator[Heard]:
    events = Heard()
    listener = Listener(
        settings.amqp_url.get_secret_value(),
        service="gateway",
        on_event=events.append,
        on_signal=lambda customer_id, body: None,
        on_recovered=lambda: None,
    )
    listener.start()
    listener.bind(CUSTOMER).result(10)
    yield events
    listener.close()


@pytest.fixture
def start_relay(context: Context):
    """Starts relays; ends those that are left."""
    started: list[subprocess.Popen] = []
    settings = context.settings

    def start(**extra: str) -> subprocess.Popen:
        environment = os.environ | {
            "VELARO_AMQP_URL": settings.amqp_url.get_secret_value(),
            "VELARO_MONGO_URL": settings.mongo_url.get_secret_value(),
            "VELARO_SERVICE_KEY": new_key("chat"),
            "VELARO_SERVICE_KEYS": settings.service_keys,
            **extra,
        }
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "services.chat", "relay"], env=environment, stdout=subprocess.DEVNULL
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait(10)


def send(bus: Bus, command: ConversationCommand):
    return bus.send(command, queue=command_key(command.conversation_id, 8))


def deliver(bus: Bus, *commands: ConversationCommand) -> None:
    """Hand commands over for certain; the queues are there as soon as a relay is."""
    for command in commands:
        eventually(lambda command=command: send(bus, command).exception(10) is None, timeout=30)


def posts() -> Iterator[ConversationCommand]:
    for number in range(1, EACH + 1):
        for name in CONVERSATIONS:
            sender = VISITOR if number % 2 else OPERATOR
            yield a_post(f"{number}", conversation_id=name, client_id=f"{name}-{number}", sender=sender)


def open_all(bus: Bus, heard: Heard) -> None:
    deliver(bus, *(an_opening(conversation_id=name) for name in CONVERSATIONS))
    deliver(bus, *(an_acceptance(conversation_id=name) for name in CONVERSATIONS))
    eventually(lambda: len({event.caused_by for event in list(heard)}) == 2 * len(CONVERSATIONS), timeout=30)


def close_all(bus: Bus, heard: Heard) -> dict[str, ConversationClosed]:
    deliver(bus, *(a_closing(conversation_id=name) for name in CONVERSATIONS))
    eventually(lambda: len({each.conversation_id for each in heard.of(ConversationClosed)}) == len(CONVERSATIONS), 30)
    return {each.conversation_id: each for each in heard.of(ConversationClosed)}


def assert_everything_arrived_once_and_in_order(context: Context, heard: Heard, closed) -> None:
    expected = [(number, f"{number}") for number in range(1, EACH + 1)]
    for name in CONVERSATIONS:
        log = list(context.conversations.log(CUSTOMER, name))
        assert [(message.seq, message.text) for message in log] == expected
        assert (closed[name].last_seq, closed[name].digest) == (EACH, digest_of(log))
        announced = [event for event in heard.of(MessagePosted) if event.conversation_id == name]
        first_seen = list(dict.fromkeys(event.seq for event in announced))
        assert first_seen == list(range(1, EACH + 1)), "a first announcement never overtakes another"
        ids = Counter((event.seq, event.message_id) for event in announced)
        assert len(ids) == EACH, "an announcement that is repeated says the same"


@contextmanager
def asleep(process: subprocess.Popen) -> Iterator[None]:
    process.send_signal(signal.SIGSTOP)
    yield
    process.send_signal(signal.SIGCONT)


def subscribers(servers: Instance, amqp_url: str) -> int:
    """How many subscriptions to partitions the broker knows of."""
    listed = broker.control(servers, "-q", "list_consumers", "-p", amqp_url.rpartition("/")[2], "queue_name")
    return sum(line.startswith("chat.p.") for line in listed.splitlines())


class Told:
    """What a relay tells of itself."""

    def __init__(self, process: subprocess.Popen, port: int) -> None:
        self.process = process
        self._port = port

    def metric(self, name: str) -> float:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=3) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return 0.0
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"velaro_relay_{name}"))

    def is_ready(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self._port}/ready", timeout=3).close()
        except OSError:
            return False
        return True


@pytest.fixture
def start_told(start_relay) -> Callable[[], Told]:
    """Starts a relay that tells, and returns when it is ready."""

    def start() -> Told:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        told = Told(start_relay(VELARO_OPERATIONS_BIND=f"127.0.0.1:{port}"), port)
        eventually(told.is_ready, timeout=30)
        return told

    return start


class Traffic:
    """Somebody who says something in every partition again and again, in order, and knows how long it took."""

    def __init__(self, bus: Bus, heard: Heard) -> None:
        self._bus = bus
        self._heard = heard
        self._stop = threading.Event()
        self._sent: dict[str, tuple[str, float]] = {}
        self.said: Counter = Counter()
        self._thread = threading.Thread(target=self._talk)

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _talk(self) -> None:
        while not self._stop.wait(0.02):
            for name in EVERYWHERE:
                self.said[name] += 1
                command = a_post(f"{self.said[name]}", conversation_id=name, client_id=f"{name}-{self.said[name]}")
                self._sent[command.command_id] = (name, time.time())
                assert send(self._bus, command).exception(10) is None

    def longest_wait(self) -> float:
        """From handing a message over to its being stored."""
        eventually(lambda: {event.caused_by for event in self._heard.of(MessagePosted)} >= self._sent.keys(), 30)
        stored = {event.caused_by: event.sent_at.timestamp() for event in reversed(self._heard.of(MessagePosted))}
        return max(stored[command_id] - sent_at for command_id, (_, sent_at) in self._sent.items())

    def assert_everything_is_there_once_and_in_order(self, context: Context) -> None:
        for name, count in self.said.items():
            log = list(context.conversations.log(CUSTOMER, name))
            assert [(message.seq, message.text) for message in log] == [(n, f"{n}") for n in range(1, count + 1)]


def one_in_every_partition() -> Iterator[str]:
    for partition in range(8):
        yield next(name for n in itertools.count() if partition_of(name := f"e{n}", 8) == partition)


EVERYWHERE = list(one_in_every_partition())


def active(relays: Iterable[Told]) -> list[int]:
    return sorted(int(relay.metric("partitions_active ")) for relay in relays)


def fence_rejections(relays: Iterable[Told]) -> float:
    return sum(relay.metric("fence_rejections_total") for relay in relays)


def test_killing_the_relay_again_and_again_loses_doubles_and_reorders_nothing(context, bus, heard, start_relay):
    relay = start_relay()
    open_all(bus, heard)
    for number, command in enumerate(posts(), start=1):
        deliver(bus, command)
        if number % 100 == 50:
            relay.kill()
            relay.wait(10)
            relay = start_relay()
    closed = close_all(bus, heard)
    assert_everything_arrived_once_and_in_order(context, heard, closed)


def test_a_second_relay_takes_over_from_one_that_is_killed(context, bus, heard, start_relay):
    first = start_relay()
    open_all(bus, heard)
    start_relay()
    futures = []
    for number, command in enumerate(posts(), start=1):
        futures.append(send(bus, command))
        if number == 250:
            eventually(lambda: heard.of(MessagePosted))
            first.kill()
    assert [future.exception(10) for future in futures] == [None] * len(futures)
    closed = close_all(bus, heard)
    assert_everything_arrived_once_and_in_order(context, heard, closed)


def test_a_relay_that_wakes_up_late_changes_nothing(context, bus, heard, start_relay, servers, amqp_url):
    first = start_relay()
    open_all(bus, heard)
    with asleep(first):
        deliver(bus, *posts())
        start_relay()
        closed = close_all(bus, heard)
    assert_everything_arrived_once_and_in_order(context, heard, closed)
    # The sleeper has read what it was sent before it slept, and come back.
    eventually(lambda: subscribers(servers, amqp_url) == 2 * 8, timeout=30, every=0.5)
    before = [list(context.conversations.log(CUSTOMER, name)) for name in CONVERSATIONS]
    late = a_post("after all", conversation_id=CONVERSATIONS[0])
    deliver(bus, late)
    eventually(lambda: any(event.caused_by == late.command_id for event in list(heard)))
    assert [list(context.conversations.log(CUSTOMER, name)) for name in CONVERSATIONS] == before


def test_a_relay_that_is_asked_to_stop_stops(bus, start_relay, heard):
    relay = start_relay()
    open_all(bus, heard)
    relay.terminate()
    assert relay.wait(15) == 0


def test_relays_that_come_and_go_share_the_partitions_evenly_and_none_of_it_shows(context, bus, heard, start_told):
    relays = [start_told()]
    deliver(bus, *(an_opening(conversation_id=name) for name in EVERYWHERE))
    with Traffic(bus, heard) as traffic:
        eventually(lambda: active(relays) == [8], timeout=30)
        relays.append(start_told())
        eventually(lambda: active(relays) == [4, 4], timeout=30)
        relays.append(start_told())
        eventually(lambda: active(relays) == [2, 3, 3], timeout=30)
        first = relays.pop(0)
        assert first.metric("moves_total") == 4 + 1
        first.process.terminate()
        assert first.process.wait(15) == 0
        eventually(lambda: active(relays) == [4, 4], timeout=30)
    assert traffic.longest_wait() < 2
    traffic.assert_everything_is_there_once_and_in_order(context)
    assert fence_rejections([first, *relays]) == 0


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP])
def test_whatever_becomes_of_a_relay_another_has_its_partitions_within_five_seconds(
    context, bus, heard, start_told, end
):
    relays = [start_told(), start_told()]
    deliver(bus, *(an_opening(conversation_id=name) for name in EVERYWHERE))
    with Traffic(bus, heard) as traffic:
        eventually(lambda: active(relays) == [4, 4], timeout=30)
        relays[0].process.send_signal(end)
        eventually(lambda: active(relays[1:]) == [8], timeout=30)
    assert traffic.longest_wait() < 5
    print(f"{end.name}: {traffic.longest_wait():.2f} s")
    traffic.assert_everything_is_there_once_and_in_order(context)


def test_a_relay_that_is_frozen_gets_its_share_again_when_it_goes_on(context, bus, heard, start_told):
    relays = [start_told(), start_told()]
    deliver(bus, *(an_opening(conversation_id=name) for name in EVERYWHERE))
    with Traffic(bus, heard) as traffic:
        eventually(lambda: active(relays) == [4, 4], timeout=30)
        with asleep(relays[0].process):
            eventually(lambda: active(relays[1:]) == [8], timeout=30)
        eventually(lambda: active(relays) == [4, 4], timeout=30)
    traffic.longest_wait()
    traffic.assert_everything_is_there_once_and_in_order(context)
