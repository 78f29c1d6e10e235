"""What is erased stays erased, whatever arrives, is archived or is fetched at the same moment."""

from collections.abc import Callable

import msgspec
import pytest

from chassis.testing import a_delivery
from contracts.transcripts import EraseTranscript, TranscriptErased
from services.transcripts import actions
from services.transcripts.consumer import record_deliveries
from services.transcripts.model import Message, TranscriptNotFound, packed
from services.transcripts.store import TranscriptStore
from tests.erasing import nothing_rests
from tests.transcripts.builders import BEGINNING, Dialogue, shown


@pytest.fixture
def database(context):
    return context.database


def command_for(dialogue: Dialogue, look: int = 1) -> EraseTranscript:
    return EraseTranscript(
        customer_id=dialogue.customer_id,
        erasure_id="erasure-1",
        conversation_id=dialogue.conversation_id,
        look=look,
    )


def erase(dialogue: Dialogue, store: TranscriptStore, look: int = 1, discard=nothing_rests) -> None:
    actions.erase_transcripts([command_for(dialogue, look)], store=store, discard=discard, now=BEGINNING)


def receipts(database) -> list[TranscriptErased]:
    rows = database["outbox"].find({"type": TranscriptErased.routing_key}).sort("_id", 1)
    return [msgspec.json.decode(row["payload"], type=TranscriptErased) for row in rows]


def everything(database) -> str:
    collections = ("transcripts", "messages", "archives")
    return str([list(database[name].find()) for name in collections])


def record(dialogue: Dialogue, store: TranscriptStore) -> None:
    said = [dialogue.opened, dialogue.accepted, *dialogue.messages, dialogue.response]
    actions.record(said, store=store)


def seal(dialogue: Dialogue, store: TranscriptStore) -> None:
    record(dialogue, store)
    actions.record([dialogue.closed], store=store)
    actions.seal_transcript(dialogue.closed, store=store, fetch=lambda *_: [], now=BEGINNING)


def is_gone(dialogue: Dialogue, store: TranscriptStore, database) -> bool:
    [tombstone] = database["transcripts"].find({"_id": dialogue.conversation_id})
    assert set(tombstone) == {"_id", "customer_id", "erased_at"}
    assert "Vera" not in everything(database)
    assert "parcel" not in everything(database)
    with pytest.raises(TranscriptNotFound):
        store.get(dialogue.customer_id, dialogue.conversation_id)
    return not database["messages"].count_documents({}) and not database["archives"].count_documents({})


@pytest.mark.parametrize("prepare", [record, seal])
def test_everything_of_a_conversation_goes_and_the_receipt_says_what(prepare: Callable, store, database):
    dialogue = Dialogue()
    prepare(dialogue, store)

    erase(dialogue, store)

    assert is_gone(dialogue, store, database)
    [receipt] = receipts(database)
    assert receipt.removed == {"transcripts": 1, "transcript_messages": 3} | (
        {"announcements": 1} if prepare is seal else {}
    )
    assert (receipt.erasure_id, receipt.look) == ("erasure-1", 1)


def test_the_archive_goes_as_well(store, database):
    dialogue = Dialogue()
    seal(dialogue, store)
    transcript = store.get(dialogue.customer_id, dialogue.conversation_id)
    assert actions.archive_transcript(transcript, store=store, now=BEGINNING)

    erase(dialogue, store)

    assert is_gone(dialogue, store, database)
    assert receipts(database)[0].removed["archive_parts"] == 1


def test_the_second_look_finds_nothing_and_gives_a_receipt_all_the_same(store, database):
    dialogue = Dialogue()
    seal(dialogue, store)

    erase(dialogue, store)
    erase(dialogue, store, look=2)

    assert [receipt.removed for receipt in receipts(database)][1] == {}


def test_dead_letters_are_counted(store, database):
    dialogue = Dialogue()
    erase(dialogue, store, discard=lambda ids: dict.fromkeys(ids, 2))
    assert receipts(database)[0].removed == {"dead_letters": 2}


def test_another_conversation_and_the_same_of_another_customer_stay(store, database):
    mine, other = Dialogue(), Dialogue()
    seal(mine, store)
    seal(other, store)
    erase(mine, store)
    assert len(list(store.messages(other.customer_id, other.conversation_id))) == 3
    assert store.get(other.customer_id, other.conversation_id).visitor_name == "Vera"


