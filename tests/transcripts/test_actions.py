"""What transcripts does, on a real database; what it asks of chat is given as a function."""

import itertools
import random
from collections.abc import Callable, Sequence
from datetime import timedelta

import msgspec
import pytest

from chassis.http import ServiceUnavailable
from contracts.chat import Capture, MessagePosted, Page
from contracts.payload import Event
from contracts.transcripts import TranscriptSealed
from services.transcripts import actions
from services.transcripts.bootstrap import Context
from services.transcripts.model import Message, Transcript, TranscriptDamaged, TranscriptNotFound, WordsMissing
from services.transcripts.store import TranscriptStore
from tests.transcripts.builders import BEGINNING, CHROME, IPHONE, Dialogue, shown

NOW = BEGINNING + timedelta(hours=1)


def chat_holding(messages: Sequence[MessagePosted] = ()) -> actions.FetchMessages:
    held = [msgspec.convert(shown(message), Message) for message in messages]
    return lambda customer_id, conversation_id: held


def chat_unasked(customer_id: str, conversation_id: str) -> Sequence[Message]:
    raise AssertionError("chat was asked")


def seal(dialogue: Dialogue, *, store: TranscriptStore, fetch: actions.FetchMessages = chat_unasked) -> None:
    actions.seal_transcript(dialogue.closed, store=store, fetch=fetch, now=NOW)


def sealed(dialogue: Dialogue, *, store: TranscriptStore) -> Transcript:
    actions.record(dialogue.events, store=store)
    seal(dialogue, store=store)
    return store.get(dialogue.customer_id, dialogue.conversation_id)


def texts(dialogue: Dialogue, *, store: TranscriptStore) -> list[str]:
    _, messages = actions.show_transcript(dialogue.customer_id, dialogue.conversation_id, store=store)
    return [message.text for message in messages]


def announced(context: Context) -> list[TranscriptSealed]:
    rows = context.database["outbox"].find(sort=[("_id", 1)])
    return [msgspec.json.decode(row["payload"], type=TranscriptSealed) for row in rows]


def archive_everything(store: TranscriptStore) -> int:
    return actions.archive_transcripts(store=store, sealed_before=NOW + timedelta(seconds=1), now=NOW)


def corrupt(context: Context, change: Callable[[bytes], bytes]) -> None:
    [part] = context.database["archives"].find()
    context.database["archives"].update_one({"_id": part["_id"]}, {"$set": {"data": change(part["data"])}})


def test_a_closed_conversation_becomes_a_transcript_with_all_that_is_known(context: Context, store: TranscriptStore):
    dialogue = Dialogue()
    transcript = sealed(dialogue, store=store)
    assert texts(dialogue, store=store) == ["Hello", "Hello, how can I help?", "My parcel is late"]
    assert transcript.captured.browser == "Chrome 126"
    assert transcript.captured.ip == "203.0.113.9"
    assert transcript.acknowledged_policy_version == "2026-01"
    assert [operator.name for operator in transcript.operators] == ["Otto"]
    assert [response.answers[0].value for response in transcript.responses] == ["vera@example.org"]
    [event] = announced(context)
    assert event.conversation_id == dialogue.conversation_id
    assert event.digest == dialogue.closed.digest


def test_events_may_come_in_any_order(store: TranscriptStore):
    expected: Transcript | None = None
    for order in itertools.islice(itertools.permutations(range(4)), 24):
        dialogue = Dialogue(["one"])
        around = [dialogue.response, dialogue.opened, dialogue.accepted, dialogue.messages[0]]
        for place in order:
            actions.record([around[place]], store=store)
        actions.record([dialogue.closed], store=store)
        seal(dialogue, store=store)
        found = store.get(dialogue.customer_id, dialogue.conversation_id)
        comparable = msgspec.structs.replace(
            found, conversation_id="", visitor_id="", digest="", responses=len(found.responses)
        )
        expected = expected or comparable
        assert comparable == expected


def test_every_event_may_come_twice(context: Context, store: TranscriptStore):
    dialogue = Dialogue()
    before = sealed(dialogue, store=store)
    for event in dialogue.events:
        actions.record([event, event], store=store)
        seal(dialogue, store=store)
    assert store.get(dialogue.customer_id, dialogue.conversation_id) == before
    assert len(texts(dialogue, store=store)) == 3
    assert len(announced(context)) == 1


