"""Answers that are erased stay erased, whichever comes first: the answers, the opening, or the erasure."""

from contextlib import suppress
from datetime import timedelta
from functools import partial

import msgspec
import pytest

from chassis.testing import a_delivery
from contracts.surveys import AnswersErased, EraseAnswers
from services.surveys import actions
from services.surveys.consumer import handle_deliveries
from services.surveys.model import ConversationErased, Opening
from services.surveys.store import TOMBSTONE_KEPT, SurveyStore
from tests.erasing import nothing_rests
from tests.surveys.builders import NOON, a_response, an_opening_event, at_once

COMMAND = EraseAnswers(customer_id="customer-1", erasure_id="erasure-1", conversation_id="conversation-1", look=1)
OF_VISITOR = msgspec.structs.replace(COMMAND, conversation_id="visitor-1")
OPENING = Opening(customer_id="customer-1", conversation_id="conversation-1", site_id="site-1")


@pytest.fixture
def store(database) -> SurveyStore:
    made = SurveyStore(database)
    made.ensure_indexes()
    return made


def erase(store: SurveyStore, discard=nothing_rests, command=COMMAND) -> None:
    handle_deliveries([a_delivery(command)], store=store, discard=discard, clock=lambda: NOON)


def receipts(database) -> list[AnswersErased]:
    rows = database["outbox"].find({"type": AnswersErased.routing_key}).sort("_id", 1)
    return [msgspec.json.decode(row["payload"], type=AnswersErased) for row in rows]


def answer(store: SurveyStore, **fields) -> None:
    store.add(a_response(**fields), announcing=actions._recorded, now=NOON)


def attach(store: SurveyStore) -> None:
    actions.attach_responses(an_opening_event(), store=store, clock=lambda: NOON)


def is_gone(database) -> bool:
    [opening] = database["openings"].find({"conversation_id": "conversation-1"})
    assert set(opening) == {"_id", "customer_id", "conversation_id", "erased_at", "expires_at"}
    assert opening["expires_at"] == NOON + TOMBSTONE_KEPT
    return "ada@example.com" not in str([list(database[name].find()) for name in ("responses", "openings", "outbox")])


def test_pending_and_attached_answers_go_with_what_was_to_be_announced(store, database):
    answer(store)
    attach(store)
    assert "ada@example.com" in str(list(database["outbox"].find()))

    erase(store)
    erase(store)

    assert is_gone(database)
    assert [receipt.removed for receipt in receipts(database)] == [{"responses": 1, "announcements": 1}, {}]


def test_answers_of_another_conversation_stay(store, database):
    answer(store)
    answer(store, conversation_id="conversation-2", occasion_id="conversation-2", response_id="response-2")
    erase(store)
    [kept] = database["responses"].find()
    assert kept["conversation_id"] == "conversation-2"


def test_answers_that_come_late_are_refused_and_an_opening_changes_nothing(store, database):
    erase(store)

    with pytest.raises(ConversationErased):
        answer(store)
    attach(store)
    with pytest.raises(ConversationErased):
        answer(store)

    assert is_gone(database)


def test_the_bare_id_outlives_the_hour_after_which_openings_are_forgotten(store, database):
    attach(store)
    erase(store)
    assert store.attach(OPENING, announcing=actions._recorded, now=NOON + timedelta(days=1)) == []
    assert is_gone(database)


def test_dead_letters_are_counted(store, database):
    erase(store, discard=lambda ids: dict.fromkeys(ids, 3))
    assert receipts(database)[0].removed == {"dead_letters": 3}


def test_answers_before_a_conversation_that_was_never_opened_go_with_their_visitor(store, database):
    answer(store, visitor_id="visitor-1")
    others = {"conversation_id": "conversation-2", "occasion_id": "conversation-2"}
    answer(store, visitor_id="visitor-2", response_id="response-2", **others)

    erase(store, command=OF_VISITOR)
    erase(store, command=OF_VISITOR)

    [kept] = database["responses"].find()
    assert kept["visitor_id"] == "visitor-2"
    assert [receipt.removed for receipt in receipts(database)] == [{"responses": 1}, {}]


def test_a_later_look_for_a_visitor_removes_what_is_there_all_the_same(store, database):
    erase(store, command=OF_VISITOR)
    database["responses"].insert_one(msgspec.to_builtins(a_response(visitor_id="visitor-1")))

    erase(store, command=OF_VISITOR)

    assert [receipt.removed for receipt in receipts(database)] == [{}, {"responses": 1}]


@pytest.mark.parametrize("placement", ["pre-chat", "post-chat", "offline"])
def test_answers_of_an_erased_visitor_that_come_late_are_refused(store, database, placement):
    erase(store, command=OF_VISITOR)
    before = list(database["openings"].find())
    where = {} if placement != "offline" else {"conversation_id": None, "occasion_id": "visitor-1.form-1"}

    with pytest.raises(ConversationErased):
        answer(store, visitor_id="visitor-1", placement=placement, **where)

    assert list(database["responses"].find()) == []
    assert list(database["openings"].find()) == before


@pytest.mark.parametrize("attempt", range(5))
def test_answers_and_the_erasure_of_their_visitor_that_pass_each_other_leave_nothing(store, database, attempt):
    def answer_unless_erased() -> None:
        with suppress(ConversationErased):
            answer(store, visitor_id="visitor-1")

    at_once(answer_unless_erased, partial(erase, store, command=OF_VISITOR))

    assert list(database["responses"].find()) == []


@pytest.mark.parametrize("erased_first", [True, False])
def test_what_comes_in_one_batch_is_attached_and_erased_whatever_its_order(store, database, erased_first):
    numbers = range(1, 7)
    for number in numbers:
        which = {"conversation_id": f"conversation-{number}", "occasion_id": f"conversation-{number}"}
        answer(store, response_id=f"response-{number}", **which)
    opened = [a_delivery(an_opening_event(conversation_id=f"conversation-{number}")) for number in numbers]
    commands = [
        a_delivery(msgspec.structs.replace(COMMAND, conversation_id=f"conversation-{number}")) for number in (1, 2, 3)
    ]
    batch = commands + opened if erased_first else opened + commands
    handle_deliveries(batch, store=store, discard=nothing_rests, clock=lambda: NOON)

    kept = {row["conversation_id"]: row["expires_at"] for row in database["responses"].find()}
    assert kept == {f"conversation-{number}": None for number in (4, 5, 6)}
    assert sorted(receipt.conversation_id for receipt in receipts(database)) == [
        f"conversation-{number}" for number in (1, 2, 3)
    ]


def test_dead_letters_are_looked_through_once_a_batch(store):
    asked = []

    def discard(conversation_ids):
        asked.append(set(conversation_ids))
        return {}

    others = msgspec.structs.replace(COMMAND, conversation_id="conversation-2")
    handle_deliveries([a_delivery(COMMAND), a_delivery(others)], store=store, discard=discard, clock=lambda: NOON)
    assert asked == [{"conversation-1", "conversation-2"}]
