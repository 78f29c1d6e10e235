"""The rules on their own: what is decided about a command, given what is stored."""

import itertools
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.chat import REJECTION_CODES, TEXT_MAX_LENGTH, CommandRejected, MessagePosted, Page, PostMessage, Sender
from services.chat import model
from services.chat.model import Arrival, Conversation, Head, Refused, conversation_key, message_key, plan_posts
from tests.chat.builders import (
    CONVERSATION,
    CUSTOMER,
    NOON,
    OPERATOR,
    OTHER_OPERATOR,
    VISITOR,
    a_closing,
    a_conversation,
    a_message,
    a_post,
    a_visitor,
    an_acceptance,
    an_acknowledgement,
    an_opening,
)

STRANGER = Sender(kind="visitor", id="visitor-2", name="Eve")
SYSTEM = Sender(kind="system", id="", name="")
KEY = (CUSTOMER, CONVERSATION)


def accepted_conversation() -> Conversation:
    return model.accepted(an_acceptance(command_id="accepting"), a_head(), accepted_at=NOON)


def a_head(conversation: Conversation | None = None, *, last_seq: int = 0) -> Head:
    return Head(conversation=conversation or a_conversation(), last_seq=last_seq)


def an_ended_head(*, last_seq: int = 0) -> Head:
    head = a_head(accepted_conversation(), last_seq=last_seq)
    head.end = model.ended(a_closing(command_id="closing"), head, closed_at=NOON, end_id="end")
    return head


def planned(*commands: PostMessage, heads=None, stored=None, most_messages=100):
    numbers = itertools.count(1)
    heads = {KEY: a_head()} if heads is None else heads
    return plan_posts(
        commands,
        heads,
        stored or {},
        most_messages=most_messages,
        sent_at=NOON,
        new_id=lambda: f"id-{next(numbers)}",
    )


def test_messages_get_the_next_places_in_order():
    plan = planned(a_post("one"), a_post("two"), heads={KEY: a_head(last_seq=4)})
    assert [(posting.answer.seq, posting.answer.text) for posting in plan] == [(5, "one"), (6, "two")]


def test_each_conversation_counts_for_itself():
    other = a_head(a_conversation(conversation_id="other"), last_seq=7)
    plan = planned(
        a_post(), a_post(conversation_id="other"), a_post(), heads={KEY: a_head(), (CUSTOMER, "other"): other}
    )
    assert [posting.answer.seq for posting in plan] == [1, 8, 2]


def test_the_answer_says_what_is_stored_and_what_caused_it():
    command = a_post()
    [posting] = planned(command, heads={KEY: a_head(accepted_conversation())})
    assert posting.answer == MessagePosted(
        customer_id=CUSTOMER,
        conversation_id=CONVERSATION,
        caused_by=command.command_id,
        visitor_id=VISITOR.id,
        operator_id=OPERATOR.id,
        seq=1,
        message_id="id-1",
        client_id=command.client_id,
        sender=VISITOR,
        text="Hello",
        sent_at=NOON,
    )


def test_a_repeated_message_gets_the_first_answer_and_no_place():
    said = a_message(3, client_id="c")
    command = a_post("Hello again", client_id="c")
    [posting] = planned(command, stored={message_key(said): said}, heads={KEY: a_head(last_seq=3)})
    assert posting.message is None
    assert (posting.answer.seq, posting.answer.text, posting.answer.message_id) == (3, said.text, said.message_id)
    assert posting.answer.caused_by == command.command_id


def test_a_message_repeated_in_the_same_batch_is_stored_once():
    first, second = planned(a_post(client_id="c"), a_post(client_id="c"))
    assert (first.message is not None, second.message) == (True, None)
    assert first.answer.seq == second.answer.seq == 1


def test_the_client_id_of_another_sender_is_another_message():
    heads = {KEY: a_head(accepted_conversation())}
    first, second = planned(a_post("mine", client_id="1"), a_post("yours", client_id="1", sender=OPERATOR), heads=heads)
    assert [first.answer.text, second.answer.text] == ["mine", "yours"]
    assert [first.answer.seq, second.answer.seq] == [1, 2]


