"""Names and arguments of exchanges, queues and bindings, as data, and how they are declared.

Arguments of a queue can never be changed, so only what makes the queue what it is stands here.
Limits are policies: ``deploy/rabbitmq/definitions.json``. No queue has a dead-letter exchange: consumers move what they
give up on, with confirms. Of the broker's two ways of doing that one may lose it, and the other (``at-least-once``) may
leave queues without a leader for good when nodes come and go (rabbitmq-server#16652).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pika.channel import Channel
from pika.exchange_type import ExchangeType

from contracts.payload import Event

EVENTS = "events"
COMMANDS = "commands"
SIGNALS = "signals"
DEFAULT_EXCHANGE = ""

_QUORUM = {"x-queue-type": "quorum"}


def dead_queue(name: str) -> str:
    """Where what the work queue ``name`` gives up on rests."""
    return f"{name}.dead"


@dataclass(frozen=True)
class WorkQueue:
    """A durable, replicated queue whose deliveries are work that must be done.

    It takes commands sent to ``name``, or to ``key`` instead if that is given, and every event in
    ``hears``. What fails ``attempts`` times rests in ``<name>.dead``.
    With ``single_active``, one consumer at a time gets deliveries, whoever else is connected.
    """

    name: str
    hears: tuple[type[Event], ...] = ()
    single_active: bool = False
    key: str = ""
    attempts: int = 5

    @property
    def commands_key(self) -> str:
        """The routing key of the commands it takes."""
        return self.key or self.name

    @property
    def dead(self) -> str:
        """The queue where deliveries rest that will not be tried again."""
        return dead_queue(self.name)


@dataclass(frozen=True)
class Exchange:
    """A durable exchange."""

    name: str
    kind: str


@dataclass(frozen=True)
class Queue:
    """A durable queue and the arguments it is made with."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Binding:
    """What reaches ``queue`` from ``exchange``."""

    queue: str
    exchange: str
    routing_key: str


EXCHANGES = (
    Exchange(EVENTS, "topic"),
    Exchange(COMMANDS, "direct"),
    Exchange(SIGNALS, "direct"),
)


@dataclass(frozen=True)
class Topology:
    """What must be there before work starts. Declaring it again changes nothing."""

    exchanges: tuple[Exchange, ...] = EXCHANGES
    queues: tuple[Queue, ...] = ()
    bindings: tuple[Binding, ...] = field(default=())

    @classmethod
    def of(cls, work_queues: Iterable[WorkQueue]) -> "Topology":
        """All that ``work_queues`` need."""
        queues: list[Queue] = []
        bindings: list[Binding] = []
        for work_queue in work_queues:
            queues += _queues_of(work_queue)
            bindings += _bindings_of(work_queue)
        return cls(queues=tuple(queues), bindings=tuple(bindings))

    def declare(self, channel: Channel) -> None:
        """Ask the broker for all of it, without waiting.

        The broker works through a channel in order, so whatever is asked for next finds it there.
        If the broker disagrees, it closes the channel.
        """
        for exchange in self.exchanges:
            channel.exchange_declare(exchange.name, ExchangeType(exchange.kind), durable=True)
        for queue in self.queues:
            channel.queue_declare(queue.name, durable=True, arguments=queue.arguments)
        for binding in self.bindings:
            channel.queue_bind(binding.queue, binding.exchange, binding.routing_key)


def _queues_of(work_queue: WorkQueue) -> list[Queue]:
    single_active = {"x-single-active-consumer": True} if work_queue.single_active else {}
    return [Queue(work_queue.name, _QUORUM | single_active), Queue(work_queue.dead, _QUORUM)]


def _bindings_of(work_queue: WorkQueue) -> list[Binding]:
    heard = [Binding(work_queue.name, EVENTS, f"{event.routing_key}.*") for event in work_queue.hears]
    return [Binding(work_queue.name, COMMANDS, work_queue.commands_key), *heard]


def event_key(event: Event) -> str:
    """The routing key of ``event`` on the wire: ``<owner>.<entity>.<verb>.v<n>.<customer_id>``."""
    return f"{event.routing_key}.{event.customer_id}"


def all_events_of(customer_id: str) -> str:
    """The binding key that takes every event of one customer."""
    return f"*.*.*.*.{customer_id}"
