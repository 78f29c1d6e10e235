"""What chat listens to."""

import signal
import threading
from functools import partial

import structlog

from chassis.bus import Bus, Consumer, Subscriptions, WorkQueue
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
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    context = bootstrap()
    url = context.settings.amqp_url.get_secret_value()
    with started_bus(context.settings) as bus:
        log.info("consumer started", queue=QUEUE.name)
        Consumer(url, service=SERVICE, queue=QUEUE, subscriptions=subscriptions(context, bus)).run(stop)
    log.info("consumer stopped")


if __name__ == "__main__":
    main()