@pytest.mark.parametrize(
    ("command", "head", "code"),
    [
        (a_post(), None, "not-found"),
        (a_post(sender=STRANGER), a_head(), "not-found"),
        (a_post(sender=STRANGER), an_ended_head(), "not-found"),
        (a_post(), an_ended_head(), "not-open"),
        (a_post(sender=OPERATOR), a_head(), "not-a-party"),
        (a_post(sender=OTHER_OPERATOR), a_head(accepted_conversation()), "not-a-party"),
        (a_post(sender=SYSTEM), a_head(accepted_conversation()), "not-a-party"),
        (a_post(""), a_head(), "invalid"),
        (a_post("x" * (TEXT_MAX_LENGTH + 1)), a_head(), "invalid"),
        (a_post("x" * TEXT_MAX_LENGTH), a_head(), None),
        (a_post(sender=OPERATOR), a_head(accepted_conversation()), None),
    ],
)
def test_who_may_say_what_and_when(command, head, code):
    [posting] = planned(command, heads={KEY: head} if head else {})
    if code is None:
        assert posting.message is not None
    else:
        assert posting.message is None
        assert isinstance(posting.answer, CommandRejected)
        assert (posting.answer.code, posting.answer.detail) == (code, REJECTION_CODES[code])


def test_a_full_conversation_takes_no_more_and_still_answers_what_it_has():
    said = a_message(1, client_id="c")
    commands = [a_post("the last"), a_post("too much"), a_post(client_id="c"), a_post("")]
    plan = planned(*commands, heads={KEY: a_head(last_seq=2)}, stored={message_key(said): said}, most_messages=3)
    answers = [getattr(posting.answer, "code", None) or posting.answer.seq for posting in plan]
    assert answers == [3, "full", 1, "invalid"]


def test_a_refused_message_leaves_no_gap():
    plan = planned(a_post("one"), a_post(""), a_post("two"))
    assert [posting.message.seq for posting in plan if posting.message] == [1, 2]


def test_a_message_that_is_stored_is_answered_after_the_end_too():
    said = a_message(1, client_id="c")
    [posting] = planned(a_post(client_id="c"), heads={KEY: an_ended_head(last_seq=1)}, stored={message_key(said): said})
    assert posting.answer.seq == 1


def test_opening_again_changes_nothing():
    head = a_head()
    again = model.opened(an_opening(), head, capture=head.conversation.capture, opened_at=NOON + timedelta(hours=1))
    assert again is head.conversation


def test_a_conversation_of_another_visitor_cannot_be_opened():
    with pytest.raises(Refused, match="not-found"):
        model.opened(
            an_opening(visitor_id="visitor-2"), a_head(), capture=a_head().conversation.capture, opened_at=NOON
        )


def test_the_first_message_is_the_same_however_often_opening_is_tried():
    conversation = a_conversation(opened_by_command="first try")
    first = model.first_message(an_opening(text="Hi", command_id="second try"), conversation)
    assert (first.client_id, first.command_id, first.sender) == ("first try", "second try", VISITOR)
    assert model.first_message(an_opening(), conversation) is None


def test_accepting_takes_the_conversation_from_the_queue():
    conversation = accepted_conversation()
    assert (conversation.status, conversation.operator.id, conversation.accepted_at) == ("active", OPERATOR.id, NOON)


@pytest.mark.parametrize("command", [an_acceptance(command_id="accepting"), an_acceptance()])
def test_accepting_again_by_the_same_operator_changes_nothing(command):
    head = a_head(accepted_conversation())
    assert model.accepted(command, head, accepted_at=NOON + timedelta(hours=1)) is head.conversation


def test_an_acceptance_that_comes_again_after_the_end_gets_its_answer():
    head = an_ended_head()
    assert model.accepted(an_acceptance(command_id="accepting"), head, accepted_at=NOON) is head.conversation


@pytest.mark.parametrize(
    ("command", "head", "code"),
    [
        (an_acceptance(), None, "not-found"),
        (an_acceptance(OTHER_OPERATOR), a_head(accepted_conversation()), "already-accepted"),
        (an_acceptance(), an_ended_head(), "not-open"),
    ],
)
def test_when_accepting_is_refused(command, head, code):
    with pytest.raises(Refused, match=f"^{code}$"):
        model.accepted(command, head, accepted_at=NOON)


@pytest.mark.parametrize("by", [VISITOR, OPERATOR, SYSTEM])
def test_each_party_and_the_system_can_close(by):
    end = model.ended(a_closing(by), a_head(accepted_conversation(), last_seq=6), closed_at=NOON, end_id="end")
    assert (end.seq, end.closed_by) == (7, by)


@pytest.mark.parametrize(
    ("by", "head", "code"),
    [
        (VISITOR, None, "not-found"),
        (STRANGER, a_head(), "not-found"),
        (OPERATOR, a_head(), "not-a-party"),
        (OTHER_OPERATOR, a_head(accepted_conversation()), "not-a-party"),
        (VISITOR, an_ended_head(), "not-open"),
    ],
)
def test_when_closing_is_refused(by, head, code):
    with pytest.raises(Refused, match=f"^{code}$"):
        model.ended(a_closing(by), head, closed_at=NOON, end_id="end")


