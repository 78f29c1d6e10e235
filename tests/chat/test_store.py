"""The real store; the part that the relay uses is tested on the fake in memory as well."""

from datetime import timedelta
from functools import partial

import msgspec
import pytest

from chassis.mongo import StoreUnavailable
from contracts.chat import Capture, Page
from services.chat import model
from services.chat.model import Place
from services.chat.store import ConversationStore, Fenced, VisitorStore
from services.gateway.cookies import VISITOR_LASTS
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
    a_visit,
    a_visitor,
    an_acceptance,
)
from tests.chat.fakes import MemoryConversations

KEY = (CUSTOMER, CONVERSATION)


@pytest.fixture(params=["mongo", "memory"])
def kept(request: pytest.FixtureRequest):
    return request.getfixturevalue("conversations") if request.param == "mongo" else MemoryConversations()


def an_accepted(conversation, by=OPERATOR):
    head = model.Head(conversation=conversation, last_seq=0)
    return model.accepted(an_acceptance(by), head, accepted_at=NOON)


def an_end(conversation, *, last_seq):
    head = model.Head(conversation=conversation, last_seq=last_seq)
    return model.ended(a_closing(VISITOR), head, closed_at=NOON, end_id=f"end-{last_seq}")


def test_a_conversation_comes_back_as_it_was_stored(kept):
    conversation = a_conversation(capture=Capture(ip="192.0.2.1", page=Page(url="https://shop.example/")))
    assert kept.open(conversation)
    assert kept.heads(CUSTOMER, [CONVERSATION])[KEY].conversation == conversation


def test_the_id_of_a_conversation_is_taken_once(kept):
    kept.open(a_conversation())
    assert not kept.open(a_conversation(customer_id="customer-2"))
    assert kept.heads("customer-2", [CONVERSATION]) == {}


def test_the_head_knows_the_last_message(kept):
    kept.open(a_conversation())
    assert kept.heads(CUSTOMER, [CONVERSATION])[KEY].last_seq == 0
    kept.append([a_message(1), a_message(2)])
    head = kept.heads(CUSTOMER, [CONVERSATION])[KEY]
    assert (head.last_seq, head.is_open) == (2, True)


def test_no_place_is_taken_twice_and_what_came_before_stays(kept):
    kept.append([a_message(2)])
    with pytest.raises(Fenced) as refused:
        kept.append([a_message(1), a_message(2), a_message(3)])
    assert (refused.value.stored, refused.value.fence) == (1, "seq")
    assert [message.seq for message in kept.log(CUSTOMER, CONVERSATION)] == [1, 2]


def test_no_message_of_a_sender_is_stored_twice(kept):
    kept.append([a_message(1, client_id="c")])
    with pytest.raises(Fenced) as refused:
        kept.append([a_message(2, client_id="c")])
    assert (refused.value.stored, refused.value.fence) == (0, "client_id")


def test_what_no_majority_has_is_unsure_and_not_taken_by_another(
    unsure: ConversationStore, conversations: ConversationStore
):
    conversation, message = a_conversation(), a_message(1, client_id="c")
    end = an_end(conversation, last_seq=1)
    writes = [
        partial(unsure.open, conversation),
        partial(unsure.append, [message]),
        partial(unsure.append, [a_message(1, conversation_id="other"), a_message(9, client_id="c")]),
        partial(unsure.accept, an_accepted(conversation)),
        partial(unsure.end, end),
        partial(unsure.close, model.closed(conversation, end, "digest")),
    ]
    for write in writes:
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                write()
    for refused in (conversations.open(conversation), conversations.end(end)):
        assert not refused


def test_erasing_waits_for_a_majority_too(unsure: ConversationStore, conversations: ConversationStore):
    conversations.open(a_conversation())
    conversations.append([a_message(1)])
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            unsure.erase(CUSTOMER, CONVERSATION, erasure_id="e", look=1, erased_at=NOON)


def test_two_senders_may_use_the_same_client_id(kept):
    mine, yours = a_message(1, client_id="1"), a_message(2, client_id="1", sender=OPERATOR)
    kept.append([mine, yours])
    keys = [model.message_key(mine), model.message_key(yours)]
    assert kept.stored(keys) == {keys[0]: mine, keys[1]: yours}


def test_stored_messages_are_found_by_their_whole_key_only(kept):
    message = a_message(1, client_id="c")
    kept.append([message])
    others = [("customer-2", CONVERSATION, VISITOR.id, "c"), (*KEY, "somebody", "c"), (*KEY, VISITOR.id, "d")]
    assert kept.stored(others) == {}
    assert kept.stored([]) == {}
    assert kept.stored([model.message_key(message)]) == {model.message_key(message): message}


def test_only_one_operator_gets_a_conversation(kept):
    kept.open(a_conversation())
    assert kept.accept(an_accepted(a_conversation()))
    assert not kept.accept(an_accepted(a_conversation(), OTHER_OPERATOR))
    assert kept.heads(CUSTOMER, [CONVERSATION])[KEY].conversation.operator.id == OPERATOR.id


