"""One example of each payload, fed to the real ears of every service that hears it."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta

import msgspec
import pytest

from chassis.auth import new_key, public_keys
from chassis.clock import now
from chassis.testing import RecordingBus, a_delivery
from contracts.catalogue import PAYLOADS
from contracts.chat import (
    COMMANDS,
    AcceptConversation,
    AcknowledgePolicy,
    CloseConversation,
    ConversationAccepted,
    ConversationClosed,
    ConversationErased,
    ConversationOpened,
    DropLog,
    EraseLog,
    FlagMinor,
    MessagePosted,
    OpenConversation,
    PolicyAcknowledged,
    PostMessage,
    VisitorErased,
)
from contracts.digest import digest_of
from contracts.partitions import command_key
from contracts.payload import Command, Event, Payload
from contracts.surveys import AnswersErased, EraseAnswers, ResponseRecorded
from contracts.transcripts import EraseTranscript, TranscriptErased, TranscriptSealed
from services.chat import actions as chat_actions
from services.chat import bootstrap as chat
from services.chat import consumer as chat_consumer
from services.chat.relay import Relay
from services.chat.saga import collect_receipts
from services.chat.settings import Settings as ChatSettings
from services.surveys import bootstrap as surveys
from services.surveys import consumer as surveys_consumer
from services.surveys.settings import Settings as SurveysSettings
from services.transcripts import bootstrap as transcripts
from services.transcripts import consumer as transcripts_consumer
from services.transcripts.settings import Settings as TranscriptsSettings
from tests.contracts.examples import EXAMPLES, an_example, example
from tests.erasing import nothing_rests
from tests.surveys.builders import a_response

NOWHERE = "amqp://nobody@127.0.0.1:1/nowhere"
STORY = (
    OpenConversation,
    AcceptConversation,
    AcknowledgePolicy,
    PostMessage,
    CloseConversation,
    DropLog,
    FlagMinor,
    EraseLog,
)


@pytest.fixture
def settings(database_url: Callable[[str], str]) -> dict[str, str]:
    key = new_key("transcripts")
    return {
        "amqp_url": NOWHERE,
        "mongo_url": database_url("contracts"),
        "service_key": key,
        "service_keys": public_keys([key]),
    }


@pytest.mark.parametrize("payload", PAYLOADS.values())
def test_an_example_is_exactly_what_goes_over_the_bus(payload: type[Payload]):
    assert json.loads(msgspec.json.encode(an_example(payload))) == json.loads(example(payload))


def test_every_payload_has_an_example_and_every_example_a_payload():
    assert {path.stem for path in EXAMPLES.iterdir()} == set(PAYLOADS)


def test_the_examples_tell_one_story():
    conversations = {
        payload.conversation_id for payload in map(an_example, PAYLOADS.values()) if hasattr(payload, "conversation_id")
    }
    closed, sealed = an_example(ConversationClosed), an_example(TranscriptSealed)

    assert len({an_example(payload).customer_id for payload in PAYLOADS.values()}) == 1
    assert len(conversations) == 1
    assert closed.digest == sealed.digest == digest_of([an_example(MessagePosted)])


@pytest.fixture
def chat_context(settings) -> Iterator[chat.Context]:
    made = chat.bootstrap(ChatSettings(**settings))
    yield made
    made.database.client.close()


@pytest.fixture
def surveys_context(settings) -> Iterator[surveys.Context]:
    made = surveys.bootstrap(SurveysSettings(**settings))
    yield made
    made.database.client.close()


@pytest.fixture
def transcripts_context(settings) -> Iterator[transcripts.Context]:
    nobody = {"tasks_url": NOWHERE, "chat_url": "http://127.0.0.1:1"}
    made = transcripts.bootstrap(TranscriptsSettings(**settings, **nobody))
    yield made
    made.chat.close()
    made.database.client.close()


def carry_out(context: chat.Context, *commands: type[Command]) -> list[Event]:
    """What the relay says to the examples of these commands."""
    bus = RecordingBus()
    relay = Relay(conversations=context.conversations, visitors=context.visitors, bus=bus)
    relay.handle([a_delivery(an_example(command)) for command in commands])
    return bus.published


def test_the_relay_carries_out_every_command(chat_context):
    assert set(STORY) == set(COMMANDS)
    assert [type(event) for event in carry_out(chat_context, *STORY)] == [
        ConversationOpened,
        ConversationAccepted,
        PolicyAcknowledged,
        MessagePosted,
        ConversationClosed,
        VisitorErased,
        ConversationErased,
        ConversationErased,
    ]


def test_chat_drops_the_log_of_a_sealed_transcript(chat_context):
    bus = RecordingBus()
    *_, closed = carry_out(chat_context, *STORY[: STORY.index(DropLog)])
    # Times and ids are chat's own here, so the digest is not the example's.
    sealed = msgspec.structs.replace(an_example(TranscriptSealed), digest=closed.digest)

    partitions = chat_context.settings.partitions
    chat_actions.drop_logs(
        [a_delivery(sealed)], conversations=chat_context.conversations, bus=bus, partitions=partitions
    )

    [(queue, command)] = bus.sent
    assert isinstance(command, DropLog)
    assert command.conversation_id == sealed.conversation_id
    assert queue == command_key(sealed.conversation_id, partitions)


def test_surveys_attaches_the_response_to_an_opened_conversation(surveys_context):
    opened = an_example(ConversationOpened)
    fields = {key: getattr(opened, key) for key in ("customer_id", "site_id", "conversation_id")}
    times = {"answered_at": opened.opened_at, "expires_at": now() + timedelta(hours=1)}
    response = a_response(**fields, **times)
    surveys_context.store.add(response, announcing=lambda _: None, now=now())

    surveys_consumer.handle_deliveries([a_delivery(opened)], store=surveys_context.store, discard=nothing_rests)

    [row] = surveys_context.database["outbox"].find()
    assert row["type"] == ResponseRecorded.routing_key


def test_transcripts_records_and_seals(transcripts_context):
    deliveries = [a_delivery(an_example(event)) for event in transcripts_consumer.QUEUE.hears]

    transcripts_consumer.record_deliveries(
        deliveries,
        store=transcripts_context.store,
        fetch=transcripts_context.chat.messages,
        discard=nothing_rests,
    )

    [row] = transcripts_context.database["outbox"].find()
    sealed = msgspec.json.decode(row["payload"], type=TranscriptSealed)
    assert sealed == msgspec.structs.replace(an_example(TranscriptSealed), sealed_at=sealed.sealed_at)


@pytest.mark.parametrize(("command", "receipt"), [(EraseTranscript, TranscriptErased), (EraseAnswers, AnswersErased)])
def test_who_is_asked_to_erase_gives_a_receipt(transcripts_context, surveys_context, command, receipt):
    context = transcripts_context if command is EraseTranscript else surveys_context
    if command is EraseTranscript:
        transcripts_consumer.record_deliveries(
            [a_delivery(an_example(command))], store=context.store, fetch=lambda *_: [], discard=nothing_rests
        )
    else:
        surveys_consumer.handle_deliveries(
            [a_delivery(an_example(command))], store=context.store, discard=nothing_rests
        )

    [row] = context.database["outbox"].find()
    given = msgspec.json.decode(row["payload"], type=receipt)
    example = an_example(receipt)
    assert given == msgspec.structs.replace(example, removed={}, erased_at=given.erased_at)


def test_chat_takes_receipts(chat_context):
    deliveries = [a_delivery(an_example(event)) for event in chat_consumer.RECEIPTS.hears]

    collect_receipts(deliveries, erasures=chat_context.erasures)

    assert chat_context.database["erasures"].count_documents({}) == 0


def test_what_was_fed_above_is_all_that_is_heard():
    assert set(chat_consumer.RECEIPTS.hears) == {TranscriptErased, AnswersErased}
    assert set(chat_consumer.QUEUE.hears) == {TranscriptSealed}
    assert set(surveys_consumer.QUEUE.hears) == {ConversationOpened}
    assert set(transcripts_consumer.QUEUE.hears) == {
        ConversationOpened,
        ConversationAccepted,
        ConversationClosed,
        PolicyAcknowledged,
        MessagePosted,
        ResponseRecorded,
    }
