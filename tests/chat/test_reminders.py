import itertools
import threading
from datetime import datetime, timedelta

import msgspec
import pytest

from chassis.bus import Down
from chassis.testing import RecordingBus, eventually
from contracts.chat import ConversationClosed
from services.chat import model
from services.chat.bootstrap import Context
from services.chat.model import conversation_closed
from services.chat.reminders import Reminder
from services.chat.store import ConversationStore
from tests.chat.builders import CONVERSATION, CUSTOMER, NOON, OPERATOR, a_conversation

AFTER = timedelta(minutes=2)


def a_closed_conversation(**given):
    values = {"closed_at": NOON, "closed_by": OPERATOR, "closed_by_command": "closing", "last_seq": 3, "digest": "d"}
    return a_conversation(**values | given)


class Clock:
    def __init__(self) -> None:
        self.present = NOON

    def __call__(self) -> datetime:
        return self.present


class CountingBus(RecordingBus):
    """Knows how often it refused."""

    refused = 0

    def publish(self, event, **options):
        self.refused += self.failure is not None
        return super().publish(event, **options)


@pytest.fixture
def bus() -> RecordingBus:
    return RecordingBus()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reminder(context: Context, bus: RecordingBus, clock: Clock) -> Reminder:
    return Reminder(conversations=context.conversations, bus=bus, after=AFTER, clock=clock)


def test_what_is_closed_and_not_sealed_is_announced_again_as_it_was(conversations, reminder, bus, clock):
    closed = a_closed_conversation()
    conversations.open(closed)
    clock.present = NOON + AFTER
    assert reminder.remind() == 0
    clock.present += timedelta(seconds=1)
    assert reminder.remind() == 1
    [told] = bus.published
    assert told == msgspec.structs.replace(conversation_closed(closed, caused_by="closing"), is_reminder=True)


def test_the_pauses_between_reminders_double_up_to_a_day(conversations, reminder, clock):
    conversations.open(a_closed_conversation())
    told = []
    while len(told) < 12:
        if reminder.remind():
            told.append(clock.present)
        clock.present += timedelta(minutes=1)
    pauses = [later - earlier for earlier, later in itertools.pairwise(told)]
    assert pauses[:4] == [timedelta(minutes=minutes) for minutes in (2, 4, 8, 16)]
    assert pauses[-1] == timedelta(days=1)


@pytest.mark.parametrize("kind", ["open", "sealed", "erased"])
def test_of_nothing_else_anybody_is_told(conversations: ConversationStore, reminder, bus, clock, kind):
    made = {
        "open": a_conversation(),
        "sealed": a_closed_conversation(is_sealed=True),
        "erased": model.erased(CUSTOMER, CONVERSATION, erased_at=NOON),
    }
    conversations.open(made[kind])
    clock.present = NOON + timedelta(days=2)
    assert reminder.remind() == 0
    assert bus.published == []


def test_a_reminder_that_could_not_be_sent_is_sent_the_next_time(conversations, reminder, bus, clock):
    conversations.open(a_closed_conversation())
    clock.present = NOON + 2 * AFTER
    bus.failure = Down("gone")
    with pytest.raises(Down):
        reminder.remind()
    bus.failure = None
    assert reminder.remind() == 1


def test_it_goes_on_reminding_through_outages(context: Context):
    context.conversations.open(a_closed_conversation())
    bus = CountingBus()
    bus.failure = Down("gone")
    reminder = Reminder(conversations=context.conversations, bus=bus, after=timedelta(seconds=0.01))
    stop = threading.Event()
    thread = threading.Thread(target=reminder.run, args=(stop,))
    thread.start()
    eventually(lambda: bus.refused > 1)
    bus.failure = None
    eventually(lambda: any(isinstance(event, ConversationClosed) for event in bus.published))
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
