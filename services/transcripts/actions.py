"""What transcripts can do, whoever asks: the bus, another service or a timer."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

import structlog
import ua_parser

from chassis.http import ServiceUnavailable
from chassis.mongo import StoreUnavailable
from contracts.chat import (
    Capture,
    ConversationAccepted,
    ConversationClosed,
    ConversationOpened,
    MessagePosted,
    PolicyAcknowledged,
)
from contracts.disclosures import Scope, is_within
from contracts.payload import Payload
from contracts.surveys import ResponseRecorded
from contracts.transcripts import EraseTranscript, TranscriptErased, TranscriptSealed
from services.transcripts.model import (
    Captured,
    Fact,
    Message,
    NotWhole,
    Opening,
    Place,
    Seal,
    Search,
    Transcript,
    TranscriptDamaged,
    TranscriptNotFound,
    WordsMissing,
    checked,
    differing,
    in_pages,
    packed,
    unpacked,
    verified,
    words_of,
    words_said,
)
from services.transcripts.store import PAGE, TranscriptStore

log = structlog.get_logger(__name__)

FetchMessages = Callable[[str, str], Iterable[Message]]
"""Asks chat for the messages of a customer's conversation; those it still has, in order."""

Take = Callable[[Iterable[Message]], Sequence[Message]]
"""Reads all messages, which only then are known to be the right ones, and keeps those that are wanted."""

Discard = Callable[[Collection[str]], Mapping[str, int]]
"""Removes the dead letters about these conversations; how many they were, by conversation."""

Recorded = ConversationOpened | ConversationAccepted | ConversationClosed | MessagePosted | ResponseRecorded
RECORDED = (ConversationOpened, ConversationAccepted, ConversationClosed, MessagePosted, ResponseRecorded)

Outcome = Literal["archived", "left", "stuck"]

JOB_LASTS = timedelta(minutes=8)
ARCHIVE_BATCH = 40
ARCHIVE_THREADS = 4
ERASING_THREADS = 4
MOST_STUCK = ARCHIVE_THREADS + 1
"""A worker that was killed leaves as many locked as it had threads, until its transactions expire; more are trouble."""
POSTPONED_FOR = timedelta(seconds=20)
MISSING_WORDS_POSTPONED_FOR = timedelta(hours=1)
LONGEST_WAIT = timedelta(minutes=15)
LATE_SEALING_LASTS = timedelta(seconds=20)
LATE_SEALING_BATCH = 20
LONGEST_USER_AGENT = 512
DESKTOP_SYSTEMS = frozenset({"Windows", "Mac OS X", "Linux", "Ubuntu", "Debian", "Fedora", "Chrome OS", "FreeBSD"})


def record(payloads: Sequence[Payload], *, store: TranscriptStore) -> None:
    """Keep everything these say, in whatever order they came and however often."""
    record_messages([payload for payload in payloads if isinstance(payload, MessagePosted)], store=store)
    store.note([fact for payload in payloads if (fact := _fact_in(payload))])
    # Asked after writing: then either an erasure finds these words, or this finds the erasure. A process that dies
    # in between gets the same payloads again.
    store.discard_late({_conversation_of(payload) for payload in payloads if isinstance(payload, RECORDED)})


def _conversation_of(payload: Recorded) -> tuple[str, str]:
    return payload.customer_id, payload.conversation_id


def record_messages(messages: Sequence[MessagePosted], *, store: TranscriptStore) -> None:
    if not messages:
        return
    # A message that comes again after its conversation was archived must not come back to life.
    last_seqs = store.last_seqs({message.conversation_id for message in messages})
    unsealed: list[MessagePosted] = []
    for message in messages:
        last_seq = last_seqs.get((message.customer_id, message.conversation_id))
        if last_seq is None:
            unsealed.append(message)
        elif message.seq > last_seq:
            log.error("message after the seal", conversation_id=message.conversation_id, seq=message.seq)
    store.add_messages(unsealed)


def _fact_in(payload: Payload) -> Fact | None:
    match payload:
        case ConversationOpened():
            return Opening(opened=payload, captured=understood(payload.capture))
        case ConversationAccepted() | ConversationClosed() | PolicyAcknowledged() | ResponseRecorded():
            return payload
    return None


