"""The relay under everything at once: random commands, repetitions, cuts, deaths, and sleepers that wake up late."""

from collections import defaultdict

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chassis.bus import Restart
from chassis.testing import RecordingBus, a_delivery
from contracts.chat import CommandRejected, ConversationClosed, ConversationCommand, MessagePosted
from contracts.digest import digest_of
from services.chat.model import Message, message_key
from services.chat.relay import Relay
from tests.chat.builders import (
    CUSTOMER,
    OPERATOR,
    OTHER_OPERATOR,
    VISITOR,
    a_closing,
    a_post,
    an_acceptance,
    an_opening,
)
from tests.chat.fakes import Fate, Killed, MemoryConversations, Mortal, NoVisitors

NAMES = ("c1", "c2", "c3")
names = st.sampled_from(NAMES)
operators = st.sampled_from([OPERATOR, OTHER_OPERATOR])


class Partition(RuleBasedStateMachine):
    """A queue with one active relay, as the broker sees to it, and everything that can go wrong beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.conversations = MemoryConversations()
        self.bus = RecordingBus()
        self.queue: list[ConversationCommand] = []
        self.sent: list[ConversationCommand] = []
        self.is_redelivered = False
        self.relay = self.a_relay(Fate())
        self.idle = self.a_relay(Fate())

    def a_relay(self, fate: Fate) -> Relay:
        return Relay(
            conversations=Mortal(self.conversations, fate),
            visitors=NoVisitors(),
            bus=Mortal(self.bus, fate),
            heads_kept=3,
        )

    def send(self, command: ConversationCommand) -> None:
        self.sent.append(command)
        self.queue.append(command)

    @initialize()
    def begin(self):
        """Two conversations, one of them accepted, that both relays know of; the third is still to come."""
        for relay in (self.relay, self.idle):
            self.relay = relay
            for name in NAMES[:2]:
                self.open(name, None)
            self.accept(NAMES[0], OPERATOR)
            self.deliver(12)

    @rule(name=names, text=st.sampled_from([None, "first words"]))
    def open(self, name, text):
        self.send(an_opening(conversation_id=name, text=text))

    @rule(name=names, count=st.integers(1, 5), sender=st.sampled_from([VISITOR, OPERATOR]))
    def post(self, name, count, sender):
        for _ in range(count):
            self.send(a_post(f"{len(self.sent)}", conversation_id=name, sender=sender))

    @rule(name=names, by=operators)
    def accept(self, name, by):
        self.send(an_acceptance(by, conversation_id=name))

    @rule(name=names, by=st.sampled_from([VISITOR, OPERATOR]))
    def close(self, name, by):
        self.send(a_closing(by, conversation_id=name))

    @rule(data=st.data())
    def publish_twice(self, data):
        if self.sent:
            self.queue.append(data.draw(st.sampled_from(self.sent)))

    def handle(self, relay: Relay, batch: list[ConversationCommand], *, redelivered: bool) -> bool:
        """Whether the relay came to its end, so that the batch is acknowledged."""
        try:
            relay.handle([a_delivery(command, redelivered=redelivered) for command in batch])
        except (Killed, Restart):
            return False
        return True

    @rule(size=st.integers(1, 12))
    def deliver(self, size):
        if self.handle(self.relay, self.queue[:size], redelivered=self.is_redelivered):
            del self.queue[:size]
            self.is_redelivered = False
        else:
            self.relay.forget()

    @rule()
    def change_places_without_being_told(self):
        """Both relays believe to be the active one, and remember what they know."""
        self.relay, self.idle = self.idle, self.relay

    @rule(size=st.integers(1, 12), at=st.integers(1, 30), is_flagged=st.booleans())
    def die(self, size, at, is_flagged):
        if self.handle(self.a_relay(Fate(at)), self.queue[:size], redelivered=self.is_redelivered):
            del self.queue[:size]
        self.is_redelivered = is_flagged
        self.relay = self.a_relay(Fate())

    @rule(size=st.integers(1, 12), at=st.integers(1, 30), more=st.integers(0, 6), is_flagged=st.booleans())
    def sleep(self, size, at, more, is_flagged):
        """A relay with a batch in hand falls asleep; another takes over and goes on; the sleeper wakes up."""
        batch = self.queue[:size]

        def take_over() -> None:
            self.relay = self.a_relay(Fate())
            if self.handle(self.relay, self.queue[: size + more], redelivered=is_flagged):
                del self.queue[: size + more]

        fate = Fate(at, take_over)
        finished = self.handle(self.a_relay(fate), batch, redelivered=self.is_redelivered)
        if fate.steps < at:
            if finished:
                del self.queue[:size]
            self.relay = self.a_relay(Fate())
        self.is_redelivered = is_flagged

    def log(self, name: str) -> list[Message]:
        return list(self.conversations.log(CUSTOMER, name))

    @invariant()
    def no_gap_and_nothing_twice(self):
        for name in NAMES:
            log = self.log(name)
            assert [message.seq for message in log] == list(range(1, len(log) + 1))
            assert len({message_key(message) for message in log}) == len(log)

    @invariant()
    def what_was_announced_is_what_is_stored(self):
        stored = {
            (message.conversation_id, message.seq): message.message_id for name in NAMES for message in self.log(name)
        }
        for event in self.bus.published:
            if isinstance(event, MessagePosted):
                assert stored[event.conversation_id, event.seq] == event.message_id

    @invariant()
    def what_was_said_is_not_taken_back(self):
        said: set[str] = set()
        for event in self.bus.published:
            if isinstance(event, MessagePosted):
                said.add(event.caused_by)
            elif isinstance(event, CommandRejected):
                assert event.caused_by not in said

    @invariant()
    def a_closed_conversation_stays_as_it_was_closed(self):
        for event in self.bus.published:
            if isinstance(event, ConversationClosed):
                log = self.log(event.conversation_id)
                assert (event.last_seq, event.digest) == (len(log), digest_of(log))

    def teardown(self):
        for _ in range(10):
            self.deliver(500)
        assert not self.queue, "the relay restarts for ever"
        self.no_gap_and_nothing_twice()
        self.every_command_was_answered()
        self.each_sender_is_quoted_in_order()

    def every_command_was_answered(self):
        assert {event.caused_by for event in self.bus.published} == {command.command_id for command in self.sent}
        said = {message.client_id for name in NAMES for message in self.log(name)}
        refused = {event.caused_by for event in self.bus.published if isinstance(event, CommandRejected)}
        for command in self.sent:
            assert command.command_id in refused or getattr(command, "client_id", None) in {*said, None}

    def each_sender_is_quoted_in_order(self):
        """What was refused at first and said again later has its place where it was said later."""
        refused = {event.caused_by for event in self.bus.published if isinstance(event, CommandRejected)}
        repeated = {str(number) for number, command in enumerate(self.sent) if command.command_id in refused}
        spoken = defaultdict(list)
        for name in NAMES:
            for message in self.log(name):
                if message.text.isdecimal() and message.text not in repeated:
                    spoken[name, message.sender.id].append(int(message.text))
        for numbers in spoken.values():
            assert numbers == sorted(numbers)


Partition.TestCase.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
TestPartition = Partition.TestCase
