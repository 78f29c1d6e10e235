"""The consumer on a real broker and a real database, with a small real chat beside it."""

import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pydantic import SecretStr

from chassis.bus import Bus, Retry, Topology, WorkQueue
from chassis.clock import now
from chassis.problems import Unavailable
from chassis.testing import a_delivery, eventually, hearing
from contracts.payload import Event
from contracts.transcripts import TranscriptSealed
from services.transcripts import actions, consumer
from services.transcripts.bootstrap import Context
from services.transcripts.consumer import QUEUE
from services.transcripts.model import WordsMissing
from services.transcripts.settings import Settings
from services.transcripts.store import TranscriptStore
from tests.erasing import nothing_rests
from tests.transcripts.builders import Dialogue
from tests.transcripts.fakes import ChatServer, environment_of

LISTENING = WorkQueue("tests.hear-seals", hears=(TranscriptSealed,))


@pytest.fixture
def broker(amqp_url: str) -> Iterator["Broker"]:
    broker = Broker(amqp_url)
    broker.begin_anew()
    yield broker
    broker.clear()


class Broker:
    """A look at the queues from outside."""

    def __init__(self, url: str) -> None:
        self._parameters = pika.URLParameters(url)

    def begin_anew(self) -> None:
        self.clear()
        with self._channel() as channel:
            Topology.of([QUEUE, LISTENING]).declare(channel)

    def clear(self) -> None:
        with self._channel() as channel:
            for queue in (QUEUE, LISTENING):
                for name in (queue.name, queue.dead):
                    channel.queue_delete(name)

    def waiting(self, name: str) -> int:
        with self._channel() as channel:
            return channel.queue_declare(name, passive=True).method.message_count

    @contextmanager
    def _channel(self) -> Iterator[BlockingChannel]:
        with pika.BlockingConnection(self._parameters) as connection:
            yield connection.channel()


@pytest.fixture
def settings(settings: Settings, amqp_url: str) -> Settings:
    return settings.model_copy(update={"amqp_url": SecretStr(amqp_url)})


@pytest.fixture
def bus(amqp_url: str, broker: Broker) -> Iterator[Bus]:
    made = Bus(amqp_url, service="chat")
    made.start()
    assert made.wait_until_up()
    yield made
    made.close()


