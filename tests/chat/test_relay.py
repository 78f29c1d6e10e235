"""The relay on a real database: what it stores, what it announces, and that dying anywhere changes nothing."""

import threading
from collections.abc import Sequence

import msgspec
import prometheus_client
import pytest

from chassis.bus import Down, Restart, Retry
from chassis.mongo import StoreUnavailable
from chassis.testing import RecordingBus, a_delivery
from contracts.chat import (
    CommandRejected,
    ConversationAccepted,
    ConversationClosed,
    ConversationCommand,
    ConversationOpened,
    EraseLog,
    FlagMinor,
    MessagePosted,
    Page,
)
from contracts.digest import digest_of
from services.chat.model import token_hash
from services.chat.relay import LogIncomplete, Relay
from services.chat.store import ConversationStore, VisitorStore
from tests.chat.builders import (
    CONVERSATION,
    CUSTOMER,
    NOON,
    OPERATOR,
    OTHER_OPERATOR,
    VISITOR,
    a_closing,
    a_conversation,
    a_dropping,
    a_message,
    a_post,
    a_visit,
    a_visitor,
    an_acceptance,
    an_opening,
)
from tests.chat.fakes import Fate, Killed, Mortal


class Desk:
    """A relay, and what an onlooker sees of it."""

    def __init__(self, conversations: ConversationStore, visitors: VisitorStore) -> None:
        self.conversations = conversations
        self.visitors = visitors
        self.bus = RecordingBus()
        self.relay = Relay(conversations=conversations, visitors=visitors, bus=self.bus)

    def do(self, *commands: ConversationCommand, redelivered: bool = False) -> list:
        """What the relay announces when these commands come as one batch."""
        before = len(self.bus.published)
        self.relay.handle([a_delivery(command, redelivered=redelivered) for command in commands])
        return self.bus.published[before:]

    def log(self, conversation_id: str = CONVERSATION) -> list[tuple[int, str]]:
        return [(message.seq, message.text) for message in self.conversations.log(CUSTOMER, conversation_id)]


@pytest.fixture
def desk(conversations: ConversationStore, visitors: VisitorStore) -> Desk:
    return Desk(conversations, visitors)


@pytest.fixture
def other_desk(conversations: ConversationStore, visitors: VisitorStore) -> Desk:
    return Desk(conversations, visitors)


def kinds(events: Sequence) -> list[str]:
    return [type(event).__name__ for event in events]


def test_opening_stores_the_conversation_with_what_was_captured(desk: Desk, visitors: VisitorStore):
    visitors.add_visit(CUSTOMER, a_visit())
    command = an_opening(department="sales")
    [event] = desk.do(command)
    assert isinstance(event, ConversationOpened)
    assert (event.caused_by, event.department, event.visitor_id) == (command.command_id, "sales", VISITOR.id)
    assert event.capture == a_visit().capture()
    assert desk.conversations.conversation(CUSTOMER, CONVERSATION).capture == a_visit().capture()


@pytest.mark.parametrize("visit", [{"visitor_id": "visitor-2"}, {"visit_id": "visit-2"}])
def test_nobody_opens_a_conversation_with_what_was_captured_of_somebody_else(desk: Desk, visitors: VisitorStore, visit):
    visitors.add_visit(CUSTOMER, a_visit(**visit))
    [event] = desk.do(an_opening())
    assert event.capture.ip == ""


def test_opening_words_are_the_first_message(desk: Desk):
    command = an_opening(text="Hi!")
    opened, posted = desk.do(command, a_post("And one more thing"))[:2]
    assert kinds([opened, posted]) == ["ConversationOpened", "MessagePosted"]
    assert (posted.seq, posted.text, posted.client_id, posted.sender) == (1, "Hi!", command.command_id, VISITOR)
    assert desk.log() == [(1, "Hi!"), (2, "And one more thing")]


def test_a_message_is_announced_as_it_is_stored(desk: Desk):
    desk.do(an_opening())
    [event] = desk.do(a_post("Hello"))
    [stored] = desk.conversations.log(CUSTOMER, CONVERSATION)
    assert (event.seq, event.message_id, event.text, event.sent_at) == (
        1,
        stored.message_id,
        stored.text,
        stored.sent_at,
    )


