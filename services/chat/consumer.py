"""What chat listens to."""

from functools import partial

import structlog

from chassis import operations
from chassis.bus import Bus, Consumer, Subscriptions, WorkQueue
from chassis.commands import stop_when_told
from contracts.transcripts import TranscriptSealed
from services.chat import actions
from services.chat.bootstrap import SERVICE, Context, bootstrap, started_bus

log = structlog.get_logger(__name__)

QUEUE = WorkQueue(name="chat.drop-logs", hears=(TranscriptSealed,))


def subscriptions(context: Context, bus: Bus) -> Subscriptions:
    """Each event chat hears, and what it does about it."""
    return {
        TranscriptSealed: partial(
            actions.drop_log,
            conversations=context.conversations,
            bus=bus,
            partitions=context.settings.partitions,
        )
    }


def main() -> None:
    """Run until told to stop."""
    stop = stop_when_told()
    context = bootstrap()
    url = context.settings.amqp_url.get_secret_value()
    with started_bus(context.settings) as bus:
        consumer = Consumer(url, service=SERVICE, queue=QUEUE, subscriptions=subscriptions(context, bus))
        bind = context.settings.operations_bind
        operations.serve(SERVICE, bind, parts={"bus": bus, "queue": consumer}, database=context.database)
        log.info("consumer started", queue=QUEUE.name)
        consumer.run(stop)
    log.info("consumer stopped")