def understood(capture: Capture) -> Captured:
    """What was captured, with the user agent taken apart into browser, operating system and device."""
    parsed = ua_parser.parse(capture.user_agent[:LONGEST_USER_AGENT])
    browser, system, device = parsed.user_agent, parsed.os, parsed.device
    unnamed_device = "Computer" if system and system.family in DESKTOP_SYSTEMS else ""
    return Captured(
        ip=capture.ip,
        user_agent=capture.user_agent,
        language=capture.language,
        page=capture.page,
        browser=_joined(browser.family, browser.major) if browser else "",
        os=_joined(system.family, system.major, system.minor) if system else "",
        device=device.family if device else unnamed_device,
    )


def _joined(family: str, *version: str | None) -> str:
    return " ".join(filter(None, (family, ".".join(filter(None, version)))))


def seal_transcript(closed: ConversationClosed, *, store: TranscriptStore, fetch: FetchMessages, now: datetime) -> None:
    """Seal once every word is there, and announce it; fetch from chat what is missing or different.

    Raises ``WordsMissing`` if the words are not to be had, ``ServiceUnavailable`` if chat does not answer.
    """
    if store.is_settled(closed.customer_id, closed.conversation_id):
        if closed.is_reminder:
            store.announce_again(closed.customer_id, closed.conversation_id, announcement=_announcement_of)
        return
    try:
        words = _words_held(closed, store=store)
    except NotWhole as error:
        words = _words_put_right(closed, error.read, store=store, fetch=fetch)
    seal = Seal(closed=closed, sealed_at=now, words=words)
    if store.seal(seal, announcing=_announcement(seal)):
        log.info("transcript sealed", conversation_id=closed.conversation_id, messages=closed.last_seq)


def seal_or_postpone(
    closed: ConversationClosed, *, store: TranscriptStore, fetch: FetchMessages, now: datetime
) -> None:
    """Seal now, or later if chat does not answer: recording must not wait for it. Raises ``WordsMissing``."""
    try:
        seal_transcript(closed, store=store, fetch=fetch, now=now)
    except ServiceUnavailable:
        store.postpone(closed, until=now + POSTPONED_FOR)
        tell = log.error if now - closed.closed_at > LONGEST_WAIT else log.warning
        tell("seal postponed: chat does not answer", conversation_id=closed.conversation_id)


def seal_postponed(*, store: TranscriptStore, fetch: FetchMessages, now: datetime) -> None:
    """Try again what is due, for some seconds at most."""
    deadline = time.monotonic() + LATE_SEALING_LASTS.total_seconds()
    while due := store.postponed(now, limit=LATE_SEALING_BATCH):
        for closed in due:
            _seal_late(closed, store=store, fetch=fetch, now=now)
            if time.monotonic() > deadline:
                return


def _seal_late(closed: ConversationClosed, *, store: TranscriptStore, fetch: FetchMessages, now: datetime) -> None:
    try:
        seal_or_postpone(closed, store=store, fetch=fetch, now=now)
    except WordsMissing:
        # There is no delivery left to be dead-lettered: it stays here, unsealed, and is told of every time.
        store.postpone(closed, until=now + MISSING_WORDS_POSTPONED_FOR)


def _words_held(closed: ConversationClosed, *, store: TranscriptStore) -> tuple[str, ...]:
    """What the transcript will be found by. Raises ``NotWhole`` unless everything that was said is held."""
    held = store.messages(closed.customer_id, closed.conversation_id)
    return words_said(checked(held, closed.last_seq, closed.digest))


def _words_put_right(
    closed: ConversationClosed, held: int, *, store: TranscriptStore, fetch: FetchMessages
) -> tuple[str, ...]:
    """As ``_words_held``, once what chat holds is held. Raises ``WordsMissing``."""
    fetched = checked(fetch(closed.customer_id, closed.conversation_id), closed.last_seq, closed.digest)
    try:
        # Only at its end is it known to be right: it is read once to know, and once more to hold it.
        _read_through(fetched)
        _put_right(closed, store=store, fetch=fetch)
        return _words_held(closed, store=store)
    except NotWhole as error:
        if store.is_settled(closed.customer_id, closed.conversation_id):
            # Erased meanwhile: there is nothing to seal, and nothing wrong.
            return ()
        log.error(
            "transcript not sealed",
            conversation_id=closed.conversation_id,
            messages=closed.last_seq,
            held=held,
            fetched=error.read,
        )
        raise WordsMissing(closed.conversation_id) from error