def test_the_whole_life_of_a_conversation_in_one_batch(desk: Desk):
    commands = [an_opening(text="1"), an_acceptance(), a_post("2"), a_post("3", sender=OPERATOR), a_closing()]
    events = desk.do(*commands)
    assert kinds(events) == [
        "ConversationOpened",
        "MessagePosted",
        "ConversationAccepted",
        "MessagePosted",
        "MessagePosted",
        "ConversationClosed",
    ]
    assert (events[-1].last_seq, events[-1].closed_by) == (3, OPERATOR)
    assert events[-1].digest == digest_of(desk.conversations.log(CUSTOMER, CONVERSATION))
    assert desk.log() == [(1, "1"), (2, "2"), (3, "3")]


def test_messages_of_many_conversations_in_one_batch_each_have_their_order(desk: Desk):
    names = [f"c{number}" for number in range(20)]
    desk.do(*(an_opening(conversation_id=name) for name in names))
    desk.do(*(a_post(f"{number}", conversation_id=name) for number in range(1, 6) for name in names))
    for name in names:
        assert desk.log(name) == [(number, f"{number}") for number in range(1, 6)]


def test_a_message_sent_again_is_stored_once_and_answered_twice(desk: Desk):
    desk.do(an_opening())
    [first] = desk.do(a_post("Hello", client_id="c"))
    repeated = a_post("Hello", client_id="c")
    [second] = desk.do(repeated)
    assert (second.seq, second.message_id, second.caused_by) == (first.seq, first.message_id, repeated.command_id)
    assert desk.log() == [(1, "Hello")]


def test_a_message_sent_again_in_the_middle_of_a_batch_holds_nobody_up(desk: Desk):
    desk.do(an_opening(), an_opening(conversation_id="other"))
    desk.do(a_post("1", client_id="c"))
    commands = [a_post("2"), a_post("x", conversation_id="other"), a_post("1", client_id="c"), a_post("3")]
    events = desk.do(*commands)
    assert [(event.conversation_id, event.seq) for event in events] == [
        (CONVERSATION, 2),
        ("other", 1),
        (CONVERSATION, 1),
        (CONVERSATION, 3),
    ]


def test_a_message_sent_again_after_the_close_gets_its_place(desk: Desk):
    desk.do(an_opening(), an_acceptance(), a_post("Hello", client_id="c"), a_closing())
    [event] = desk.do(a_post("Hello", client_id="c"))
    assert (kinds([event]), event.seq) == (["MessagePosted"], 1)


def test_a_client_id_that_another_sender_used_gives_away_nothing(desk: Desk):
    desk.do(an_opening(), an_acceptance(), a_post("from the visitor", client_id="1"))
    [event] = desk.do(a_post("from the operator", client_id="1", sender=OPERATOR))
    assert (event.seq, event.text) == (2, "from the operator")


def test_nothing_is_said_after_the_close(desk: Desk):
    desk.do(an_opening(), an_acceptance(), a_post("1"), a_closing())
    [event] = desk.do(a_post("2"))
    assert isinstance(event, CommandRejected)
    assert event.code == "not-open"
    assert desk.log() == [(1, "1")]


def test_a_second_operator_is_refused(desk: Desk):
    desk.do(an_opening(), an_acceptance())
    [event] = desk.do(an_acceptance(OTHER_OPERATOR))
    assert (event.code, event.conversation_id) == ("already-accepted", CONVERSATION)


@pytest.mark.parametrize("command", [a_post, an_acceptance, a_closing, an_opening])
def test_another_customer_finds_no_conversation(desk: Desk, command):
    desk.do(an_opening())
    [event] = desk.do(command(customer_id="customer-2"))
    assert (event.code, event.customer_id) == ("not-found", "customer-2")
    assert desk.log() == []
    assert desk.conversations.conversation(CUSTOMER, CONVERSATION).status == "queued"