def test_the_end_takes_the_place_after_the_last_message(kept):
    kept.open(a_conversation())
    kept.append([a_message(1)])
    end = an_end(a_conversation(), last_seq=1)
    assert kept.end(end)
    with pytest.raises(Fenced):
        kept.append([a_message(2)])
    head = kept.heads(CUSTOMER, [CONVERSATION])[KEY]
    assert (head.last_seq, head.is_open, head.end) == (1, False, end)
    assert [message.seq for message in kept.log(CUSTOMER, CONVERSATION)] == [1]


def test_the_end_gives_way_to_a_message_that_was_first(kept):
    kept.open(a_conversation())
    kept.append([a_message(1)])
    assert not kept.end(an_end(a_conversation(), last_seq=0))


def test_a_conversation_is_closed_once(kept):
    kept.open(a_conversation())
    end = an_end(a_conversation(), last_seq=0)
    kept.end(end)
    closed = model.closed(a_conversation(), end, "digest")
    assert kept.close(closed)
    assert not kept.close(closed)
    assert kept.heads(CUSTOMER, [CONVERSATION])[KEY].conversation == closed


def test_a_dropped_log_holds_no_words_and_keeps_its_places(kept):
    message = a_message(1, client_id="c")
    kept.open(a_conversation())
    kept.append([message])
    end = an_end(a_conversation(), last_seq=1)
    kept.end(end)
    assert not kept.drop_log(CUSTOMER, CONVERSATION, dropped_at=NOON)
    kept.close(model.closed(a_conversation(), end, "digest"))
    assert not kept.drop_log("customer-2", CONVERSATION, dropped_at=NOON)
    assert kept.drop_log(CUSTOMER, CONVERSATION, dropped_at=NOON)
    assert kept.drop_log(CUSTOMER, CONVERSATION, dropped_at=NOON)
    assert list(kept.log(CUSTOMER, CONVERSATION)) == []
    assert kept.stored([model.message_key(message)]) == {}
    head = kept.heads(CUSTOMER, [CONVERSATION])[KEY]
    assert (head.last_seq, head.conversation.is_sealed, head.is_open) == (1, True, False)
    for place in (1, 2):
        with pytest.raises(Fenced):
            kept.append([a_message(place)])


def test_nothing_personal_stays_in_a_dropped_log(conversations: ConversationStore, context):
    conversations.open(a_conversation(capture=Capture(ip="192.0.2.1", user_agent="Mozilla")))
    conversations.append([a_message(1, text="my secret words")])
    end = an_end(a_conversation(), last_seq=1)
    conversations.end(end)
    conversations.close(model.closed(a_conversation(), end, "digest"))
    conversations.drop_log(CUSTOMER, CONVERSATION, dropped_at=NOON)
    everything = str([list(context.database[name].find()) for name in ("messages", "conversations")])
    for word in ("secret", "192.0.2.1", "Mozilla"):
        assert word not in everything


def test_messages_are_read_in_order_after_a_place(conversations: ConversationStore):
    messages = [a_message(seq) for seq in range(1, 6)]
    conversations.append(messages)
    assert conversations.messages(CUSTOMER, CONVERSATION, after=2, limit=2) == messages[2:4]
    assert conversations.messages("customer-2", CONVERSATION, after=0, limit=9) == []


def test_a_log_longer_than_a_page_is_read_whole(conversations: ConversationStore):
    conversations.append([a_message(seq) for seq in range(1, 451)])
    assert [message.seq for message in conversations.log(CUSTOMER, CONVERSATION)] == list(range(1, 451))


def test_last_messages_leave_out_the_end(conversations: ConversationStore):
    conversations.open(a_conversation())
    conversations.append([a_message(1)])
    conversations.end(an_end(a_conversation(), last_seq=1))
    conversations.open(a_conversation(conversation_id="silent"))
    last = conversations.last_messages(CUSTOMER, [CONVERSATION, "silent", "unknown"])
    assert {key: message.seq for key, message in last.items()} == {CONVERSATION: 1}
    assert conversations.last_messages("customer-2", [CONVERSATION]) == {}


