"""The bus: publishing with confirms, consuming with verdicts, listening while it lasts. Alone speaks AMQP."""

from chassis.bus.batches import BatchConsumer
from chassis.bus.connection import urls_of
from chassis.bus.delivery import Delivery
from chassis.bus.errors import (
    Down,
    Overloaded,
    PublishFailed,
    Refused,
    Restart,
    Retry,
    Unconfirmed,
    Unroutable,
    Verdict,
)
from chassis.bus.listener import Listener
from chassis.bus.publisher import Bus
from chassis.bus.resting import Resting
from chassis.bus.topology import Topology, WorkQueue
from chassis.bus.upkeep import Depth, Upkeep

__all__ = [
    "BatchConsumer",
    "Bus",
    "Delivery",
    "Depth",
    "Down",
    "Listener",
    "Overloaded",
    "PublishFailed",
    "Refused",
    "Restart",
    "Resting",
    "Retry",
    "Topology",
    "Unconfirmed",
    "Unroutable",
    "Upkeep",
    "Verdict",
    "WorkQueue",
    "urls_of",
]