def test_a_text_that_cannot_be_kept_is_refused_and_the_rest_goes_on(desk: Desk):
    desk.do(an_opening())
    events = desk.do(a_post("1"), a_post("x" * 100_000), a_post(""), a_post("2"))
    assert [getattr(event, "code", None) for event in events] == [None, "invalid", "invalid", None]
    assert desk.log() == [(1, "1"), (2, "2")]


def test_closing_twice_is_answered_alike(desk: Desk, other_desk: Desk):
    closing = a_closing()
    *_, first = desk.do(an_opening(), an_acceptance(), a_post("1"), closing)
    assert other_desk.do(closing, redelivered=True) == [first]
    assert desk.do(closing) == [first]


def test_a_conversation_without_words_can_be_closed(desk: Desk):
    *_, event = desk.do(an_opening(), a_closing(VISITOR))
    assert isinstance(event, ConversationClosed)
    assert (event.last_seq, event.digest) == (0, digest_of([]))


def test_the_end_tells_the_pages_of_the_visit_and_the_same_ones_again(desk: Desk, visitors: VisitorStore):
    pages = tuple(Page(url=f"https://shop.example/{number}", referrer="https://x.example/") for number in range(3))
    visitors.add_visit(CUSTOMER, a_visit(visit_id="visit-9", pages=pages))
    closing = a_closing()
    *_, first = desk.do(an_opening(visit_id="visit-9"), an_acceptance(), closing)
    visitors.continue_visit(CUSTOMER, a_visit(pages=(Page(url="https://shop.example/later"),)), seen_since=NOON)

    assert [page.url for page in first.trail] == [page.url for page in pages]
    assert {page.referrer for page in first.trail} == {""}
    assert desk.do(closing, redelivered=True) == [first]
    desk.do(a_dropping())
    assert desk.conversations.conversation(CUSTOMER, CONVERSATION).trail == ()


def test_where_the_site_wants_no_trail_the_end_tells_none(desk: Desk, visitors: VisitorStore):
    pages = (Page(url="https://shop.example/"),)
    visitors.add_visit(CUSTOMER, a_visit(visit_id="visit-9", pages=pages, has_trail=False))
    *_, event = desk.do(an_opening(visit_id="visit-9"), a_closing(VISITOR))

    assert event.trail == ()


def test_a_log_with_a_gap_is_not_closed_silently(desk: Desk):
    desk.do(an_opening())
    desk.conversations.append([a_message(2)])
    desk.relay.forget()
    with pytest.raises(LogIncomplete):
        desk.do(a_closing(VISITOR))


def test_a_dropped_log_is_dropped_once_and_for_all(desk: Desk):
    post = a_post("1", client_id="c")
    desk.do(an_opening(), an_acceptance(), post, a_closing())
    assert desk.do(a_dropping(), a_dropping()) == []
    assert desk.log() == []
    assert desk.conversations.conversation(CUSTOMER, CONVERSATION).is_sealed
    [event] = desk.do(a_post("2"))
    assert event.code == "not-open"


def test_an_open_conversation_keeps_its_log_whatever_is_said(desk: Desk):
    desk.do(an_opening(text="1"), a_dropping())
    assert desk.log() == [(1, "1")]


def test_a_full_conversation_takes_no_more_but_repeats_and_ends(desk: Desk):
    desk.relay = Relay(conversations=desk.conversations, visitors=desk.visitors, bus=desk.bus, most_messages=3)
    desk.do(an_opening(), an_acceptance(), a_post("1", client_id="c"), a_post("2"))

    # Of a batch that goes beyond it, what is there already is answered in the same way.
    events = desk.do(a_post("3"), a_post("1", client_id="c"), a_post("4"))
    again = desk.do(a_post("1", client_id="c"), a_post("4", sender=OPERATOR), a_closing())

    assert [getattr(event, "code", None) or event.seq for event in events] == [3, 1, "full"]
    assert (again[0].seq, again[1].code, kinds(again[2:])) == (1, "full", ["ConversationClosed"])
    assert desk.log() == [(1, "1"), (2, "2"), (3, "3")]