def test_what_is_delivered_later_in_any_order_brings_nothing_back(store, database):
    dialogue = Dialogue()
    erase(dialogue, store)
    late = [dialogue.closed, *dialogue.messages, dialogue.response, dialogue.accepted, dialogue.opened]

    for payload in late:
        record_deliveries([a_delivery(payload)], store=store, fetch=lambda *_: [], discard=nothing_rests)
    record_deliveries([a_delivery(each) for each in late], store=store, fetch=lambda *_: [], discard=nothing_rests)

    assert is_gone(dialogue, store, database)


def test_a_batch_with_the_erasure_in_it_leaves_nothing_of_what_comes_before_or_after(store, database):
    dialogue, other = Dialogue(), Dialogue()
    batch = [dialogue.opened, *dialogue.messages[:2], command_for(dialogue), *dialogue.messages[2:], *other.messages]

    record_deliveries([a_delivery(each) for each in batch], store=store, fetch=lambda *_: [], discard=nothing_rests)

    database["messages"].delete_many({"conversation_id": other.conversation_id})
    assert is_gone(dialogue, store, database)


class Interrupted:
    """A store in whose use something happens just before one of its methods does its work."""

    def __init__(self, store: TranscriptStore, method: str, happening: Callable[[], object]) -> None:
        self._store = store
        self._method = method
        self._happening = happening

    def __getattr__(self, name: str):
        if name == self._method:
            self._happening()
        return getattr(self._store, name)


@pytest.mark.parametrize("method", ["last_seqs", "add_messages", "note", "discard_late"])
def test_words_recorded_while_they_are_erased_do_not_stay(store, database, method: str):
    dialogue = Dialogue()
    record(dialogue, store)
    meanwhile = Interrupted(store, method, lambda: erase(dialogue, store))

    record(dialogue, meanwhile)

    assert is_gone(dialogue, store, database)


@pytest.mark.parametrize("method", ["messages", "put_archive", "content_of", "move_to_archive"])
def test_an_archive_made_while_its_transcript_is_erased_does_not_stay(store, database, method: str):
    dialogue = Dialogue()
    seal(dialogue, store)
    transcript = store.get(dialogue.customer_id, dialogue.conversation_id)
    meanwhile = Interrupted(store, method, lambda: erase(dialogue, store))

    assert actions._archived_or_left(transcript, store=meanwhile, now=BEGINNING) == "left"

    assert is_gone(dialogue, store, database)


def test_an_archiver_that_slept_through_an_erasure_leaves_no_part_behind(store, database):
    dialogue = Dialogue()
    seal(dialogue, store)
    transcript = store.get(dialogue.customer_id, dialogue.conversation_id)
    content = list(packed(transcript, store.messages(dialogue.customer_id, dialogue.conversation_id)))
    erase(dialogue, store)

    with pytest.raises(TranscriptNotFound):
        store.put_archive(transcript, content, now=BEGINNING)

    assert is_gone(dialogue, store, database)


@pytest.mark.parametrize("method", ["messages", "put_right", "seal"])
def test_words_fetched_from_chat_while_they_are_erased_do_not_stay(store, database, method: str):
    dialogue = Dialogue()
    actions.record([dialogue.opened, dialogue.messages[0], dialogue.closed], store=store)
    meanwhile = Interrupted(store, method, lambda: erase(dialogue, store))

    held = [msgspec.convert(shown(message), Message) for message in dialogue.messages]
    actions.seal_transcript(dialogue.closed, store=meanwhile, fetch=lambda *_: held, now=BEGINNING)

    assert is_gone(dialogue, store, database)


def test_what_chat_has_erased_already_is_not_missed(store, database):
    dialogue = Dialogue()
    actions.record([dialogue.opened, dialogue.messages[0], dialogue.closed], store=store)

    def fetch(*_):
        erase(dialogue, store)
        return []

    actions.seal_transcript(dialogue.closed, store=store, fetch=fetch, now=BEGINNING)

    assert is_gone(dialogue, store, database)


def test_a_postponed_seal_is_forgotten(store, database):
    dialogue = Dialogue()
    actions.record([dialogue.opened, dialogue.closed], store=store)
    store.postpone(dialogue.closed, until=BEGINNING)
    erase(dialogue, store)
    store.postpone(dialogue.closed, until=BEGINNING)
    assert store.postponed(BEGINNING, limit=10) == []
    assert is_gone(dialogue, store, database)