@contextmanager
def running(context: Context) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=consumer.run, args=(context, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def say(bus: Bus, events: Sequence[Event]) -> None:
    for answer in [bus.publish(event) for event in events]:
        answer.result()


def is_sealed(dialogue: Dialogue, store: TranscriptStore) -> Callable[[], bool]:
    return lambda: store.is_settled(dialogue.customer_id, dialogue.conversation_id)


def texts(dialogue: Dialogue, store: TranscriptStore) -> list[str]:
    _, messages = actions.show_transcript(dialogue.customer_id, dialogue.conversation_id, store=store)
    return [message.text for message in messages]


def test_what_is_heard_is_recorded_sealed_and_announced(
    context: Context, amqp_url: str, broker: Broker, bus: Bus, store: TranscriptStore
):
    dialogues = [Dialogue([f"{number} {seq}" for seq in range(20)]) for number in range(10)]
    events = [event for dialogue in dialogues for event in [*dialogue.events, dialogue.opened, dialogue.closed]]
    with hearing(amqp_url, LISTENING) as heard, running(context):
        say(bus, events)
        eventually(lambda: len(heard) == len(dialogues))
        eventually(lambda: broker.waiting(QUEUE.name) == 0)
    assert {event.conversation_id for event in heard} == {dialogue.conversation_id for dialogue in dialogues}
    assert texts(dialogues[3], store) == [f"3 {seq}" for seq in range(20)]
    assert context.database["outbox"].count_documents({}) == 0


def test_a_conversation_that_cannot_be_sealed_rests_in_the_dead_letters_and_the_others_do_not_wait(
    context: Context, broker: Broker, bus: Bus, store: TranscriptStore, chat: ChatServer
):
    bad, good = Dialogue(["true"]), [Dialogue() for _ in range(5)]
    chat.hold(bad, [bad.with_other_words(1, "false")])
    with running(context):
        say(bus, [*bad.events[:3], bad.closed, *(event for dialogue in good for event in dialogue.events)])
        eventually(lambda: broker.waiting(QUEUE.dead) == 1, timeout=60)
        for dialogue in good:
            eventually(is_sealed(dialogue, store))
    assert not is_sealed(bad, store)()


def test_while_chat_does_not_answer_recording_goes_on_and_sealing_waits(
    context: Context, broker: Broker, bus: Bus, store: TranscriptStore, chat: ChatServer
):
    waiting, good = Dialogue(["one", "two"]), Dialogue()
    chat.hold(waiting)
    chat.instead[waiting.conversation_id] = 503
    with running(context):
        say(bus, [waiting.opened, waiting.closed, *good.events])
        eventually(is_sealed(good, store))
        eventually(lambda: broker.waiting(QUEUE.name) == 0)
    assert not is_sealed(waiting, store)()
    chat.instead.clear()
    actions.seal_postponed(store=store, fetch=context.chat.messages, now=now() + timedelta(minutes=1))
    assert texts(waiting, store) == ["one", "two"]
    assert broker.waiting(QUEUE.dead) == 0


def test_a_process_killed_again_and_again_records_everything_once(
    context: Context, settings: Settings, broker: Broker, bus: Bus, store: TranscriptStore
):
    dialogues = [Dialogue([f"{number} {seq}" for seq in range(800)]) for number in range(5)]
    for dialogue in dialogues:
        say(bus, dialogue.events)
    recorded = context.database["messages"].estimated_document_count
    for killed_at in (1, 1200, 2400):
        process = a_process(settings)
        eventually(lambda killed_at=killed_at: recorded() >= killed_at, timeout=60, every=0.002)
        process.kill()
        process.wait()
    process = a_process(settings)
    try:
        for dialogue in dialogues:
            eventually(is_sealed(dialogue, store), timeout=60)
        eventually(lambda: context.database["outbox"].count_documents({}) == 0, timeout=60)
        eventually(lambda: broker.waiting(QUEUE.name) == 0)
    finally:
        process.terminate()
        assert process.wait(20) == 0
    for number, dialogue in enumerate(dialogues):
        assert texts(dialogue, store) == [f"{number} {seq}" for seq in range(800)]


def a_process(settings: Settings) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "services.transcripts", "consumer"]
    return subprocess.Popen(command, env=environment_of(settings), stdout=subprocess.DEVNULL)


class Unreachable(TranscriptStore):
    """A store whose database is away."""

    def note(self, facts: object) -> None:
        raise Unavailable


def record(dialogues: Sequence[Event], *, context: Context) -> None:
    deliveries = [a_delivery(event) for event in dialogues]
    consumer.record_deliveries(deliveries, store=context.store, fetch=context.chat.messages, discard=nothing_rests)


def test_without_the_database_the_batch_is_retried(context: Context):
    away = Unreachable(context.database)
    with pytest.raises(Retry):
        consumer.record_deliveries(
            [a_delivery(Dialogue().opened)], store=away, fetch=context.chat.messages, discard=nothing_rests
        )


def test_what_cannot_be_sealed_is_told_after_the_others_are_sealed(context: Context, store: TranscriptStore):
    bad, good = Dialogue(["two"]), Dialogue()
    with pytest.raises(WordsMissing):
        record([bad.closed, *good.events], context=context)
    assert is_sealed(good, store)()


def test_chat_that_does_not_answer_is_not_asked_for_a_whole_batch(context: Context, chat: ChatServer):
    waiting = [Dialogue(["one"]) for _ in range(50)]
    for dialogue in waiting:
        chat.instead[dialogue.conversation_id] = 503
    record([dialogue.closed for dialogue in waiting], context=context)
    assert len({conversation_id for conversation_id, _ in chat.questions}) <= consumer.SEALING_THREADS
    assert len(context.store.postponed(now() + timedelta(minutes=1), limit=100)) == 50


def test_any_order_of_single_deliveries_comes_to_the_same(context: Context, store: TranscriptStore, chat: ChatServer):
    for seed in range(10):
        dialogue = Dialogue()
        chat.hold(dialogue)
        events = dialogue.events * 2
        random.Random(seed).shuffle(events)
        for event in events:
            record([event], context=context)
        transcript, messages = actions.show_transcript("acme", dialogue.conversation_id, store=store)
        assert [message.text for message in messages] == [message.text for message in dialogue.messages]
        assert transcript.captured.browser == "Chrome 126"
        assert len(transcript.responses) == 1