def remind(dialogue: Dialogue, *, store: TranscriptStore) -> None:
    reminder = msgspec.structs.replace(dialogue.closed, is_reminder=True)
    actions.seal_transcript(reminder, store=store, fetch=lambda *_: [], now=NOW)


def test_who_has_not_heard_that_it_is_sealed_is_told_again(context: Context, store: TranscriptStore):
    dialogue = Dialogue()
    sealed(dialogue, store=store)
    remind(dialogue, store=store)
    first, again = announced(context)
    assert first == again


def test_a_reminder_of_what_was_never_heard_of_seals_it(context: Context, store: TranscriptStore):
    dialogue = Dialogue()
    actions.record([*dialogue.messages, dialogue.opened], store=store)
    remind(dialogue, store=store)
    assert len(announced(context)) == 1


def test_of_an_erased_transcript_nobody_is_told_that_it_is_sealed(context: Context, store: TranscriptStore):
    dialogue = Dialogue()
    sealed(dialogue, store=store)
    context.database["transcripts"].update_one({}, {"$set": {"erased_at": NOW}})
    context.database["outbox"].delete_many({})
    remind(dialogue, store=store)
    assert announced(context) == []


def test_the_pages_of_the_visit_are_on_the_record_and_stay_when_the_end_is_told_again_without(store: TranscriptStore):
    dialogue = Dialogue()
    trail = (Page(url="https://shop.example/"), Page(url="https://shop.example/2", seen_at=dialogue.began_at))
    actions.record([*dialogue.events[:-1], msgspec.structs.replace(dialogue.closed, trail=trail)], store=store)
    seal(dialogue, store=store)
    actions.record([dialogue.closed], store=store)

    assert store.get(dialogue.customer_id, dialogue.conversation_id).trail == trail


def test_many_conversations_in_one_shuffled_batch_are_all_recorded(store: TranscriptStore):
    dialogues = [Dialogue([f"{number}"] * 5, customer_id=f"customer {number % 3}") for number in range(10)]
    events: list[Event] = [event for dialogue in dialogues for event in dialogue.events * 2]
    random.Random(7).shuffle(events)
    actions.record(events, store=store)
    for dialogue in dialogues:
        seal(dialogue, store=store)
        assert len(texts(dialogue, store=store)) == 5


def test_opening_and_response_may_come_after_the_seal(store: TranscriptStore):
    dialogue = Dialogue()
    actions.record([*dialogue.messages, dialogue.closed], store=store)
    seal(dialogue, store=store)
    early = store.get(dialogue.customer_id, dialogue.conversation_id)
    assert early.opened_at is None
    assert early.captured.ip == ""
    actions.record([dialogue.response, dialogue.opened], store=store)
    late = store.get(dialogue.customer_id, dialogue.conversation_id)
    assert late.opened_at == BEGINNING
    assert late.captured.ip == "203.0.113.9"
    assert len(late.responses) == 1


def test_missing_messages_are_fetched_from_chat(store: TranscriptStore):
    dialogue = Dialogue(["one", "two", "three"])
    actions.record([dialogue.messages[1], dialogue.closed], store=store)
    seal(dialogue, store=store, fetch=chat_holding(dialogue.messages))
    assert texts(dialogue, store=store) == ["one", "two", "three"]


def test_different_messages_are_replaced_by_those_of_chat(store: TranscriptStore):
    dialogue = Dialogue(["one", "two", "three"])
    wrong = [dialogue.messages[0], dialogue.with_other_words(2, "too"), dialogue.messages[2]]
    actions.record([*wrong, dialogue.closed], store=store)
    seal(dialogue, store=store, fetch=chat_holding(dialogue.messages))
    assert texts(dialogue, store=store) == ["one", "two", "three"]


def test_messages_beyond_the_last_are_dropped(store: TranscriptStore):
    dialogue = Dialogue(["one", "two"])
    beyond = msgspec.structs.replace(dialogue.messages[1], seq=3)
    actions.record([*dialogue.messages, beyond, dialogue.closed], store=store)
    seal(dialogue, store=store, fetch=chat_holding(dialogue.messages))
    assert texts(dialogue, store=store) == ["one", "two"]