def _put_right(closed: ConversationClosed, *, store: TranscriptStore, fetch: FetchMessages) -> None:
    customer_id, conversation_id, replaced = closed.customer_id, closed.conversation_id, 0
    for right in in_pages(fetch(customer_id, conversation_id), PAGE):
        held = store.messages_after(customer_id, conversation_id, right[0].seq - 1, limit=len(right))
        if wrong := differing(held, right):
            store.put_right(customer_id, conversation_id, messages=wrong)
            replaced += len(wrong)
    store.drop_beyond(customer_id, conversation_id, last_seq=closed.last_seq)
    log.warning("messages fetched from chat", conversation_id=conversation_id, messages=replaced)


def _read_through(messages: Iterable[Message]) -> None:
    for _ in messages:
        pass


def _announcement(seal: Seal) -> TranscriptSealed:
    return TranscriptSealed(
        customer_id=seal.closed.customer_id,
        conversation_id=seal.closed.conversation_id,
        last_seq=seal.closed.last_seq,
        digest=seal.closed.digest,
        sealed_at=seal.sealed_at,
    )


def _announcement_of(transcript: Transcript) -> TranscriptSealed:
    return TranscriptSealed(
        customer_id=transcript.customer_id,
        conversation_id=transcript.conversation_id,
        last_seq=transcript.last_seq,
        digest=transcript.digest,
        sealed_at=transcript.sealed_at,
    )


def erase_transcripts(
    commands: Sequence[EraseTranscript], *, store: TranscriptStore, discard: Discard, now: datetime
) -> None:
    """Erase everything there is of these conversations, and give a receipt for each."""
    dead_letters = discard({command.conversation_id for command in commands})
    with ThreadPoolExecutor(ERASING_THREADS) as threads:
        list(threads.map(partial(_erase, store=store, dead_letters=dead_letters, now=now), commands))


def _erase(command: EraseTranscript, *, store: TranscriptStore, dead_letters: Mapping[str, int], now: datetime) -> None:
    number = dead_letters.get(command.conversation_id, 0)
    found = {"dead_letters": number} if number else {}

    def receipt(removed: dict[str, int]) -> TranscriptErased:
        return TranscriptErased(
            customer_id=command.customer_id,
            erasure_id=command.erasure_id,
            conversation_id=command.conversation_id,
            look=command.look,
            removed=found | removed,
            erased_at=now,
        )

    store.erase(command.customer_id, command.conversation_id, erased_at=now, announcing=receipt)


def find_transcripts(
    customer_id: str,
    *,
    text: str | None,
    since: datetime | None,
    until: datetime | None,
    after: Place | None,
    limit: int,
    store: TranscriptStore,
) -> tuple[list[Transcript], Place | None]:
    """A page of the customer's transcripts, newest first, and where the next one begins, if there is one."""
    words = tuple(words_of(text)) if text else ()
    if text and not words:
        return [], None
    search = Search(words=words, since=since, until=until)
    found = store.find(customer_id, search, after=after, limit=limit + 1)
    page = found[:limit]
    if len(found) == len(page):
        return page, None
    return page, Place(closed_at=page[-1].closed_at, conversation_id=page[-1].conversation_id)


def show_transcript(
    customer_id: str, conversation_id: str, *, store: TranscriptStore, take: Take = list
) -> tuple[Transcript, Sequence[Message]]:
    """A transcript and its words, wherever they are. Raises ``TranscriptNotFound`` and ``TranscriptDamaged``."""
    transcript = store.get(customer_id, conversation_id)
    try:
        return transcript, take(_words_in(transcript, store=store))
    except TranscriptDamaged:
        # They may have moved to the archive since we asked where they are.
        moved = store.get(customer_id, conversation_id)
        if moved.storage == transcript.storage:
            log.error("transcript damaged", conversation_id=conversation_id, storage=transcript.storage)
            raise
    return moved, take(_words_in(moved, store=store))


