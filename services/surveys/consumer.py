"""What surveys listens to, and the process that listens and announces."""

import threading
from functools import partial

from chassis import clock, operations
from chassis.bus import Bus, Consumer, Resting, Subscriptions, WorkQueue
from chassis.commands import stop_when_told
from chassis.outbox import Dispatcher
from contracts.chat import ConversationOpened
from contracts.surveys import ATTACHER, EraseAnswers
from services.surveys import actions
from services.surveys.bootstrap import SERVICE, Context, bootstrap

QUEUE = WorkQueue(ATTACHER, hears=(ConversationOpened,))


def subscriptions(context: Context, discard: actions.Discard) -> Subscriptions:
    """What is done about each event and command."""
    return {
        ConversationOpened: partial(actions.attach_responses, store=context.store, clock=clock.now),
        EraseAnswers: partial(actions.erase_answers, store=context.store, discard=discard, clock=clock.now),
    }


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
    handlers = subscriptions(context, resting.discard)
    consumer = Consumer(url, service=SERVICE, queue=QUEUE, subscriptions=handlers)
    bind = context.settings.operations_bind
    operations.serve(SERVICE, bind, parts={"bus": bus, "queue": consumer}, database=context.database)
    try:
        consumer.run(stop)
    finally:
        stop.set()
        dispatcher.join()
        bus.close()