def test_nothing_is_sealed_while_words_are_missing(context: Context, store: TranscriptStore):
    dialogue = Dialogue(["one", "two"])
    actions.record([dialogue.messages[0], dialogue.closed], store=store)
    for fetch in (chat_holding(), chat_holding(dialogue.messages[:1])):
        with pytest.raises(WordsMissing):
            seal(dialogue, store=store, fetch=fetch)
    with pytest.raises(TranscriptNotFound):
        store.get(dialogue.customer_id, dialogue.conversation_id)
    assert announced(context) == []


def test_nothing_is_sealed_with_other_words_than_those_that_were_said(store: TranscriptStore):
    dialogue = Dialogue(["one", "two"])
    other = [dialogue.messages[0], dialogue.with_other_words(2, "too")]
    actions.record([*other, dialogue.closed], store=store)
    with pytest.raises(WordsMissing):
        seal(dialogue, store=store, fetch=chat_holding(other))
    assert not store.is_settled(dialogue.customer_id, dialogue.conversation_id)


def chat_silent(customer_id: str, conversation_id: str) -> Sequence[Message]:
    raise ServiceUnavailable("chat")


def test_sealing_waits_for_chat_as_long_as_it_takes(context: Context, store: TranscriptStore):
    dialogue = Dialogue(["one", "two"])
    actions.record([dialogue.messages[1], dialogue.closed], store=store)
    actions.seal_or_postpone(dialogue.closed, store=store, fetch=chat_silent, now=NOW)
    for hour in range(1, 4):
        actions.seal_postponed(store=store, fetch=chat_silent, now=NOW + timedelta(hours=hour))
    assert not store.is_settled(dialogue.customer_id, dialogue.conversation_id)
    later = NOW + timedelta(hours=4)
    actions.seal_postponed(store=store, fetch=chat_holding(dialogue.messages), now=later)
    assert texts(dialogue, store=store) == ["one", "two"]
    assert len(announced(context)) == 1
    assert store.postponed(later + timedelta(days=1), limit=10) == []


def test_nothing_is_tried_again_before_its_time(store: TranscriptStore):
    dialogue = Dialogue(["one"])
    actions.record([dialogue.closed], store=store)
    actions.seal_or_postpone(dialogue.closed, store=store, fetch=chat_silent, now=NOW)
    actions.seal_postponed(store=store, fetch=chat_unasked, now=NOW)


def test_postponed_words_that_are_missing_for_good_are_not_sealed_and_not_forgotten(store: TranscriptStore):
    dialogue, good = Dialogue(["one"]), Dialogue(["two"])
    for each in (dialogue, good):
        actions.record([each.closed], store=store)
        actions.seal_or_postpone(each.closed, store=store, fetch=chat_silent, now=NOW)
    later = NOW + timedelta(minutes=1)
    held = {good.conversation_id: good.messages}
    actions.seal_postponed(
        store=store, fetch=lambda customer, which: chat_holding(held.get(which, ()))(customer, which), now=later
    )
    assert not store.is_settled(dialogue.customer_id, dialogue.conversation_id)
    assert store.is_settled(good.customer_id, good.conversation_id)
    assert store.postponed(later + timedelta(hours=2), limit=10) == [dialogue.closed]


def test_a_conversation_without_a_word_is_sealed(store: TranscriptStore):
    dialogue = Dialogue([])
    assert sealed(dialogue, store=store).last_seq == 0


def test_words_are_kept_as_they_were_typed(store: TranscriptStore):
    typed = ["<b>$ne</b>", '{"$gt": ""}', "a\x00b", "🎁 " * 500, " spaces ", "ünïcode\r\n"]
    dialogue = Dialogue(typed)
    sealed(dialogue, store=store)
    assert texts(dialogue, store=store) == typed
    archive_everything(store)
    assert texts(dialogue, store=store) == typed


def test_a_user_agent_is_understood():
    desktop = actions.understood(Capture(user_agent=CHROME))
    assert (desktop.browser, desktop.os, desktop.device) == ("Chrome 126", "Windows 10", "Computer")
    phone = actions.understood(Capture(user_agent=IPHONE))
    assert (phone.browser, phone.os, phone.device) == ("Mobile Safari 17", "iOS 17.5", "iPhone")


@pytest.mark.parametrize("user_agent", ["", "x", "\x00", "Mozilla/" * 5000])
def test_a_user_agent_that_says_nothing_stays_as_it_is(user_agent: str):
    captured = actions.understood(Capture(user_agent=user_agent))
    assert captured.user_agent == user_agent
    assert captured.browser == ""


