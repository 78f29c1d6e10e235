"""Transcripts, and the rules by which they are sealed, archived and found."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Literal

import msgspec

from contracts.chat import (
    Capture,
    ConversationAccepted,
    ConversationClosed,
    ConversationOpened,
    Page,
    PolicyAcknowledged,
    Sender,
)
from contracts.digest import RunningDigest
from contracts.surveys import Answer, ResponseRecorded

Storage = Literal["live", "archived"]

LONGEST_WORD = 64
MOST_WORDS = 50_000
"""How many different words of one transcript can be searched for; a conversation of people has far fewer."""

# In scripts that put no space between words, every character counts as a word.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_word = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")


class TranscriptNotFound(Exception):
    """There is no such transcript."""


class CursorNotValid(Exception):
    """Some fields are missing or not acceptable."""

    members = {"errors": [{"field": "after", "detail": "This is no cursor of an earlier answer"}]}


class TranscriptDamaged(Exception):
    """The stored words of this transcript do not match its digest, so they are not shown."""


class NotWhole(Exception):
    """These are not all the messages that there should be, or not as they should be. ``read`` is how many came."""

    def __init__(self, read: int) -> None:
        super().__init__(read)
        self.read = read


class WordsMissing(Exception):
    """Neither transcripts nor chat holds every word of a closed conversation, so it cannot be sealed."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What a person said."""

    seq: int
    message_id: str
    client_id: str
    sender: Sender
    text: str
    sent_at: datetime


class Captured(Capture, frozen=True, kw_only=True):
    """What a browser told about its visitor, and what its user agent means."""

    browser: str = ""
    os: str = ""
    device: str = ""


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """How a conversation began, its visitor's user agent understood."""

    opened: ConversationOpened
    captured: Captured


Fact = Opening | ConversationAccepted | ConversationClosed | PolicyAcknowledged | ResponseRecorded
"""What is noted of a conversation beside its messages; in any order, and any number of times."""


