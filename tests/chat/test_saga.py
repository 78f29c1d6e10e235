"""The saga on a real database: whoever dies where, a visitor is erased completely, and counted once."""

from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import Future
from datetime import datetime, timedelta

import pytest

from chassis.auth import new_key, public_keys
from chassis.bus import Down
from chassis.certificates import Signer, verified
from chassis.testing import RecordingBus, a_delivery
from contracts.chat import EraseLog, FlagMinor, VisitorErased
from contracts.payload import Command
from contracts.surveys import AnswersErased, EraseAnswers
from contracts.transcripts import EraseTranscript, TranscriptErased
from services.chat.bootstrap import Context
from services.chat.model import CERTIFICATE, SERVICES, token_hash
from services.chat.relay import Relay
from services.chat.saga import Eraser, collect_receipts
from services.chat.store import ErasureStore, VisitorStore
from tests.chat.builders import CONVERSATION, CUSTOMER, NOON, VISITOR, a_post, a_visit, a_visitor, an_opening
from tests.chat.fakes import Fate, Killed, Mortal

KEY = new_key("chat")
LOOK_AFTER = timedelta(seconds=5)
RETRY_AFTER = timedelta(seconds=15)
BEGUN = DUE = 1
AS_WRITTEN_DOWN = 3
"""The step of whoever begins an erasure at which it is written down, and the visitor's bare id is not."""
OTHERS = {
    EraseTranscript: (TranscriptErased, {"transcripts": 1, "transcript_messages": 2}),
    EraseAnswers: (AnswersErased, {"responses": 1}),
}


class Clock:
    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time

    def go(self, by: timedelta) -> None:
        self.time += by


class Letters:
    """The dead letters of chat, by the id they are about."""

    def __init__(self) -> None:
        self.about: Counter[str] = Counter()

    def discard(self, ids: Collection[str]) -> Counter[str]:
        return Counter({each: self.about.pop(each) for each in list(self.about) if each in ids})

    def close(self) -> None:
        """Nothing to close."""


class Network(RecordingBus):
    """Brings each command to its recipient at once; transcripts and surveys are stand-ins that hold something once."""

    def __init__(self, context: Context, clock: Clock) -> None:
        super().__init__()
        self._context = context
        self._clock = clock
        self._held: dict[tuple[type[Command], str], dict[str, int]] = {}
        self.silent: set[type[Command]] = set()
        self.relay = Relay(
            conversations=context.conversations, visitors=context.visitors, bus=RecordingBus(), clock=clock
        )

    def send(self, command, *, queue: str, correlation_id: str | None = None) -> "Future[None]":
        sent = super().send(command, queue=queue)
        if type(command) in self.silent or self.failure:
            return sent
        if isinstance(command, EraseLog):
            self.relay.handle([a_delivery(command)])
        else:
            receipt, found = OTHERS[type(command)]
            removed = self._held.setdefault((type(command), command.conversation_id), dict(found))
            given = receipt(
                customer_id=command.customer_id,
                erasure_id=command.erasure_id,
                conversation_id=command.conversation_id,
                look=command.look,
                removed=dict(removed),
                erased_at=self._clock(),
            )
            removed.clear()
            collect_receipts([a_delivery(given)] * 2, erasures=self._context.erasures, clock=self._clock)
        return sent


class World:
    def __init__(self, context: Context) -> None:
        self.context = context
        self.clock = Clock()
        self.letters = Letters()
        self.bus = Network(context, self.clock)
        self.database = context.database
        self.erasures = context.erasures

    def eraser(self, wrapped: Callable[[object], object] = lambda part: part) -> Eraser:
        return Eraser(
            erasures=wrapped(self.erasures),
            bus=wrapped(self.bus),
            resting=wrapped(self.letters),
            signer=Signer("chat", KEY),
            partitions=8,
            look_after=LOOK_AFTER,
            retry_after=RETRY_AFTER,
            clock=self.clock,
        )

    def begin(self, conversations: int = 3) -> str:
        """A visitor with so many conversations asks to be erased; the erasure's id."""
        self.context.visitors.add_visitor(CUSTOMER, a_visitor())
        self.context.visitors.add_visit(CUSTOMER, a_visit())
        for number in range(conversations):
            conversation_id = f"{CONVERSATION}-{number}"
            opening = an_opening(conversation_id=conversation_id, text="one")
            self.bus.relay.handle([a_delivery(opening), a_delivery(a_post("two", conversation_id=conversation_id))])
        begun = self.context.visitors.begin_erasure(CUSTOMER, VISITOR.id, reason="asked", now=self.clock())
        return begun.erasure_id

    def finish(self) -> None:
        """Advances until there is nothing more to do."""
        eraser = self.eraser()
        for _ in range(12):
            eraser.advance()
            self.clock.go(RETRY_AFTER)

    def erasure(self):
        return self.context.visitors.erasure_by_token(token_hash("secret"))


@pytest.fixture
def world(context: Context) -> World:
    return World(context)