def test_an_archived_transcript_reads_the_same(context: Context, store: TranscriptStore):
    dialogue = Dialogue()
    before = sealed(dialogue, store=store)
    said = texts(dialogue, store=store)
    assert archive_everything(store) == 1
    after, _ = actions.show_transcript(dialogue.customer_id, dialogue.conversation_id, store=store)
    assert after.storage == "archived"
    assert after.archive
    assert msgspec.structs.replace(after, storage="live", archive=None) == before
    assert texts(dialogue, store=store) == said
    assert context.database["messages"].count_documents({}) == 0


def test_only_what_was_sealed_long_enough_ago_is_archived(store: TranscriptStore):
    dialogue = Dialogue()
    sealed(dialogue, store=store)
    assert actions.archive_transcripts(store=store, sealed_before=NOW, now=NOW) == 0
    assert store.get(dialogue.customer_id, dialogue.conversation_id).storage == "live"


def test_archiving_twice_changes_nothing(context: Context, store: TranscriptStore):
    dialogue = Dialogue()
    live = sealed(dialogue, store=store)
    assert actions.archive_transcript(live, store=store, now=NOW)
    before = list(context.database["archives"].find())
    assert not actions.archive_transcript(live, store=store, now=NOW)
    assert list(context.database["archives"].find()) == before
    assert archive_everything(store) == 0


def test_a_job_that_died_before_its_archive_counted_is_finished_by_the_next(context: Context, store: TranscriptStore):
    dialogue = Dialogue()
    live = sealed(dialogue, store=store)
    store.put_archive(live, [b"what another release", b" would write"], now=NOW)
    assert archive_everything(store) == 1
    assert context.database["archives"].count_documents({}) == 1
    assert len(texts(dialogue, store=store)) == 3


def test_of_two_jobs_that_meet_one_moves_the_words(store: TranscriptStore):
    dialogue = Dialogue()
    live = sealed(dialogue, store=store)
    archive = store.put_archive(live, [b"not read"], now=NOW)
    assert actions.archive_transcript(live, store=store, now=NOW)
    assert not store.move_to_archive(live, archive)
    assert len(texts(dialogue, store=store)) == 3


class Killed(BaseException):
    """What ``kill -9`` looks like from inside."""


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", ["messages", "put_archive", "content_of", "move_to_archive"])
def test_a_job_killed_anywhere_loses_nothing_and_is_finished_by_the_next(
    context: Context, store: TranscriptStore, step: str, moment: str
):
    dialogue = Dialogue()
    sealed(dialogue, store=store)
    dying = TranscriptStore(context.database)
    done = getattr(dying, step)

    def killed(*arguments: object, **named: object) -> None:
        if moment == "after":
            done(*arguments, **named)
        raise Killed

    setattr(dying, step, killed)
    with pytest.raises(Killed):
        archive_everything(dying)
    assert len(texts(dialogue, store=store)) == 3
    archive_everything(store)
    assert len(texts(dialogue, store=store)) == 3
    assert store.get(dialogue.customer_id, dialogue.conversation_id).storage == "archived"
    assert context.database["archives"].count_documents({}) == 1
    assert context.database["messages"].count_documents({}) == 0


def test_a_message_that_comes_again_after_archiving_stays_archived(context: Context, store: TranscriptStore):
    dialogue = Dialogue()
    sealed(dialogue, store=store)
    archive_everything(store)
    actions.record(dialogue.events, store=store)
    seal(dialogue, store=store)
    assert context.database["messages"].count_documents({}) == 0
    assert len(texts(dialogue, store=store)) == 3


@pytest.mark.parametrize(
    "change",
    [lambda data: data[:-1], lambda data: data[:20] + bytes([data[20] ^ 1]) + data[21:], lambda data: b""],
    ids=["shortened", "one bit", "emptied"],
)
def test_a_damaged_archive_is_an_error_and_not_other_words(
    context: Context, store: TranscriptStore, change: Callable[[bytes], bytes]
):
    dialogue = Dialogue()
    sealed(dialogue, store=store)
    archive_everything(store)
    corrupt(context, change)
    with pytest.raises(TranscriptDamaged):
        actions.show_transcript(dialogue.customer_id, dialogue.conversation_id, store=store)