class Response(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A survey as one visitor answered it."""

    response_id: str
    survey_id: str
    survey_version: int
    placement: str = "pre-chat"
    answers: tuple[Answer, ...]
    answered_at: datetime


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who took the conversation."""

    operator_id: str
    name: str


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """The visitor acknowledged a version of the privacy policy."""

    version: str
    acknowledged_at: datetime


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """Where the words went, by their digest as they are stored, and what they must be when unpacked."""

    compressed_digest: str
    content_digest: str
    compressed_size: int
    content_size: int
    archived_at: datetime


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a conversation a transcript."""

    closed: ConversationClosed
    sealed_at: datetime
    words: tuple[str, ...]


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed conversation, without its words.

    What its opening told is empty for as long as ``ConversationOpened`` has not been heard.
    """

    customer_id: str
    conversation_id: str
    site_id: str
    visitor_id: str
    visitor_name: str = ""
    opened_at: datetime | None = None
    closed_at: datetime
    sealed_at: datetime
    last_seq: int
    digest: str
    operators: tuple[Operator, ...] = ()
    captured: Captured = Captured()
    trail: tuple[Page, ...] = ()
    responses: tuple[Response, ...] = ()
    acknowledged_policy_version: str = ""
    acknowledgements: tuple[Acknowledgement, ...] = ()
    storage: Storage = "live"
    archive: Archive | None = None


def acknowledgements(transcript: Transcript) -> list[Acknowledgement]:
    """Every version that was acknowledged, and when: the first by opening the conversation."""
    later = sorted(transcript.acknowledgements, key=lambda each: each.acknowledged_at)
    if transcript.opened_at is None:
        return later
    first = Acknowledgement(version=transcript.acknowledged_policy_version, acknowledged_at=transcript.opened_at)
    return [first, *(each for each in later if each.version != first.version)]


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """Which transcripts are asked for: with all of ``words``, closed from ``since`` on and before ``until``."""

    words: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where in the list, newest first, a page ended."""

    closed_at: datetime
    conversation_id: str


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive holds. ``format`` is for a later release that has to tell old archives from new.

    It may be long, so that its messages are written into it, and read from it, one by one.
    """

    format: Literal[1] = 1
    customer_id: str
    conversation_id: str
    messages: tuple[Message, ...]


_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(Message)
_END = b"]}"
_OPENING = b'{"seq":'
_BETWEEN = b"}," + _OPENING
"""What stands between two messages and nowhere else: before a quotation mark in a text is a backslash, and no name
follows the one at its end."""


def checked(messages: Iterable[Message], last_seq: int, digest: str) -> Iterator[Message]:
    """The same messages, none of them held. Raises ``NotWhole``, after the last of them if not before, unless they are
    the messages 1 to ``last_seq``, in order, and every word of them is right: nobody may use them before the end.
    """
    running, read = RunningDigest(), 0
    for read, message in enumerate(messages, start=1):
        if message.seq != read:
            raise NotWhole(read)
        running.add(message)
        yield message
    if read != last_seq or running.so_far != digest:
        raise NotWhole(read)


def verified(transcript: Transcript, messages: Iterable[Message]) -> Iterator[Message]:
    """The same, of a sealed transcript. Raises ``TranscriptDamaged``, after the last message if not before."""
    try:
        yield from checked(messages, transcript.last_seq, transcript.digest)
    except NotWhole as error:
        raise TranscriptDamaged(transcript.conversation_id) from error


def differing(held: Iterable[Message], right: Iterable[Message]) -> list[Message]:
    """Those of ``right`` that are not held as they should be."""
    known = {message.seq: message for message in held}
    return [message for message in right if known.get(message.seq) != message]


def in_pages(messages: Iterable[Message], size: int) -> Iterator[list[Message]]:
    """The same messages, so many at a time."""
    following = iter(messages)
    while page := list(islice(following, size)):
        yield page


def packed(transcript: Transcript, messages: Iterable[Message]) -> Iterator[bytes]:
    """The canonical form of the words, piece by piece: the same messages are the same bytes, whoever packs them."""
    head, separator = _head(transcript), b""
    yield head
    for message in messages:
        yield separator + _encoder.encode(message)
        separator = b","
    yield _END


def unpacked(transcript: Transcript, content: Iterable[bytes]) -> Iterator[Message]:
    """The messages in an archive's content. Raises ``TranscriptDamaged``, after the last of them if not before, unless
    they are those that were sealed.
    """
    return verified(transcript, _messages_in(transcript, content))


def _messages_in(transcript: Transcript, content: Iterable[bytes]) -> Iterator[Message]:
    try:
        for document in _documents(_head(transcript), content):
            yield _decoder.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TranscriptDamaged(transcript.conversation_id) from error


def _documents(head: bytes, content: Iterable[bytes]) -> Iterator[bytes]:
    """The document of each message, taken out of the canonical form."""
    pieces = _apart(content)
    first = next(pieces)
    if not first.startswith(head):
        raise msgspec.DecodeError("no archive of this conversation")
    piece = first[len(head) :]
    for following in pieces:
        yield piece + b"}"
        piece = _OPENING + following
    if not piece.endswith(_END):
        raise msgspec.DecodeError("no end")
    if piece != _END:
        yield piece.removesuffix(_END)


def _apart(content: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for block in content:
        *pieces, rest = (rest + block).split(_BETWEEN)
        yield from pieces
    yield rest


def _head(transcript: Transcript) -> bytes:
    content = Content(customer_id=transcript.customer_id, conversation_id=transcript.conversation_id, messages=())
    return _encoder.encode(content).removesuffix(_END)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def words_of(text: str) -> set[str]:
    """The words of ``text`` as they are searched for: without regard to case and accents, cut at 64 characters."""
    folded = text.casefold()
    if not folded.isascii():
        apart = unicodedata.normalize("NFKD", folded)
        folded = "".join(character for character in apart if not unicodedata.combining(character))
    return {word[:LONGEST_WORD] for word in _word.findall(folded)}


def words_said(messages: Iterable[Message]) -> tuple[str, ...]:
    """Every word that a transcript of these messages can be found by. Reads them to the end."""
    said: set[str] = set()
    for message in messages:
        if len(said) <= MOST_WORDS:
            said |= words_of(message.text)
    return tuple(sorted(said)[:MOST_WORDS])
