"""A conversation may be as long as it likes: nobody who seals, checks, archives or pages through it holds it whole."""

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import msgspec
import pytest
from flask.testing import FlaskClient

from services.transcripts import actions
from services.transcripts.model import Message
from services.transcripts.store import COMPRESSION, PAGE, TranscriptStore
from tests.transcripts.builders import BEGINNING, Dialogue, shown
from tests.transcripts.conftest import Headers

NOW = BEGINNING + timedelta(hours=1)
MEGABYTE = 1024 * 1024
LENGTH = 4000
COUNT = 25 * PAGE
"""Twenty megabytes of words, of which a page is less than one."""
MOST = 8 * MEGABYTE


@pytest.fixture
def long(store: TranscriptStore) -> Dialogue:
    dialogue = Dialogue([f"{number:0{LENGTH}}" for number in range(COUNT)])
    actions.record([dialogue.opened, dialogue.closed], store=store)
    return dialogue


def record_words(dialogue: Dialogue, store: TranscriptStore) -> None:
    for start in range(0, COUNT, PAGE):
        actions.record(dialogue.messages[start : start + PAGE], store=store)


def chat_holding(dialogue: Dialogue) -> Callable[[str, str], Iterator[Message]]:
    return lambda *_: (msgspec.convert(shown(message), Message) for message in dialogue.messages)


def chat_unasked(customer_id: str, conversation_id: str) -> Iterator[Message]:
    raise AssertionError("chat was asked")


def seal(dialogue: Dialogue, store: TranscriptStore, fetch=chat_unasked) -> None:
    actions.seal_transcript(dialogue.closed, store=store, fetch=fetch, now=NOW)


@contextmanager
def little_held() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert held < MOST, f"{held / MEGABYTE:.0f} MB"


def test_it_is_sealed_and_archived_with_little_held(long: Dialogue, store: TranscriptStore):
    record_words(long, store)
    with little_held():
        seal(long, store)
    transcript = store.get(long.customer_id, long.conversation_id)
    with little_held():
        assert actions.archive_transcript(transcript, store=store, now=NOW)


def test_what_compresses_it_takes_little_itself():
    # The compressor's tables are not Python's, so that nothing above has seen them.
    assert COMPRESSION.estimated_compression_context_size() < 2 * MEGABYTE


def test_what_is_missing_is_fetched_with_little_held(long: Dialogue, store: TranscriptStore):
    store.add_messages([long.messages[1], long.with_other_words(PAGE + 1, "other")])
    with little_held():
        seal(long, store, fetch=chat_holding(long))
    assert store.get(long.customer_id, long.conversation_id).last_seq == COUNT


@pytest.mark.parametrize("is_archived", [False, True], ids=["live", "archived"])
def test_a_page_of_it_is_shown_with_little_held(
    long: Dialogue, store: TranscriptStore, client: FlaskClient, headers: Headers, is_archived: bool
):
    record_words(long, store)
    seal(long, store)
    if is_archived:
        actions.archive_transcript(store.get(long.customer_id, long.conversation_id), store=store, now=NOW)
    path = f"/internal/v1/transcripts/{long.conversation_id}/messages"
    with little_held():
        answer = client.get(path, query_string={"after": COUNT - 2, "limit": 200}, headers=headers())
    assert [message["seq"] for message in answer.json["messages"]] == [COUNT - 1, COUNT]
    assert answer.json["last_seq"] == COUNT


@pytest.mark.parametrize("is_archived", [False, True], ids=["live", "archived"])
def test_a_page_of_right_words_is_not_shown_where_others_are_damaged(
    store: TranscriptStore, client: FlaskClient, headers: Headers, is_archived: bool
):
    dialogue = Dialogue([f"text {number}" for number in range(2 * PAGE)])
    actions.record(dialogue.events, store=store)
    seal(dialogue, store)
    if is_archived:
        actions.archive_transcript(store.get(dialogue.customer_id, dialogue.conversation_id), store=store, now=NOW)
        store._transcripts.update_one({}, {"$set": {"digest": dialogue.closed.digest[::-1]}})
    else:
        store._messages.update_one({"seq": 2 * PAGE}, {"$set": {"text": "another"}})
    path = f"/internal/v1/transcripts/{dialogue.conversation_id}/messages"
    answer = client.get(path, query_string={"limit": 10}, headers=headers())
    assert (answer.status_code, answer.json["code"]) == (500, "transcript-damaged")