def test_a_damaged_transcript_stays_where_it_is_and_does_not_stop_the_others(context: Context, store: TranscriptStore):
    damaged, sound = Dialogue(["true"]), Dialogue(["sound"])
    for dialogue in (damaged, sound):
        sealed(dialogue, store=store)
    context.database["messages"].update_one({"text": "true"}, {"$set": {"text": "false"}})
    assert archive_everything(store) == 1
    assert store.get(damaged.customer_id, damaged.conversation_id).storage == "live"
    assert texts(sound, store=store) == ["sound"]
    with pytest.raises(TranscriptDamaged):
        texts(damaged, store=store)


def test_a_large_archive_is_kept_in_parts(context: Context, store: TranscriptStore):
    letters = random.Random(5)
    long_texts = ["".join(chr(letters.randrange(0x4E00, 0x9FFF)) for _ in range(4000)) for _ in range(800)]
    dialogue = Dialogue(long_texts)
    sealed(dialogue, store=store)
    assert archive_everything(store) == 1
    assert context.database["archives"].count_documents({}) > 1
    assert texts(dialogue, store=store) == long_texts


def test_words_are_found_in_live_and_archived_transcripts(store: TranscriptStore):
    old, new = Dialogue(["My parcel is late"]), Dialogue(["The PARCEL came"])
    sealed(old, store=store)
    archive_everything(store)
    sealed(new, store=store)
    assert set(found("parcel", store=store)) == {old.conversation_id, new.conversation_id}
    assert found("late parcel", store=store) == [old.conversation_id]
    assert found("parcels", store=store) == []
    assert found("?!", store=store) == []


def found(text: str, *, store: TranscriptStore, customer_id: str = "acme") -> list[str]:
    page, _ = actions.find_transcripts(
        customer_id, text=text, since=None, until=None, after=None, limit=50, store=store
    )
    return [transcript.conversation_id for transcript in page]


def test_nobody_finds_the_words_of_another_customer(store: TranscriptStore):
    sealed(Dialogue(["secret"], customer_id="acme"), store=store)
    assert found("secret", store=store, customer_id="other") == []


def test_an_unsealed_conversation_is_not_found(store: TranscriptStore):
    actions.record(Dialogue(["parcel"]).events, store=store)
    assert found("parcel", store=store) == []


def test_pages_follow_one_another_without_gap_or_repetition(store: TranscriptStore):
    # Several close in the same instant, so that the cursor has to tell them apart.
    dialogues = [Dialogue(["x"], began_at=BEGINNING + timedelta(minutes=number // 3)) for number in range(10)]
    for dialogue in dialogues:
        sealed(dialogue, store=store)
    seen, after = [], None
    while True:
        page, after = actions.find_transcripts(
            "acme", text="x", since=None, until=None, after=after, limit=4, store=store
        )
        seen += page
        if after is None:
            break
    assert [transcript.closed_at for transcript in seen] == sorted((t.closed_at for t in seen), reverse=True)
    assert {transcript.conversation_id for transcript in seen} == {d.conversation_id for d in dialogues}
    assert len(seen) == 10


def test_the_list_can_be_cut_to_a_span_of_time(store: TranscriptStore):
    dialogues = [Dialogue(began_at=BEGINNING + timedelta(days=day)) for day in range(4)]
    for dialogue in dialogues:
        sealed(dialogue, store=store)
    since, until = dialogues[1].closed.closed_at, dialogues[3].closed.closed_at
    page, _ = actions.find_transcripts("acme", text=None, since=since, until=until, after=None, limit=50, store=store)
    assert [transcript.conversation_id for transcript in page] == [
        dialogues[2].conversation_id,
        dialogues[1].conversation_id,
    ]


def test_a_transcript_that_moves_while_it_is_read_is_read_from_its_archive(store: TranscriptStore):
    dialogue = Dialogue()
    live = sealed(dialogue, store=store)

    class Overtaken(TranscriptStore):
        """Says where the words are, and then they move."""

        asked = 0

        def get(self, customer_id: str, conversation_id: str) -> Transcript:
            self.asked += 1
            return live if self.asked == 1 else store.get(customer_id, conversation_id)

    archive_everything(store)
    overtaken = Overtaken(store._database)
    _, messages = actions.show_transcript("acme", dialogue.conversation_id, store=overtaken)
    assert len(messages) == 3
