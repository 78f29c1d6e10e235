"""What transcripts listens to: everything said and done in conversations, in batches."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from chassis import correlation, operations
from chassis.bus import BatchConsumer, Bus, Delivery, Resting, Retry, WorkQueue
from chassis.clock import now
from chassis.commands import stop_when_told
from chassis.http import ServiceUnavailable
from chassis.outbox import Dispatcher
from chassis.problems import Unavailable
from contracts.chat import (
    ConversationAccepted,
    ConversationClosed,
    ConversationOpened,
    MessagePosted,
    PolicyAcknowledged,
)
from contracts.payload import Payload
from contracts.surveys import ResponseRecorded
from contracts.transcripts import RECORDER, EraseTranscript
from services.transcripts import actions
from services.transcripts.actions import Discard, FetchMessages
from services.transcripts.bootstrap import SERVICE, Context, bootstrap
from services.transcripts.model import Message, WordsMissing
from services.transcripts.store import TranscriptStore

SEALING_THREADS = 4
LINGER_SECONDS = 0.05
"""How long a batch may fill: nobody waits for the record, and every batch costs two round trips."""
MOST_DELIVERIES = 200
"""In a batch. Each may carry the messages of a whole batch of the relay."""

QUEUE = WorkQueue(
    RECORDER,
    hears=(
        ConversationOpened,
        ConversationAccepted,
        ConversationClosed,
        PolicyAcknowledged,
        MessagePosted,
        ResponseRecorded,
    ),
)


def record_deliveries(
    deliveries: Sequence[Delivery], *, store: TranscriptStore, fetch: FetchMessages, discard: Discard
) -> None:
    """Record a batch, then seal what closed in it, then erase what is to be erased.

    A conversation that cannot be sealed does not keep the rest of its batch from it; only then is it
    told, so that its delivery ends in the dead letters. Without the database the batch is retried,
    which keeps the order.
    """
    try:
        actions.record([delivery.payload for delivery in deliveries], store=store)
        refusals = _seal(deliveries, store=store, fetch=_until_silent(fetch))
        commands = [delivery.payload for delivery in deliveries if isinstance(delivery.payload, EraseTranscript)]
        if commands:
            actions.erase_transcripts(commands, store=store, discard=discard, now=now())
    except Unavailable as error:
        raise Retry(type(error).__name__) from error
    if refusals:
        raise refusals[0]


def _seal(deliveries: Sequence[Delivery], *, store: TranscriptStore, fetch: FetchMessages) -> list[WordsMissing]:
    closings = [delivery for delivery in deliveries if isinstance(delivery.payload, ConversationClosed)]
    if not closings:
        return []
    # Most of the time is spent waiting for a majority to have the commit: they can wait together.
    with ThreadPoolExecutor(SEALING_THREADS) as threads:
        refusals = threads.map(partial(_refusal_to_seal, store=store, fetch=fetch), closings)
        return [refusal for refusal in refusals if refusal]


def _refusal_to_seal(delivery: Delivery, *, store: TranscriptStore, fetch: FetchMessages) -> WordsMissing | None:
    closed = delivery.payload
    assert isinstance(closed, ConversationClosed)
    with correlation.bound(delivery.correlation_id):
        try:
            actions.seal_or_postpone(closed, store=store, fetch=fetch, now=now())
        except WordsMissing as refusal:
            return refusal
    return None


def _until_silent(fetch: FetchMessages) -> FetchMessages:
    """As ``fetch``, until chat once does not answer: waiting for that costs seconds, so it is asked no more."""
    silence: list[ServiceUnavailable] = []

    def fetch_unless_silent(customer_id: str, conversation_id: str) -> Iterator[Message]:
        if silence:
            raise silence[0]
        try:
            yield from fetch(customer_id, conversation_id)
        except ServiceUnavailable as error:
            silence.append(error)
            raise

    return fetch_unless_silent


def main() -> None:
    """Run until told to stop."""
    stop = stop_when_told()
    run(bootstrap(), stop)


def run(context: Context, stop: threading.Event) -> None:
    """Record in this thread and announce from the outbox in another, until ``stop`` is set."""
    url = context.settings.amqp_url.get_secret_value()
    bus = Bus(url, service=SERVICE)
    bus.start()
    dispatcher = threading.Thread(target=Dispatcher(context.database, bus).run, args=(stop,), name="outbox")
    dispatcher.start()
    recorder = consumer(context)
    bind = context.settings.operations_bind
    operations.serve(SERVICE, bind, parts={"bus": bus, "queue": recorder}, database=context.database)
    try:
        recorder.run(stop)
    finally:
        stop.set()
        dispatcher.join()
        bus.close()


def consumer(context: Context) -> BatchConsumer:
    """The queue, and what is done with batches from it."""
    url = context.settings.amqp_url.get_secret_value()
    resting = Resting(url, name=SERVICE, queues=[QUEUE.name])
    handle = partial(record_deliveries, store=context.store, fetch=context.chat.messages, discard=resting.discard)
    payloads: tuple[type[Payload], ...] = (*QUEUE.hears, EraseTranscript)
    return BatchConsumer(
        url,
        service=SERVICE,
        queues=[QUEUE],
        payloads=payloads,
        handle=handle,
        max_batch=MOST_DELIVERIES,
        prefetch=2 * MOST_DELIVERIES,
        linger=LINGER_SECONDS,
    )