def a_whole_conversation(conversation_id: str = CONVERSATION) -> list[ConversationCommand]:
    commands = [
        an_opening(text="1", command_id="open"),
        a_post("2", client_id="2", command_id="2"),
        a_post("3", client_id="3", command_id="3"),
        an_acceptance(command_id="accept"),
        a_post("4", client_id="4", command_id="4", sender=OPERATOR),
        a_post("2", client_id="2", command_id="2 again"),
        a_closing(command_id="close"),
        a_post("too late", client_id="5", command_id="5"),
    ]
    return [msgspec.structs.replace(command, conversation_id=conversation_id) for command in commands]


def run_until(fate: Fate, desk: Desk, bus: RecordingBus, commands, *, redelivered: bool = False) -> bool:
    """Whether a relay lived to the end of the batch."""
    conversations, visitors = Mortal(desk.conversations, fate), Mortal(desk.visitors, fate)
    relay = Relay(conversations=conversations, visitors=visitors, bus=Mortal(bus, fate))
    try:
        relay.handle([a_delivery(command, redelivered=redelivered) for command in commands])
    except Killed:
        return False
    return True


def without_routing(events: Sequence) -> list:
    """Who is on the case is told as it is now; everything else as it was."""
    return [
        msgspec.structs.replace(event, operator_id=None) if isinstance(event, MessagePosted) else event
        for event in events
    ]


@pytest.mark.parametrize("is_flagged", [True, False])
def test_a_death_at_any_point_is_made_good_by_the_redelivery(desk: Desk, is_flagged: bool):
    point, has_lived = 0, False
    while not has_lived:
        point += 1
        conversation_id = f"c{point}"
        commands = a_whole_conversation(conversation_id)
        seen_before = RecordingBus()
        has_lived = run_until(Fate(point), desk, seen_before, commands)
        desk.relay.forget()
        events = desk.do(*commands, redelivered=is_flagged)
        assert desk.log(conversation_id) == [(1, "1"), (2, "2"), (3, "3"), (4, "4")]
        causes = ["open", "open", "2", "3", "accept", "4", "2 again", "close", "5"]
        assert [event.caused_by for event in events] == causes
        closed = desk.conversations.conversation(CUSTOMER, conversation_id)
        assert (closed.status, closed.last_seq) == ("closed", 4)
        assert closed.digest == digest_of(desk.conversations.log(CUSTOMER, conversation_id))
        announced_again = without_routing(events)
        for event in without_routing(seen_before.published):
            assert event in announced_again
    assert point > 40


def test_a_death_while_a_log_is_dropped_is_made_good(desk: Desk):
    for point in range(1, 4):
        conversation_id = f"c{point}"
        desk.do(*a_whole_conversation(conversation_id))
        dropping = a_dropping(conversation_id=conversation_id)
        run_until(Fate(point), desk, RecordingBus(), [dropping])
        desk.do(dropping, redelivered=True)
        assert desk.log(conversation_id) == []
        assert desk.conversations.conversation(CUSTOMER, conversation_id).is_sealed


def test_a_message_that_was_not_announced_is_announced_when_the_batch_comes_again(desk: Desk):
    desk.do(an_opening())
    commands = [a_post(f"{number}") for number in range(1, 4)]
    desk.bus.failure = Down("no broker")
    with pytest.raises(Retry):
        desk.do(*commands)
    desk.bus.failure = None
    events = desk.do(*commands)
    assert [(event.seq, event.text) for event in events] == [(1, "1"), (2, "2"), (3, "3")]
    assert desk.log() == [(1, "1"), (2, "2"), (3, "3")]


class Away:
    """A database that is away for the next call."""

    def __init__(self, conversations: ConversationStore) -> None:
        self._conversations = conversations
        self.is_away = False

    def __getattr__(self, name: str):
        if self.is_away:
            self.is_away = False
            raise StoreUnavailable
        return getattr(self._conversations, name)


def test_a_lost_database_means_again_and_not_never(desk: Desk, visitors: VisitorStore):
    away = Away(desk.conversations)
    relay = Relay(conversations=away, visitors=visitors, bus=desk.bus)
    relay.handle([a_delivery(an_opening())])
    away.is_away = True
    batch = [a_delivery(a_post("1"))]
    with pytest.raises(Retry):
        relay.handle(batch)
    relay.handle(batch)
    assert desk.log() == [(1, "1")]