def the_day(conversations: ConversationStore) -> None:
    for number in range(5):
        conversation = a_conversation(conversation_id=f"c{number}", opened_at=NOON + timedelta(minutes=number // 2))
        conversations.open(conversation)
        if number == 1:
            conversations.accept(an_accepted(conversation))


def ids(found) -> list[str]:
    return [conversation.conversation_id for conversation in found]


def test_the_queue_is_in_order_of_waiting_and_counts_from_one(conversations: ConversationStore):
    the_day(conversations)
    waiting = conversations.conversations(CUSTOMER, visitor_id=None, status="queued", after=None, limit=9)
    assert ids(waiting) == ["c0", "c2", "c3", "c4"]
    assert conversations.queue(CUSTOMER) == {"c0": 1, "c2": 2, "c3": 3, "c4": 4}
    assert [conversations.position(CUSTOMER, conversation) for conversation in waiting] == [1, 2, 3, 4]
    assert conversations.queue("customer-2") == {}


@pytest.mark.parametrize(
    ("status", "expected"), [(None, ["c4", "c3", "c2", "c1", "c0"]), ("queued", ["c0", "c2", "c3", "c4"])]
)
def test_pages_of_a_list_join_without_gap_or_overlap(conversations: ConversationStore, status, expected):
    the_day(conversations)
    seen: list[str] = []
    after = None
    while page := conversations.conversations(CUSTOMER, visitor_id=None, status=status, after=after, limit=2):
        seen += ids(page)
        after = Place(page[-1].opened_at, page[-1].conversation_id)
    assert seen == expected


def test_lists_show_one_customer_and_one_visitor_only(conversations: ConversationStore):
    the_day(conversations)
    conversations.open(a_conversation(conversation_id="other", visitor_id="visitor-2"))
    listed = conversations.conversations(CUSTOMER, visitor_id="visitor-2", status=None, after=None, limit=9)
    assert ids(listed) == ["other"]
    assert conversations.conversations("customer-2", visitor_id=None, status=None, after=None, limit=9) == []
    assert conversations.conversation("customer-2", "other") is None


def test_a_visitor_is_found_by_the_hash_of_the_token(visitors: VisitorStore):
    visitors.add_visitor(CUSTOMER, a_visitor())
    assert visitors.visitor_by_token(model.token_hash("secret")) == a_visitor()
    assert visitors.visitor_by_token("secret") is None


def test_a_visit_goes_on_with_the_next_page_and_forgets_the_oldest(visitors: VisitorStore):
    visitors.add_visit(CUSTOMER, a_visit())
    for number in range(60):
        visit = a_visit(pages=(Page(url=f"https://shop.example/{number}"),), ip="192.0.2.9", seen_at=NOON)
        assert visitors.continue_visit(CUSTOMER, visit, seen_since=NOON).visit_id == "visit-1"
    stored = visitors.visit(CUSTOMER, "visit-1", visitor_id=VISITOR.id)
    assert stored is not None
    assert len(stored.pages) == model.TRAIL_LENGTH
    assert stored.capture().page == Page(url="https://shop.example/59")
    assert stored.ip == "192.0.2.9"


def test_a_visit_does_not_go_on_after_a_pause_or_elsewhere(visitors: VisitorStore):
    visitors.add_visit(CUSTOMER, a_visit())
    later = NOON + timedelta(minutes=1)
    assert visitors.continue_visit(CUSTOMER, a_visit(), seen_since=later) is None
    assert visitors.continue_visit("customer-2", a_visit(), seen_since=NOON) is None
    assert visitors.continue_visit(CUSTOMER, a_visit(site_id="site-2"), seen_since=NOON) is None


def test_a_visit_belongs_to_its_visitor_and_customer(visitors: VisitorStore):
    visitors.add_visit(CUSTOMER, a_visit())
    assert visitors.visit("customer-2", "visit-1", visitor_id=VISITOR.id) is None
    assert visitors.visit(CUSTOMER, "visit-1", visitor_id="visitor-2") is None
    assert visitors.latest_visit_ids("customer-2", [VISITOR.id]) == {}


def test_the_latest_visit_is_the_one_seen_last(visitors: VisitorStore):
    visitors.add_visit(CUSTOMER, a_visit(visit_id="late", seen_at=NOON + timedelta(hours=1)))
    visitors.add_visit(CUSTOMER, a_visit(visit_id="early"))
    assert visitors.latest_visit_ids(CUSTOMER, [VISITOR.id, "visitor-2"]) == {VISITOR.id: "late"}


def test_the_number_of_partitions_stays_what_it_was_first(conversations: ConversationStore):
    assert conversations.partitions_in_force(32) == 8
    assert conversations.partitions_in_force(8) == 8


def test_the_head_is_read_by_index_however_long_the_log_is(conversations: ConversationStore, context):
    conversations.open(a_conversation())
    conversations.append([a_message(seq) for seq in range(1, 1001)])
    context.database.command("profile", 2)
    try:
        conversations.heads(CUSTOMER, [CONVERSATION])
        [seen] = context.database["system.profile"].find({"command.aggregate": "conversations"})
    finally:
        context.database.command("profile", 0)
    assert seen["docsExamined"] <= 2


def test_a_message_keeps_every_character_that_json_can_carry(conversations: ConversationStore):
    message = a_message(1, text="\x00 \u2028 𝄞 e\u0301 \uffff")
    conversations.append([message])
    assert list(conversations.log(CUSTOMER, CONVERSATION)) == [msgspec.structs.replace(message)]


def test_visits_are_forgotten_as_late_as_the_longest_cookie(context):
    indexes = context.database["visits"].index_information().values()
    days = [index["expireAfterSeconds"] / 86_400 for index in indexes if index["key"] == [("seen_at", 1)]]
    assert days == [VISITOR_LASTS.days]
