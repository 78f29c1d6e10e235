"""What surveys listens to, in batches, and the process that listens and announces."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial

from chassis import clock, operations
from chassis.bus import BatchConsumer, Bus, Delivery, Resting, WorkQueue
from chassis.commands import stop_when_told
from chassis.outbox import Dispatcher
from contracts.chat import ConversationOpened
from contracts.payload import Payload
from contracts.surveys import ATTACHER, EraseAnswers
from services.surveys import actions
from services.surveys.bootstrap import SERVICE, Context, bootstrap
from services.surveys.store import SurveyStore

QUEUE = WorkQueue(ATTACHER, hears=(ConversationOpened,))
PAYLOADS: tuple[type[Payload], ...] = (*QUEUE.hears, EraseAnswers)
THREADS = 4
MOST_DELIVERIES = 200


def handle_deliveries(
    deliveries: Sequence[Delivery],
    *,
    store: SurveyStore,
    discard: actions.Discard,
    clock: Callable[[], datetime] = clock.now,
) -> None:
    """Attach what belongs to the conversations that opened, then erase what is to be erased.

    Whichever of the two comes first, what is erased stays erased. Most of the time is spent waiting for a majority to
    have a commit: they can wait together.
    """
    payloads = [delivery.payload for delivery in deliveries]
    opened = [payload for payload in payloads if isinstance(payload, ConversationOpened)]
    commands = [payload for payload in payloads if isinstance(payload, EraseAnswers)]
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(partial(actions.attach_responses, store=store, clock=clock), opened))
        if commands:
            dead_letters = discard({command.conversation_id for command in commands})
            erase = partial(actions.erase_answers, store=store, dead_letters=dead_letters, clock=clock)
            list(threads.map(erase, commands))


def main() -> None:
    """Run until told to stop."""
    stop = stop_when_told()
    run(bootstrap(), stop)


def run(context: Context, stop: threading.Event) -> None:
    """Hear events in this thread and announce from the outbox in another, until ``stop`` is set."""
    url = context.settings.amqp_url.get_secret_value()
    bus = Bus(url, service=SERVICE)
    bus.start()
    dispatcher = threading.Thread(target=Dispatcher(context.database, bus).run, args=(stop,), name="outbox")
    dispatcher.start()
    resting = Resting(url, name=SERVICE, queues=[QUEUE.name])
    consumer = BatchConsumer(
        url,
        service=SERVICE,
        queues=[QUEUE],
        payloads=PAYLOADS,
        handle=partial(handle_deliveries, store=context.store, discard=resting.discard),
        max_batch=MOST_DELIVERIES,
    )
    bind = context.settings.operations_bind
    operations.serve(SERVICE, bind, parts={"bus": bus, "queue": consumer}, database=context.database)
    try:
        consumer.run(stop)
    finally:
        stop.set()
        dispatcher.join()
        bus.close()
        resting.close()