class Undecided:
    """A database that loses its majority: what is read is what was there before, what is written is unsure."""

    def __init__(self, conversations: ConversationStore, unsure: ConversationStore) -> None:
        self._decided = conversations
        self._unsure = unsure
        self._before: dict = {}
        self.is_decided = True

    def lose_majority(self) -> None:
        self._before = self._decided.heads(CUSTOMER, [CONVERSATION])
        self.is_decided = False

    def heads(self, customer_id: str, conversation_ids: Sequence[str]):
        if self.is_decided:
            return self._decided.heads(customer_id, conversation_ids)
        return {key: msgspec.structs.replace(head) for key, head in self._before.items()}

    def stored(self, keys):
        return self._decided.stored(keys) if self.is_decided else {}

    def __getattr__(self, name: str):
        return getattr(self._decided if self.is_decided else self._unsure, name)


@pytest.mark.parametrize(
    ("before", "command", "answer"),
    [
        ([], an_opening(), ConversationOpened),
        ([an_opening()], a_post(), MessagePosted),
        ([an_opening()], an_acceptance(), ConversationAccepted),
        ([an_opening(), a_post("1")], a_closing(VISITOR), ConversationClosed),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_command_that_no_majority_has_is_tried_until_one_does(
    desk: Desk, unsure: ConversationStore, before, command, answer
):
    undecided = Undecided(desk.conversations, unsure)
    relay = Relay(conversations=undecided, visitors=desk.visitors, bus=desk.bus)
    relay.handle([a_delivery(each) for each in before])
    told = len(desk.bus.published)

    undecided.lose_majority()
    for _ in range(3):
        relay.begin("tests")
        with pytest.raises(Retry):
            relay.handle([a_delivery(command, redelivered=True)])
    assert desk.bus.published[told:] == []
    undecided.is_decided = True
    relay.handle([a_delivery(command, redelivered=True)])

    [event] = desk.bus.published[told:]
    assert (type(event), event.caused_by) == (answer, command.command_id)


def test_a_relay_that_was_away_is_fenced_off_and_reads_anew(desk: Desk, other_desk: Desk):
    desk.do(an_opening())
    desk.do(a_post("1"))
    other_desk.do(a_post("2"), a_post("3"))
    events = desk.do(a_post("4"))
    assert [event.seq for event in events] == [4]
    assert desk.log() == [(1, "1"), (2, "2"), (3, "3"), (4, "4")]


def test_a_relay_that_was_away_repeats_what_the_other_did_and_adds_nothing(desk: Desk, other_desk: Desk):
    batch = [a_post(f"{number}") for number in range(1, 6)]
    desk.do(an_opening())
    taken_over = other_desk.do(*batch, redelivered=True)
    late = desk.do(*batch)
    assert [event.message_id for event in late] == [event.message_id for event in taken_over]
    assert desk.log() == [(number, f"{number}") for number in range(1, 6)]


def test_a_relay_that_was_away_adds_nothing_to_a_closed_conversation(desk: Desk, other_desk: Desk):
    desk.do(an_opening(), an_acceptance(), a_post("1"))
    [closed] = other_desk.do(a_closing())
    [event] = desk.do(a_post("too late"))
    assert event.code == "not-open"
    assert closed.digest == digest_of(desk.conversations.log(CUSTOMER, CONVERSATION))


def test_a_relay_that_was_away_adds_nothing_to_a_dropped_log(desk: Desk, other_desk: Desk):
    desk.do(an_opening(), an_acceptance(), a_post("1"))
    other_desk.do(a_post("2"), a_closing(), a_dropping())
    [event] = desk.do(a_post("too late"))
    assert event.code == "not-open"
    assert desk.log() == []


@pytest.mark.parametrize("late", [an_acceptance(OTHER_OPERATOR), a_closing(VISITOR)])
def test_of_two_relays_that_change_a_conversation_one_wins(desk: Desk, other_desk: Desk, late):
    desk.do(an_opening())
    other_desk.do(an_acceptance(), a_closing())
    [event] = desk.do(late)
    assert event.code == "not-open"
    assert desk.conversations.conversation(CUSTOMER, CONVERSATION).closed_by == OPERATOR


def test_two_relays_that_write_at_the_same_time_leave_no_gap_and_no_duplicate(desk: Desk, other_desk: Desk):
    desk.do(an_opening())
    commands = [a_post(f"{number}", client_id=f"{number}") for number in range(200)]

    def work(on: Desk) -> None:
        for start in range(0, 200, 10):
            while True:
                try:
                    on.do(*commands[start : start + 10])
                    break
                except Restart:
                    continue

    threads = [threading.Thread(target=work, args=(each,)) for each in (desk, other_desk)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert desk.log() == [(number + 1, f"{number}") for number in range(200)]
    for each in (desk, other_desk):
        answered = {event.client_id: event.seq for event in each.bus.published if isinstance(event, MessagePosted)}
        assert answered == {f"{number}": number + 1 for number in range(200)}


def test_a_batch_full_of_repetitions_is_looked_up_at_once(desk: Desk, other_desk: Desk):
    desk.do(*(an_opening(conversation_id=f"c{number}") for number in range(50)))
    batch = [a_post(f"{n}", conversation_id=f"c{n % 50}", client_id=f"{n}") for n in range(500)]
    desk.do(*batch)
    fate = Fate()
    run_until(fate, other_desk, other_desk.bus, batch, redelivered=True)
    assert fate.steps <= 10
    assert [event.text for event in other_desk.bus.published] == [f"{n}" for n in range(500)]


def test_only_so_many_conversations_are_remembered(conversations: ConversationStore, visitors: VisitorStore):
    relay = Relay(conversations=conversations, visitors=visitors, bus=RecordingBus(), heads_kept=3)
    relay.handle([a_delivery(an_opening(conversation_id=f"c{number}")) for number in range(10)])
    assert list(relay._heads) == [(CUSTOMER, f"c{number}") for number in (7, 8, 9)]


def test_an_accepted_conversation_answers_with_its_operator(desk: Desk):
    desk.conversations.open(a_conversation())
    [event] = desk.do(an_acceptance())
    assert isinstance(event, ConversationAccepted)
    assert (event.operator_id, event.operator_name) == (OPERATOR.id, OPERATOR.name)
    [posted] = desk.do(a_post())
    assert posted.operator_id == OPERATOR.id


def test_a_partition_that_comes_back_is_read_anew_so_that_nothing_has_to_be_fenced_off(desk: Desk, other_desk: Desk):
    desk.do(an_opening(), a_post("1"))
    other_desk.do(a_post("2"))
    fenced = fence_rejections()
    desk.relay.begin("tests")
    desk.do(a_post("3"))
    assert desk.log() == [(1, "1"), (2, "2"), (3, "3")]
    assert fence_rejections() == fenced


def test_a_relay_is_active_in_what_gave_it_commands_until_it_subscribes_anew(desk: Desk):
    assert desk.relay.active == set()
    desk.do(an_opening())
    assert desk.relay.active == {"tests"}
    desk.relay.forget()
    assert desk.relay.active == {"tests"}
    desk.relay.begin("tests")
    assert desk.relay.active == set()


def fence_rejections() -> float:
    return sum(
        sample.value
        for metric in prometheus_client.REGISTRY.collect()
        if metric.name == "velaro_relay_fence_rejections"
        for sample in metric.samples
        if sample.name.endswith("_total")
    )


def a_flag(**given) -> FlagMinor:
    defaults = {
        "customer_id": CUSTOMER,
        "command_id": "flag",
        "conversation_id": CONVERSATION,
        "operator_id": OPERATOR.id,
    }
    return FlagMinor(**defaults | given)


def everything_kept(desk: Desk) -> str:
    database = desk.visitors._visits.database
    names = ("visitors", "conversations", "messages", "erasures", "erasure_parts")
    return str([list(database[name].find()) for name in names])


def test_a_flag_ends_and_erases_the_conversation_and_the_token_is_nobodys(desk: Desk, visitors: VisitorStore):
    visitors.add_visitor(CUSTOMER, a_visitor(name="Ann"))
    desk.do(an_opening(text="my secret"), an_acceptance(), a_post("my address"))

    events = desk.do(a_flag(), a_post("too late", sender=VISITOR), a_post("too late", sender=OPERATOR))

    assert kinds(events) == ["VisitorErased", "ConversationErased", "CommandRejected", "CommandRejected"]
    assert (events[0].visitor_id, events[0].reason) == (VISITOR.id, "minor")
    assert [event.code for event in events[2:]] == ["not-found", "erased"]
    assert visitors.visitor_by_token(token_hash("secret")) is None
    assert visitors.erasure_by_token(token_hash("secret")).reason == "minor"
    assert not {"my secret", "my address", "Ann"} & set(everything_kept(desk).replace("'", " ").split(" "))
    assert desk.conversations.conversation(CUSTOMER, CONVERSATION).status == "erased"


@pytest.mark.parametrize("late", [an_acceptance(), a_closing(), a_closing(VISITOR), an_opening(), a_dropping()])
def test_an_erased_conversation_takes_no_command(desk: Desk, late):
    desk.do(an_opening(), a_flag())
    before = everything_kept(desk)
    events = desk.do(late)
    assert {event.code for event in events} <= {"erased", "not-found"}
    assert everything_kept(desk) == before


def test_a_flag_of_a_foreign_or_unknown_conversation_is_refused(desk: Desk):
    desk.do(an_opening())
    for given in ({"customer_id": "customer-2"}, {"conversation_id": "unknown"}):
        [event] = desk.do(a_flag(**given))
        assert event.code == "not-found"
    assert desk.conversations.conversation(CUSTOMER, CONVERSATION).status == "queued"


def test_a_flag_that_dies_anywhere_is_made_good_by_the_redelivery(desk: Desk, visitors: VisitorStore):
    point, has_lived = 0, False
    while not has_lived:
        point += 1
        conversation_id, visitor_id = f"c{point}", f"v{point}"
        desk.do(an_opening(conversation_id=conversation_id, visitor_id=visitor_id, text="my secret"))
        flag = a_flag(conversation_id=conversation_id, command_id=f"flag-{point}")
        has_lived = run_until(Fate(point), desk, RecordingBus(), [flag])
        desk.relay.forget()
        assert kinds(desk.do(flag, redelivered=True))[-1] == "ConversationErased"
        assert desk.conversations.conversation(CUSTOMER, conversation_id).status == "erased"
        [part] = visitors._parts.find({"_id": conversation_id})
        assert (sorted(part["waiting"]), part["found"]) == (
            ["surveys", "transcripts"],
            {"conversations": 1, "messages": 1},
        )
    assert "my secret" not in everything_kept(desk)
    assert point > 5


@pytest.mark.parametrize("told", [0, 1, 2])
def test_a_relay_that_was_away_brings_nothing_back_whatever_it_remembers(desk: Desk, other_desk: Desk, told: int):
    desk.do(an_opening(), an_acceptance(), *(a_post(f"{number}") for number in range(told)))
    other_desk.do(a_post("more"), a_flag())

    events = desk.do(a_post("back to life"), a_closing())

    assert [event.code for event in events] == ["not-found", "erased"]
    assert "back to life" not in everything_kept(desk)
    assert desk.conversations.conversation(CUSTOMER, CONVERSATION).status == "erased"


def test_an_erasure_that_is_asked_for_again_finds_nothing(desk: Desk, visitors: VisitorStore):
    desk.do(an_opening(text="one"), a_flag())
    erasure = visitors.begin_erasure(CUSTOMER, VISITOR.id, reason="minor", now=NOON)
    again = EraseLog(
        customer_id=CUSTOMER,
        command_id="again",
        conversation_id=CONVERSATION,
        erasure_id=erasure.erasure_id,
        look=1,
    )
    assert kinds(desk.do(again, again)) == ["ConversationErased", "ConversationErased"]
    [part] = visitors._parts.find()
    assert part["found"] == {"conversations": 1, "messages": 1}
    assert visitors._parts.database["messages"].count_documents({}) == 2