ALL = {
    "visitors": 1,
    "visits": 1,
    "conversations": 3,
    "messages": 6,
    "transcripts": 3,
    "transcript_messages": 6,
    # One of each conversation, and one that was given while nobody was there.
    "responses": 4,
}


def test_everything_is_asked_for_until_a_look_finds_nothing(world: World):
    world.begin()

    world.finish()

    done = world.erasure()
    assert (done.completed_at is not None, done.look, done.removed) == (True, 2, ALL)
    asked = Counter(type(command) for _, command in world.bus.sent)
    assert asked == {EraseLog: 6, EraseTranscript: 6, EraseAnswers: 8}
    assert {event.visitor_id for event in world.bus.published if isinstance(event, VisitorErased)} == {VISITOR.id}


def test_only_a_count_and_a_certificate_remain(world: World):
    erasure_id = world.begin()

    world.finish()

    [kept] = world.database["erasures"].find()
    assert {"visitor_id", "due_at", "found"} & set(kept) == set()
    assert world.database["erasure_parts"].count_documents({}) == 0
    [count] = world.context.erasures.counts(CUSTOMER, before=None, limit=10)
    assert (count.day, count.reason, count.visitors, count.conversations) == ("2026-03-04", "asked", 1, 3)
    statement = verified(kept["certificate"], kind=CERTIFICATE, service="chat", jwks=public_keys([KEY]))
    assert (statement["erasure_id"], statement["removed"], statement["left"]) == (erasure_id, ALL, 0)
    assert set(statement["services"]) == set(SERVICES)


def test_the_second_look_comes_later_and_a_receipt_brings_the_next_step_forward(world: World):
    world.begin()
    eraser = world.eraser()

    assert eraser.advance() == BEGUN + DUE
    assert eraser.advance() == DUE
    assert eraser.advance() == 0
    world.clock.go(LOOK_AFTER)
    assert eraser.advance() == DUE
    assert world.erasure().look == 2


@pytest.mark.parametrize("late", [EraseTranscript, EraseLog])
def test_a_receipt_that_comes_again_does_not_bring_the_next_look_forward(world: World, late):
    world.begin(conversations=1)
    eraser = world.eraser()
    eraser.advance(), eraser.advance()
    assert (world.erasure().look, eraser.advance()) == (2, 0)

    if late is EraseLog:
        [log] = [command for _, command in world.bus.sent if isinstance(command, EraseLog)]
        world.bus.relay.handle([a_delivery(log, redelivered=True)])
    else:
        [asked] = [command for _, command in world.bus.sent if isinstance(command, EraseTranscript)]
        world.bus.send(asked, queue="again")

    assert eraser.advance() == 0
    world.finish()
    assert world.erasure().completed_at is not None


@pytest.mark.parametrize("silent", [EraseTranscript, EraseAnswers, EraseLog])
def test_who_gives_no_receipt_is_asked_again_and_nothing_is_certified_meanwhile(world: World, silent):
    world.begin()
    world.bus.silent = {silent}

    world.finish()

    assert world.erasure().completed_at is None
    asked = Counter(type(command) for _, command in world.bus.sent)
    # After 15 s, and then each time after twice as long: who is slow must not be buried in questions.
    parts = 4 if silent is EraseAnswers else 3
    assert asked[silent] == parts * 4
    world.bus.silent = set()
    world.finish()
    assert world.erasure().removed == ALL


def test_dead_letters_are_taken_out_and_call_for_another_look(world: World):
    world.begin()
    world.letters.about.update([VISITOR.id, f"{CONVERSATION}-1", f"{CONVERSATION}-1", "another"])

    world.finish()

    assert world.erasure().removed["dead_letters"] == 3
    assert world.letters.about == {"another": 1}


def test_a_conversation_that_turns_up_in_between_is_found(world: World):
    world.begin()
    world.eraser().advance()
    late = an_opening(conversation_id="late", text="here I am")

    [refusal] = [
        event for event in said(world, late) if type(event).__name__ in ("CommandRejected", "ConversationOpened")
    ]

    assert refusal.code == "erased"
    world.finish()
    assert world.erasure().removed["conversations"] == 4
    assert world.database["messages"].count_documents({"text": {"$exists": True}}) == 0


def swamp(world: World) -> None:
    """As many receipts are missing as may be, and there is another visitor."""
    world.erasures = ErasureStore(world.database, most_waiting=3)
    world.begin()
    world.bus.silent = {EraseTranscript}
    world.eraser().advance()
    other = a_visitor(visitor_id="visitor-2", token_hash=token_hash("another"))
    world.context.visitors.add_visitor(CUSTOMER, other)


def test_while_many_receipts_are_missing_nobody_new_is_asked(world: World):
    swamp(world)
    world.context.visitors.begin_erasure(CUSTOMER, "visitor-2", reason="asked", now=world.clock())

    world.bus.sent.clear()
    world.eraser().advance()
    assert world.bus.sent == []
    world.bus.silent = set()
    world.finish()

    assert world.context.visitors.erasure_by_token(token_hash("another")).completed_at is not None
    assert world.erasure().removed == ALL


