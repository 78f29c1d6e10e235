"""A broker to look at from outside, a door to it that can be slammed, and threads that are ended."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any
from urllib.parse import unquote, urlsplit

import pika
import pytest
import structlog

from chassis.bus import Bus
from chassis.testing import eventually
from deploy.local import broker as local_broker
from deploy.local.instance import Instance
from tests.chassis.bus.proxy import Proxy

_names = count()


class Outside:
    """The broker as a stranger with its own connection sees it."""

    def __init__(self, url: str) -> None:
        self._connection = pika.BlockingConnection(pika.URLParameters(url))
        self.channel = self._connection.channel()
        self.channel.confirm_delivery()

    def declare(self, queue: str, **arguments: Any) -> None:
        self.channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"} | arguments)

    def bind(self, queue: str, exchange: str, key: str) -> None:
        self.channel.queue_bind(queue, exchange, key)

    def is_consumed(self, queue: str) -> bool:
        channel = self._connection.channel()
        try:
            declared = channel.queue_declare(queue, passive=True)
        except pika.exceptions.ChannelClosedByBroker:
            return False
        channel.close()
        return declared.method.consumer_count > 0

    def get(self, queue: str) -> tuple[pika.BasicProperties, bytes]:
        """The next message of ``queue``, taken off it."""

        def taken() -> Any:
            method, properties, body = self.channel.basic_get(queue, auto_ack=True)
            return method and (properties, body)

        return eventually(taken)

    def hold_and_die(self, queue: str, count: int) -> None:
        """Takes so many messages of ``queue`` and goes without an answer."""
        channel = self._connection.channel()
        for _ in range(count):
            eventually(lambda: channel.basic_get(queue)[0])
        channel.close()

    def drain(self, queue: str, expected: int) -> list[bytes]:
        return [self.get(queue)[1] for _ in range(expected)]

    def depth(self, queue: str) -> int:
        return self.channel.queue_declare(queue, passive=True).method.message_count

    def publish(self, queue: str, body: bytes, **properties: Any) -> None:
        self.channel.basic_publish("", queue, body, pika.BasicProperties(**properties), mandatory=True)

    def close(self) -> None:
        # A test may have had the broker close it.
        with contextlib.suppress(pika.exceptions.AMQPError):
            self._connection.close()


@pytest.fixture(autouse=True)
def _logs_in_plain() -> Iterator[None]:
    """Rendering tracebacks with colours takes longer than most tests."""
    with structlog.testing.capture_logs() as lines:
        yield
    for line in lines:
        print(line)


@pytest.fixture
def outside(amqp_url: str) -> Iterator[Outside]:
    stranger = Outside(amqp_url)
    yield stranger
    stranger.close()


@pytest.fixture
def proxy(amqp_url: str) -> Iterator[Proxy]:
    door = Proxy(amqp_url)
    yield door
    door.close()


@pytest.fixture
def queue_name() -> str:
    return f"test.work-{os.getpid()}-{next(_names)}"


@pytest.fixture
def close_from_broker(servers: Instance, amqp_url: str) -> Callable[[], None]:
    """Has the broker close every connection of this module's virtual host."""
    vhost = unquote(urlsplit(amqp_url).path[1:])
    return lambda: local_broker.control(servers, "close_all_connections", "--vhost", vhost, "as the test demands")


@pytest.fixture
def make_bus() -> Iterator[Callable[..., Bus]]:
    made: list[Bus] = []

    def make(url: str, **settings: Any) -> Bus:
        bus = Bus(url, service="tests", **({"timeout": 20.0} | settings))
        made.append(bus)
        bus.start()
        assert bus.wait_until_up(10)
        return bus

    yield make
    for bus in made:
        bus.close()


@pytest.fixture
def running() -> Iterator[Callable[[Any], "Run"]]:
    """Runs consumers in threads of their own, and ends them."""
    made: list[Run] = []

    def run(consumer: Any) -> "Run":
        made.append(Run(consumer))
        return made[-1]

    yield run
    for each in made:
        each.stop()


class Run:
    def __init__(self, consumer: Any) -> None:
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=consumer.run, args=(self.stopping,), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.stopping.set()
        self.thread.join(15)
        assert not self.thread.is_alive()
