from datetime import timedelta

import msgspec
import pytest
from pymongo.errors import BulkWriteError

from services.transcripts import actions
from services.transcripts.bootstrap import Context
from services.transcripts.model import Place, Search, TranscriptNotFound
from services.transcripts.store import PAGE, TranscriptStore
from tests.transcripts.builders import BEGINNING, Dialogue

NOW = BEGINNING + timedelta(hours=1)


def sealed(count: int, store: TranscriptStore) -> list[Dialogue]:
    dialogues = [Dialogue([f"parcel number {number}"]) for number in range(count)]
    for dialogue in dialogues:
        actions.record(dialogue.events, store=store)
        actions.seal_transcript(dialogue.closed, store=store, fetch=lambda *_: [], now=NOW)
    return dialogues


def test_every_question_is_answered_from_an_index_and_in_its_order(context: Context, store: TranscriptStore):
    dialogues = sealed(60, store)
    waiting = Dialogue()
    actions.record([waiting.closed], store=store)
    store.postpone(waiting.closed, until=NOW)
    context.database.command("profile", 2)

    place = Place(closed_at=dialogues[30].closed.closed_at, conversation_id=dialogues[30].conversation_id)
    store.find("acme", Search(), after=None, limit=10)
    store.find("acme", Search(since=BEGINNING, until=NOW), after=place, limit=10)
    store.find("acme", Search(words=("parcel", "7")), after=None, limit=10)
    store.find("acme", Search(words=("parcel",), since=BEGINNING), after=place, limit=10)
    last = store.sealed_before(NOW + timedelta(days=1), after=None, limit=10)[-1]
    store.sealed_before(NOW + timedelta(days=1), after=last, limit=10)
    store.postponed(NOW, limit=10)
    store.last_seqs({dialogue.conversation_id for dialogue in dialogues})
    actions.record(dialogues[0].events, store=store)
    actions.archive_transcript(last, store=store, now=NOW)
    actions.show_transcript("acme", last.conversation_id, store=store)

    context.database.command("profile", 0)
    asked = list(context.database["system.profile"].find({"op": {"$in": ["query", "update", "remove"]}}))
    plans = [(entry["ns"], entry.get("planSummary", ""), entry.get("hasSortStage", False)) for entry in asked]
    assert len(plans) > 12
    assert [plan for plan in plans if "COLLSCAN" in plan[1] or plan[2]] == []


def test_a_conversation_belongs_to_one_customer_for_ever(store: TranscriptStore):
    [mine] = sealed(1, store)
    theirs = Dialogue(customer_id="other")
    theirs.conversation_id = mine.conversation_id
    with pytest.raises(BulkWriteError):
        store.note([theirs.closed])
    with pytest.raises(TranscriptNotFound):
        store.get("other", mine.conversation_id)
    assert store.get("acme", mine.conversation_id).customer_id == "acme"


def test_messages_of_two_customers_never_meet(store: TranscriptStore):
    mine, theirs = Dialogue(["mine"]), Dialogue(["theirs"], customer_id="other")
    store.add_messages([mine.messages[0], theirs.messages[0]])
    assert list(store.messages("acme", theirs.conversation_id)) == []
    assert [message.text for message in store.messages("acme", mine.conversation_id)] == ["mine"]


def test_a_message_keeps_the_words_with_which_it_came_first(store: TranscriptStore):
    dialogue = Dialogue(["first"])
    store.add_messages([dialogue.messages[0]])
    store.add_messages([dialogue.with_other_words(1, "second")])
    assert [message.text for message in store.messages("acme", dialogue.conversation_id)] == ["first"]


def test_all_messages_are_read_in_order_page_by_page(store: TranscriptStore):
    dialogue = Dialogue([f"text {number}" for number in range(2 * PAGE)])
    store.add_messages([*reversed(dialogue.messages), msgspec.structs.replace(dialogue.messages[0], seq=-1)])
    assert [message.seq for message in store.messages("acme", dialogue.conversation_id)] == [
        -1,
        *range(1, 2 * PAGE + 1),
    ]


def test_a_seal_happens_once_and_is_announced_once(context: Context, store: TranscriptStore):
    [dialogue] = sealed(1, store)
    before = store.get("acme", dialogue.conversation_id)
    later = NOW + timedelta(days=1)
    actions.seal_transcript(dialogue.closed, store=store, fetch=lambda *_: [], now=later)
    assert store.get("acme", dialogue.conversation_id) == before
    assert context.database["outbox"].count_documents({}) == 1


def test_indexes_may_be_ensured_again(store: TranscriptStore):
    store.ensure_indexes()