def test_who_is_not_asked_about_yet_is_told_of_and_their_token_is_nobodys(world: World):
    swamp(world)
    assert dies_beginning(world, Fate(AS_WRITTEN_DOWN), "visitor-2")
    world.bus.published.clear(), world.bus.sent.clear()

    assert (world.eraser().advance(), world.eraser().advance()) == (1, 0)

    assert [event.visitor_id for event in world.bus.published] == ["visitor-2"]
    assert world.context.visitors.visitor_by_token(token_hash("another")) is None
    assert world.bus.sent == []


def said(world: World, *commands: Command) -> list:
    bus = RecordingBus()
    relay = Relay(
        conversations=world.context.conversations, visitors=world.context.visitors, bus=bus, clock=world.clock
    )
    relay.handle([a_delivery(command) for command in commands])
    return bus.published


def test_an_erasure_that_was_completed_finds_what_turns_up_even_later(world: World):
    world.begin()
    world.finish()

    said(world, an_opening(conversation_id="late", text="here I am"))
    world.finish()

    counts = world.context.erasures.counts(CUSTOMER, before=None, limit=10)
    assert [(count.visitors, count.conversations) for count in counts] == [(1, 4)]
    assert world.database["erasures"].count_documents({"completed_at": None}) == 0
    assert world.database["messages"].count_documents({"text": {"$exists": True}}) == 0


def test_who_asks_twice_or_is_flagged_as_well_is_erased_once(world: World):
    first = world.begin()
    again = world.context.visitors.begin_erasure(CUSTOMER, VISITOR.id, reason="asked", now=world.clock())
    flag = FlagMinor(
        customer_id=CUSTOMER, command_id="flag", conversation_id=f"{CONVERSATION}-0", operator_id="operator-1"
    )
    said(world, flag)

    assert again.erasure_id == first
    world.finish()
    assert world.erasure().removed == ALL


def test_a_visitor_who_never_talked_is_erased_too(world: World):
    world.begin(conversations=0)
    world.finish()
    assert world.erasure().removed == {"visitors": 1, "visits": 1, "responses": 1}


def test_a_broker_that_is_away_delays_and_loses_nothing(world: World):
    world.begin()
    world.bus.failure = Down("no broker")
    with pytest.raises(Down):
        world.eraser().advance()

    world.bus.failure = None
    world.clock.go(RETRY_AFTER)
    world.finish()

    assert world.erasure().removed == ALL


def killed_at(world: World, step: int) -> bool:
    """Runs an eraser that dies at this step; False when it was through before."""
    fate = Fate(step)
    eraser = world.eraser(lambda part: Mortal(part, fate))
    try:
        for _ in range(6):
            eraser.advance()
            world.clock.go(RETRY_AFTER)
    except Killed:
        return True
    return False


class DyingDatabase:
    """The database, whose collection of visitors dies with whoever uses it when ``fate`` says."""

    def __init__(self, database, fate: Fate) -> None:
        self._database = database
        self._fate = fate

    def __getitem__(self, name: str):
        found = self._database[name]
        return Mortal(found, self._fate) if name == "visitors" else found


def test_whoever_dies_as_an_erasure_begins_the_token_is_nobodys_when_it_is_completed(world: World):
    step, has_died, completed = 0, True, 0
    while has_died:
        step += 1
        for collection in ("visitors", "erasures", "erasure_parts"):
            world.database[collection].delete_many({})
        world.context.visitors.add_visitor(CUSTOMER, a_visitor())
        has_died = dies_beginning(world, Fate(step))
        world.finish()
        if world.erasure() is not None:
            completed += 1
            assert (step, world.erasure().completed_at is not None) == (step, True)
            assert (step, world.context.visitors.visitor_by_token(token_hash("secret"))) == (step, None)
            assert (step, world.context.visitors.is_erased(CUSTOMER, VISITOR.id)) == (step, True)
    assert completed > 3


def dies_beginning(world: World, fate: Fate, visitor_id: str = VISITOR.id) -> bool:
    visitors = VisitorStore(DyingDatabase(world.database, fate))
    try:
        visitors.begin_erasure(CUSTOMER, visitor_id, reason="asked", now=world.clock())
    except Killed:
        return True
    return False


def test_killed_at_every_step_it_ends_complete_and_counts_once(world: World):
    """One erasure after another, each by an eraser that dies one step later than the one before."""
    step, died = 0, True
    while died:
        step += 1
        for collection in ("visitors", "visits", "conversations", "messages", "erasures", "erasure_parts"):
            world.database[collection].delete_many({})
        world.database["erased_counts"].delete_many({})
        world.bus = Network(world.context, world.clock)
        world.begin(conversations=1)
        died = killed_at(world, step)
        world.finish()
        one = {kind: number // 3 if number > 1 else number for kind, number in ALL.items()} | {"responses": 2}
        assert (step, world.erasure().removed) == (step, one)
        [count] = world.context.erasures.counts(CUSTOMER, before=None, limit=10)
        assert (step, count.visitors, count.conversations) == (step, 1, 1)
    assert step > 20
