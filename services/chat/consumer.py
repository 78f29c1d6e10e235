"""What chat listens to, and the threads that drive erasures and tell again of what is not sealed."""

import threading
from functools import partial

import structlog

from chassis import operations
from chassis.bus import BatchConsumer, Bus, Resting, WorkQueue
from chassis.certificates import Signer
from chassis.commands import stop_when_told
from contracts.partitions import partition_queue
from contracts.surveys import AnswersErased
from contracts.transcripts import TranscriptErased, TranscriptSealed
from services.chat import actions, saga
from services.chat.bootstrap import SERVICE, Context, bootstrap, started_bus
from services.chat.reminders import Reminder
from services.chat.settings import MOST_PARTITIONS, Settings

log = structlog.get_logger(__name__)

QUEUE = WorkQueue(name="chat.drop-logs", hears=(TranscriptSealed,))
RECEIPTS = WorkQueue(name="chat.collect-receipts", hears=(TranscriptErased, AnswersErased))
LINGER_SECONDS = 0.05
"""How long a batch of receipts may fill: they come many at a time, and a batch costs what one does."""


def seals(context: Context, bus: Bus) -> BatchConsumer:
    """The queue of what was sealed, and what is done with batches from it."""
    return BatchConsumer(
        context.settings.amqp_url.get_secret_value(),
        service=SERVICE,
        queues=[QUEUE],
        payloads=QUEUE.hears,
        handle=partial(
            actions.drop_logs, conversations=context.conversations, bus=bus, partitions=context.settings.partitions
        ),
    )


def receipts(context: Context) -> BatchConsumer:
    """The queue of receipts, and what is done with batches from it."""
    return BatchConsumer(
        context.settings.amqp_url.get_secret_value(),
        service=SERVICE,
        queues=[RECEIPTS],
        payloads=RECEIPTS.hears,
        handle=partial(saga.collect_receipts, erasures=context.erasures),
        linger=LINGER_SECONDS,
    )


def eraser(context: Context, bus: Bus) -> saga.Eraser:
    """Who drives the erasures."""
    settings = context.settings
    return saga.Eraser(
        erasures=context.erasures,
        bus=bus,
        resting=dead_letters(settings),
        signer=Signer(SERVICE, settings.service_key.get_secret_value()),
        partitions=settings.partitions,
        look_after=settings.erasure_look_after,
        retry_after=settings.erasure_retry_after,
    )


def dead_letters(settings: Settings) -> Resting:
    """What rests of chat's queues; of partitions too that were given up when their number was lowered."""
    return Resting(
        settings.amqp_url.get_secret_value(),
        name=SERVICE,
        queues=[QUEUE.name, RECEIPTS.name, *map(partition_queue, range(settings.partitions))],
        former=map(partition_queue, range(settings.partitions, MOST_PARTITIONS)),
    )


def reminder(context: Context, bus: Bus) -> Reminder:
    """Who tells again of what is not sealed."""
    return Reminder(conversations=context.conversations, bus=bus, after=context.settings.seal_reminder_after)


def main() -> None:
    """Run until told to stop."""
    stop = stop_when_told()
    context = bootstrap()
    with started_bus(context.settings) as bus:
        consumer = seals(context, bus)
        collector = receipts(context)
        others = [
            threading.Thread(target=collector.run, args=(stop,), name="receipts"),
            threading.Thread(target=eraser(context, bus).run, args=(stop,), name="eraser"),
            threading.Thread(target=reminder(context, bus).run, args=(stop,), name="reminder"),
        ]
        for thread in others:
            thread.start()
        parts: dict[str, operations.Part] = {"bus": bus, "queue": consumer, "receipts": collector}
        operations.serve(SERVICE, context.settings.operations_bind, parts=parts, database=context.database)
        log.info("consumer started", queue=QUEUE.name)
        try:
            consumer.run(stop)
        finally:
            stop.set()
            for thread in others:
                thread.join()
    log.info("consumer stopped")