def show_own_transcript(
    customer_id: str, conversation_id: str, *, visitor_id: str | None, store: TranscriptStore, take: Take = list
) -> tuple[Transcript, Sequence[Message]]:
    """As ``show_transcript``, for the visitor who took part; to any other visitor there is none."""
    if store.get(customer_id, conversation_id).visitor_id != visitor_id:
        raise TranscriptNotFound(conversation_id)
    return show_transcript(customer_id, conversation_id, store=store, take=take)


def page_of(after: int, limit: int) -> Take:
    """Keeps the messages of one page, and of the others nothing but their digest."""

    def take(messages: Iterable[Message]) -> Sequence[Message]:
        return [message for message in messages if after < message.seq <= after + limit]

    return take


def show_disclosed_transcript(
    customer_id: str, conversation_id: str, *, scope: Scope, store: TranscriptStore
) -> tuple[Transcript, Sequence[Message]]:
    """As ``show_transcript``, for a disclosure; beyond its scope there is none."""
    known = store.get(customer_id, conversation_id)
    if not is_within(scope, conversation_id=conversation_id, visitor_id=known.visitor_id, opened_at=known.opened_at):
        raise TranscriptNotFound(conversation_id)
    return show_transcript(customer_id, conversation_id, store=store)


def _words_in(transcript: Transcript, *, store: TranscriptStore) -> Iterator[Message]:
    if transcript.archive:
        return unpacked(transcript, store.content_of(transcript, transcript.archive))
    return verified(transcript, store.messages(transcript.customer_id, transcript.conversation_id))


def archive_transcripts(*, store: TranscriptStore, sealed_before: datetime, now: datetime) -> int:
    """Archive what was sealed before then, for some minutes at most; how many. What is left is for the next job."""
    deadline = time.monotonic() + JOB_LASTS.total_seconds()
    outcomes: Counter[Outcome] = Counter()
    with ThreadPoolExecutor(ARCHIVE_THREADS) as threads:
        for batch in _live_transcripts(sealed_before, store=store):
            outcomes.update(threads.map(partial(_archived_or_left, store=store, now=now), batch))
            if outcomes["stuck"] >= MOST_STUCK:
                raise StoreUnavailable
            if time.monotonic() > deadline:
                break
    return outcomes["archived"]


def _live_transcripts(sealed_before: datetime, *, store: TranscriptStore) -> Iterable[Sequence[Transcript]]:
    last: Transcript | None = None
    while batch := store.sealed_before(sealed_before, after=last, limit=ARCHIVE_BATCH):
        yield batch
        last = batch[-1]


def _archived_or_left(transcript: Transcript, *, store: TranscriptStore, now: datetime) -> Outcome:
    """What became of it. One that cannot be archived now must not keep the others from their archive."""
    try:
        return "archived" if archive_transcript(transcript, store=store, now=now) else "left"
    except TranscriptNotFound:
        # Erased meanwhile.
        return "left"
    except TranscriptDamaged:
        if store.is_erased(transcript.customer_id, transcript.conversation_id):
            return "left"
        # It stays where it is, for people to look at.
        log.error("transcript damaged", conversation_id=transcript.conversation_id, storage=transcript.storage)
        return "left"
    except StoreUnavailable:
        # The transaction of a process that was killed holds on to its transcript until it expires.
        log.warning("transcript not archived: stuck", conversation_id=transcript.conversation_id)
        return "stuck"


def archive_transcript(transcript: Transcript, *, store: TranscriptStore, now: datetime) -> bool:
    """Move the words of one live transcript into an archive; False if another has done it.

    The archive is written, read back and checked before the one transaction that makes it count
    and drops the live words. Until then all can be done again, by anybody.
    """
    live = verified(transcript, store.messages(transcript.customer_id, transcript.conversation_id))
    try:
        archive = store.put_archive(transcript, packed(transcript, live), now=now)
    except TranscriptDamaged:
        if store.get(transcript.customer_id, transcript.conversation_id).archive:
            return False
        raise
    _read_through(unpacked(transcript, store.content_of(transcript, archive)))
    is_moved = store.move_to_archive(transcript, archive)
    if is_moved:
        log.debug("transcript archived", conversation_id=transcript.conversation_id, bytes=archive.compressed_size)
    return is_moved