def test_closing_again_finds_the_end_that_stands():
    head = an_ended_head(last_seq=2)
    again = model.ended(a_closing(command_id="closing"), head, closed_at=NOON + timedelta(hours=1), end_id="other")
    assert again is head.end
    closed = model.closed(head.conversation, again, "digest")
    assert (closed.status, closed.last_seq, closed.digest, closed.closed_at) == ("closed", 2, "digest", NOON)


def test_a_visit_keeps_overlong_names_short():
    page = Page(url="u" * 9000, title="t" * 9000, referrer="r" * 9000)
    arrival = Arrival(site_id="site-1", page=page, ip="192.0.2.1", user_agent="a" * 9000, language="l" * 900)
    visit = model.began(arrival, a_visitor(), visit_id="visit-1", now=NOON)
    assert len(msgspec.json.encode(visit)) < 6000


def test_tokens_are_long_and_never_the_same():
    tokens = {model.new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(token) >= 43 for token in tokens)


def test_two_visitors_can_be_told_apart():
    assert model.visitor_name("0190-aaaa-bbbb-1c2d") == "Visitor 1C2D"


senders = st.sampled_from([VISITOR, OPERATOR, STRANGER])
posts = st.builds(
    a_post,
    st.sampled_from(["", "word", "x" * (TEXT_MAX_LENGTH + 1)]),
    sender=senders,
    client_id=st.sampled_from("abcdef"),
    conversation_id=st.sampled_from([CONVERSATION, "other", "unknown"]),
)


@given(st.lists(posts, max_size=30), st.lists(st.integers(0, 30), max_size=5))
def test_however_commands_come_and_batches_are_cut_the_places_have_no_gap_and_no_message_has_two(commands, cuts):
    heads = {KEY: a_head(accepted_conversation()), (CUSTOMER, "other"): a_head(a_conversation(conversation_id="other"))}
    stored = {}
    bounds = [0, *sorted(min(cut, len(commands)) for cut in cuts), len(commands)]
    for start, end in itertools.pairwise(bounds):
        plan = planned(*commands[start:end], heads=heads, stored=stored)
        assert [posting.command for posting in plan] == commands[start:end]
        for message in [posting.message for posting in plan if posting.message]:
            head = heads[conversation_key(message)]
            assert message.seq == head.last_seq + 1
            assert message_key(message) not in stored
            head.last_seq, stored[message_key(message)] = message.seq, message
    acceptable = [
        post
        for post in commands
        if model.refusal_of(post, heads.get(conversation_key(post)), seq=1, most_messages=100) is None
    ]
    assert {message_key(post) for post in acceptable} == stored.keys()


@pytest.mark.parametrize(
    ("acknowledged", "needed", "is_refused"),
    [
        ("1", None, False),
        ("1", "1", False),
        ("1", "2", True),
        # Of two gateways, one may know of a new version before the other.
        ("10", "9", False),
        ("9", "10", True),
        ("", "1", True),
        ("x", "1", True),
    ],
)
def test_a_message_needs_the_version_that_its_gateway_names_or_a_later_one(acknowledged, needed, is_refused):
    head = a_head(a_conversation(acknowledged_policy_version=acknowledged))
    [posting] = planned(a_post(policy_version=needed), heads={KEY: head})

    assert isinstance(posting.answer, CommandRejected) == is_refused
    if is_refused:
        assert posting.answer.code == "policy-not-acknowledged"


def test_what_was_stored_before_the_policy_changed_is_answered_as_it_was():
    command = a_post(policy_version="2")
    said = a_message(1, client_id=command.client_id, text=command.text)
    [posting] = planned(command, stored={message_key(command): said})

    assert isinstance(posting.answer, MessagePosted)


def test_a_later_version_is_acknowledged_once_and_never_taken_back():
    later = NOON + timedelta(hours=1)
    conversation = model.acknowledged(an_acknowledgement("2"), a_head(), acknowledged_at=NOON)

    assert (conversation.acknowledged_policy_version, conversation.policy_acknowledged_at) == ("2", NOON)
    for version in ("2", "1"):
        again = model.acknowledged(an_acknowledgement(version), a_head(conversation), acknowledged_at=later)
        assert again is conversation
    event = model.policy_acknowledged(conversation, caused_by="c")
    assert (event.version, event.acknowledged_at) == ("2", NOON)


def test_only_the_visitor_acknowledges_and_only_while_it_is_open():
    for command, head in (
        (an_acknowledgement(), None),
        (an_acknowledgement(visitor_id=STRANGER.id), a_head()),
    ):
        with pytest.raises(Refused, match="not-found"):
            model.acknowledged(command, head, acknowledged_at=NOON)
    with pytest.raises(Refused, match="not-open"):
        model.acknowledged(an_acknowledgement(), an_ended_head(), acknowledged_at=NOON)
