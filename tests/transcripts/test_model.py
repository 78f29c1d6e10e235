import msgspec
import pytest

from contracts.digest import digest_of
from services.transcripts import model
from services.transcripts.model import Message, NotWhole, Transcript, TranscriptDamaged
from tests.transcripts.builders import Dialogue, shown


def messages_of(dialogue: Dialogue) -> list[Message]:
    return [msgspec.convert(shown(message), Message) for message in dialogue.messages]


def a_transcript_of(dialogue: Dialogue) -> Transcript:
    closed = dialogue.closed
    return Transcript(
        customer_id=closed.customer_id,
        conversation_id=closed.conversation_id,
        site_id=closed.site_id,
        visitor_id=closed.visitor_id,
        closed_at=closed.closed_at,
        sealed_at=closed.closed_at,
        last_seq=closed.last_seq,
        digest=closed.digest,
    )


def is_whole(messages: list[Message], last_seq: int, digest: str) -> bool:
    try:
        return list(model.checked(messages, last_seq, digest)) == messages
    except NotWhole:
        return False


def test_messages_are_whole_only_with_each_word_in_its_place():
    messages = messages_of(Dialogue(["one", "two", "three"]))
    digest = digest_of(messages)
    assert is_whole(messages, 3, digest)
    assert not is_whole(messages[:2], 3, digest)
    assert not is_whole([*messages, messages[2]], 3, digest)
    assert not is_whole([messages[1], messages[0], messages[2]], 3, digest)
    changed = msgspec.structs.replace(messages[1], text="too")
    assert not is_whole([messages[0], changed, messages[2]], 3, digest)


def test_a_conversation_in_which_nothing_was_said_is_whole():
    assert is_whole([], 0, digest_of([]))


def test_only_what_is_missing_or_different_is_to_be_put_right():
    right = messages_of(Dialogue(["one", "two", "three"]))
    held = [right[0], msgspec.structs.replace(right[1], text="too")]
    assert model.differing(held, right) == right[1:]


def content_of(dialogue: Dialogue) -> bytes:
    return b"".join(model.packed(a_transcript_of(dialogue), messages_of(dialogue)))


def unpacked(dialogue: Dialogue, *content: bytes) -> list[Message]:
    return list(model.unpacked(a_transcript_of(dialogue), content))


MARKS = ["Grüße 🎁", "line\nbreak", "null\x00byte", '},{"seq":2', "]}", "},{", '"}],{"', "\\", '\\"},{\\"seq']


@pytest.mark.parametrize("texts", [[], ["one"], MARKS], ids=len)
def test_packed_words_come_out_as_they_went_in_wherever_they_are_cut(texts: list[str]):
    dialogue = Dialogue(texts)
    content = content_of(dialogue)
    for size in (1, 2, 3, 7, 100, len(content)):
        blocks = [content[start : start + size] for start in range(0, len(content), size)]
        assert unpacked(dialogue, *blocks) == messages_of(dialogue)


def test_words_packed_one_by_one_are_the_document_that_they_would_be_together():
    dialogue = Dialogue(MARKS)
    together = model.Content(
        customer_id=dialogue.customer_id,
        conversation_id=dialogue.conversation_id,
        messages=tuple(messages_of(dialogue)),
    )
    assert content_of(dialogue) == msgspec.json.encode(together, order="deterministic")


def test_the_same_words_are_packed_into_the_same_bytes():
    dialogue = Dialogue()
    assert content_of(dialogue) == content_of(dialogue)


def test_other_words_are_not_unpacked():
    dialogue = Dialogue()
    with pytest.raises(TranscriptDamaged):
        unpacked(dialogue, content_of(dialogue).replace(b"late", b"lost"))


@pytest.mark.parametrize(
    "change", [lambda content: content[:-1], lambda content: content + b"]}"], ids=["less", "more"]
)
def test_what_has_another_end_is_not_unpacked(change):
    dialogue = Dialogue()
    with pytest.raises(TranscriptDamaged):
        unpacked(dialogue, change(content_of(dialogue)))


def test_another_conversations_archive_is_not_unpacked():
    mine, other = Dialogue([]), Dialogue([])
    with pytest.raises(TranscriptDamaged):
        unpacked(mine, content_of(other))


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"format":2}'])
def test_what_is_no_archive_is_not_unpacked(content: bytes):
    with pytest.raises(TranscriptDamaged):
        unpacked(Dialogue(), content)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Where is my parcel?", {"where", "is", "my", "parcel"}),
        ("ÉTÉ été", {"ete"}),
        ("STRASSE Straße", {"strasse"}),
        ("order #A-42_7", {"order", "a", "42", "7"}),
        ("荷物は", {"荷", "物", "は"}),
        ("?! …", set()),
        ("x" * 200, {"x" * 64}),
    ],
)
def test_words_are_found_without_regard_to_case_and_accents(text: str, words: set[str]):
    assert model.words_of(text) == words


def test_there_is_an_end_to_the_words_of_one_transcript():
    [message] = messages_of(Dialogue([" ".join(f"w{number}" for number in range(60_000))]))
    assert len(model.words_said([message])) == model.MOST_WORDS
