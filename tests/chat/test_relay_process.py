"""The relay as a process, on a real broker: killed, replaced, put to sleep, and none of it shows."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pydantic import SecretStr

from chassis.auth import new_key
from chassis.bus import Bus, Listener
from chassis.testing import eventually
from contracts.chat import ConversationClosed, ConversationCommand, MessagePosted
from contracts.digest import digest_of
from contracts.partitions import partition_of, partition_queue
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
    return bus.send(command, queue=partition_queue(partition_of(command.conversation_id, 8)))


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


def consumers(servers: Instance, amqp_url: str) -> set[str]:
    """The relays' consuming connections, as the broker knows them."""
    vhost = amqp_url.rpartition("/")[2]
    listed = broker.control(servers, "-q", "list_connections", "pid", "vhost", "client_properties")
    return {
        line.split("\t")[0]
        for line in listed.splitlines()
        if f"\t{vhost}\t" in line and "chat.p.00 and 7 more" in line and "parking" not in line
    }


def drop_consumers(servers: Instance, amqp_url: str) -> None:
    """Close the connections, as the broker does when heartbeats stay away for long."""
    for connection in consumers(servers, amqp_url):
        broker.control(servers, "close_connection", connection, "silent for too long")


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
        drop_consumers(servers, amqp_url)
        start_relay()
        closed = close_all(bus, heard)
    assert_everything_arrived_once_and_in_order(context, heard, closed)
    # The sleeper has read what it was sent before it slept, and come back.
    eventually(lambda: len(consumers(servers, amqp_url)) == 2, timeout=30, every=0.5)
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
