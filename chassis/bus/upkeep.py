"""A look at queues, and a hand at them: for commands that set up or take down, not for processes that serve."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

import pika
from pika.exceptions import AMQPConnectionError, ChannelClosedByBroker

from chassis.bus.connection import parameters_of
from chassis.bus.errors import NOT_FOUND, Down
from chassis.bus.topology import COMMANDS, Topology, WorkQueue


@dataclass(frozen=True)
class Depth:
    """What is in a queue, those being handled aside, and who takes from it."""

    messages: int
    consumers: int


class Upkeep:
    """A connection of its own, for one thread, that waits for each answer. Raises ``Down`` without a broker."""

    def __init__(self, url: str, *, service: str) -> None:
        try:
            self._connection = pika.BlockingConnection(parameters_of(url, f"{service} upkeep"))
        except AMQPConnectionError as error:
            raise Down("no broker") from error
        self._channel = self._connection.channel()

    def __enter__(self) -> "Upkeep":
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection.is_open:
            self._connection.close()

    def declare(self, queues: Iterable[WorkQueue]) -> None:
        """Make sure of the queues, and that commands reach them."""
        Topology.of(queues).declare(cast(Any, self._channel))

    def withdraw(self, queue: WorkQueue) -> None:
        """Have no command reach the queue any more: whoever sends one is told that nobody takes it."""
        self._channel.queue_unbind(queue.name, COMMANDS, queue.commands_key)

    def depth(self, name: str) -> Depth | None:
        """How the queue stands; None if there is none."""
        try:
            found = self._channel.queue_declare(name, passive=True).method
        except ChannelClosedByBroker as error:
            self._channel = self._connection.channel()
            if error.reply_code != NOT_FOUND:
                raise
            return None
        return Depth(messages=found.message_count or 0, consumers=found.consumer_count or 0)

    def remove(self, name: str) -> None:
        """Delete the queue, and all that is in it."""
        self._channel.queue_delete(name)

    def wait(self, seconds: float) -> None:
        """Pass the time without the broker taking us for dead."""
        self._connection.sleep(seconds)
