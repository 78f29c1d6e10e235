"""What chat does about what it hears."""

from datetime import UTC, datetime

import pytest

from chassis.bus import Down, Unroutable
from chassis.problems import Unavailable
from chassis.testing import RecordingBus, a_delivery
from contracts.partitions import command_key
from contracts.transcripts import TranscriptSealed
from services.chat.actions import drop_logs
from services.chat.bootstrap import Context
from services.chat.model import UnlikeTheLog
from services.chat.relay import Relay
from tests.chat.builders import CONVERSATION, CUSTOMER, VISITOR, a_closing, a_dropping, an_opening


def sealed(**given) -> TranscriptSealed:
    defaults = {"customer_id": CUSTOMER, "conversation_id": CONVERSATION, "sealed_at": datetime.now(UTC)}
    return TranscriptSealed(**defaults | given)


def hear(context: Context, bus: RecordingBus, *events: TranscriptSealed) -> None:
    drop_logs([a_delivery(event) for event in events], conversations=context.conversations, bus=bus, partitions=8)


@pytest.fixture
def relay(context: Context) -> Relay:
    return Relay(conversations=context.conversations, visitors=context.visitors, bus=RecordingBus())


@pytest.fixture
def event(relay: Relay, context: Context) -> TranscriptSealed:
    """The transcript of a conversation that was held and closed is sealed."""
    relay.handle([a_delivery(an_opening(text="Hi")), a_delivery(a_closing(VISITOR))])
    conversation = context.conversations.conversation(CUSTOMER, CONVERSATION)
    return sealed(last_seq=conversation.last_seq, digest=conversation.digest)


def test_a_sealed_transcript_has_the_writer_of_the_conversation_drop_its_log(context: Context, event):
    bus = RecordingBus()
    hear(context, bus, event)
    [(queue, command)] = bus.sent
    assert queue == command_key(CONVERSATION, 8)
    assert (command.customer_id, command.conversation_id) == (CUSTOMER, CONVERSATION)


def test_a_seal_heard_twice_asks_for_the_same_twice_and_then_no_more(context: Context, event, relay: Relay):
    bus = RecordingBus()
    hear(context, bus, event)
    hear(context, bus, event)
    assert bus.sent[0] == bus.sent[1]
    relay.handle([a_delivery(a_dropping())])
    hear(context, bus, event)
    assert len(bus.sent) == 2


@pytest.mark.parametrize("change", [{"digest": "other"}, {"last_seq": 2}, {"customer_id": "customer-2"}])
def test_words_are_not_dropped_for_a_transcript_of_other_words(context: Context, event, change):
    bus = RecordingBus()
    said = {"last_seq": event.last_seq, "digest": event.digest} | change
    with pytest.raises(UnlikeTheLog):
        hear(context, bus, sealed(**said))
    assert bus.sent == []


@pytest.mark.parametrize("failure", [Down("no broker"), Unroutable("the number of partitions is being changed")])
def test_as_long_as_nobody_takes_its_command_it_waits(context: Context, event, failure):
    bus = RecordingBus()
    bus.failure = failure
    with pytest.raises(Unavailable):
        hear(context, bus, event)
