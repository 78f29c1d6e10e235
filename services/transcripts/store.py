"""Where transcripts, messages and archives are kept; the customer is part of every question asked of it."""

import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import singledispatch
from typing import Any

import msgspec
import zstandard
from bson import Binary
from pymongo import ASCENDING, DESCENDING, ReplaceOne, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import BulkWriteError, DuplicateKeyError

from chassis import mongo
from chassis.outbox import Outbox
from contracts.chat import ConversationAccepted, ConversationClosed, MessagePosted, PolicyAcknowledged
from contracts.disclosures import ConversationsScope, PeriodScope, Scope, VisitorScope
from contracts.surveys import ResponseRecorded
from contracts.transcripts import TranscriptErased, TranscriptSealed
from services.transcripts.model import (
    Acknowledgement,
    Archive,
    Fact,
    Message,
    Opening,
    Operator,
    Place,
    Response,
    Seal,
    Search,
    Transcript,
    TranscriptDamaged,
    TranscriptNotFound,
    sha256,
)

Document = dict[str, Any]

DUPLICATE_KEY = 11000
BLOCK_SIZE = 128 * 1024
"""How much of an archive is unpacked at a time."""
COMPRESSION = zstandard.ZstdCompressionParameters.from_level(9, source_size=128 * 1024)
"""Tables of 1 MiB, for what most conversations come to; 2 MB of words come out some 7 % larger. Without a size zstd is
ready for the largest content, with 10 MiB for each archive that is being made."""
PAGE = 200
"""How many messages are read at a time: of a long conversation, all of them at once are hundreds of megabytes."""
PART_SIZE = 4 * 1024 * 1024
"""MongoDB keeps no document over 16 MiB, and an archive may be larger."""

IS_SEALED = {"sealed_at": {"$exists": True}}
STILL_THERE = {"erased_at": {"$exists": False}}
UNSETTLED = {"sealed_at": {"$exists": False}, **STILL_THERE}
TOMBSTONE_KEPT = timedelta(days=30)
"""How long the bare id of an erased conversation stands against whatever arrives late."""
MESSAGE_FIELDS = {"_id": False, "customer_id": False, "conversation_id": False}


class TranscriptStore:
    """Three collections: ``transcripts`` (one document a conversation), ``messages`` (live ones), ``archives``.

    A document of ``transcripts`` begins with the first fact heard and has ``sealed_at`` from the
    sealing on; nobody outside is shown one without. One with ``erased_at`` has nothing else: it stands
    for a while against what arrives late. ``archives`` is keyed by the digest of what it
    holds, so that writing one twice, or by two at once, changes nothing.
    """

    def __init__(self, database: Database[Document]) -> None:
        self._database = database
        self._transcripts = database["transcripts"]
        self._messages = database["messages"]
        self._archives = database["archives"]
        self._outbox = Outbox(database)

    @mongo.unavailable()
    def ensure_indexes(self) -> None:
        conversation = [("customer_id", ASCENDING), ("conversation_id", ASCENDING)]
        self._messages.create_index([*conversation, ("seq", ASCENDING)], unique=True)
        self._archives.create_index([*conversation, ("compressed_digest", ASCENDING), ("part", ASCENDING)], unique=True)
        newest_first = [("closed_at", DESCENDING), ("_id", DESCENDING)]
        for leading in ([("customer_id", ASCENDING)], [("customer_id", ASCENDING), ("words", ASCENDING)]):
            self._transcripts.create_index([*leading, *newest_first], partialFilterExpression=IS_SEALED)
        by_age = [("sealed_at", ASCENDING), ("_id", ASCENDING)]
        self._transcripts.create_index(by_age, partialFilterExpression={"storage": "live"})
        for whose in ("visitor_id", "opened_at"):
            for_disclosures = [("customer_id", ASCENDING), (whose, ASCENDING), ("_id", ASCENDING)]
            self._transcripts.create_index(for_disclosures, partialFilterExpression=IS_SEALED)
        self._transcripts.create_index([("postponed.until", ASCENDING)], sparse=True)
        self._transcripts.create_index(
            [("erased_at", ASCENDING)], expireAfterSeconds=int(TOMBSTONE_KEPT.total_seconds()), sparse=True
        )
        self._outbox.ensure_indexes()

    @mongo.unavailable()
    def last_seqs(self, conversation_ids: Iterable[str]) -> dict[tuple[str, str], int]:
        """The last ``seq`` of those conversations that take no more words, by customer and conversation.

        In one that is erased nothing was said before anything.
        """
        settled = {"$or": [IS_SEALED, {"erased_at": {"$exists": True}}]}
        found = self._transcripts.find(
            {"_id": {"$in": sorted(conversation_ids)}, **settled}, {"customer_id": True, "last_seq": True}
        )
        return {(each["customer_id"], each["_id"]): each.get("last_seq", sys.maxsize) for each in found}

    @mongo.unavailable()
    def add_messages(self, messages: Sequence[MessagePosted]) -> None:
        """Keep them; one that is there already is left as it is."""
        if messages:
            try:
                self._messages.insert_many([_posted(message) for message in messages], ordered=False)
            except BulkWriteError as error:
                _only_duplicates(error)

    @mongo.unavailable()
    def note(self, facts: Sequence[Fact]) -> None:
        """Take facts down, but of what is erased. Each says the same however often it is noted, and no two disagree."""
        if not facts:
            return
        try:
            self._transcripts.bulk_write([_update_of(fact) for fact in facts], ordered=False)
        except BulkWriteError as error:
            # Two first facts of one conversation at once, or the bare id of an erased one stands in the way.
            _only_duplicates(error)
            gone = self.erased(_conversation_of(fact) for fact in facts)
            if updates := [_update_of(fact) for fact in facts if _conversation_of(fact) not in gone]:
                self._transcripts.bulk_write(updates, ordered=False)

    @mongo.unavailable()
    def erased(self, conversations: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of these conversations, by customer and conversation, that are erased."""
        ids = sorted({conversation_id for _, conversation_id in conversations})
        found = self._transcripts.find({"_id": {"$in": ids}, "erased_at": {"$exists": True}}, {"customer_id": True})
        return {(document["customer_id"], document["_id"]) for document in found}

    def is_erased(self, customer_id: str, conversation_id: str) -> bool:
        return bool(self.erased([(customer_id, conversation_id)]))

    @mongo.unavailable()
    def discard_late(self, conversations: Iterable[tuple[str, str]]) -> None:
        """Remove words that were written to these conversations while, or after, they were erased."""
        for customer_id, conversation_id in self.erased(conversations):
            late = {"customer_id": customer_id, "conversation_id": conversation_id}
            self._messages.delete_many(late)

    def erase(
        self,
        customer_id: str,
        conversation_id: str,
        *,
        erased_at: datetime,
        announcing: Callable[[dict[str, int]], TranscriptErased],
    ) -> None:
        """Leave nothing of the conversation but that it is erased, and announce what was removed: all or nothing."""
        mine = {"customer_id": customer_id, "conversation_id": conversation_id}
        which = {"_id": conversation_id, "customer_id": customer_id}
        gone = {"customer_id": customer_id, "erased_at": erased_at}

        def work(session: ClientSession) -> None:
            before = self._transcripts.find_one_and_replace(which, gone, upsert=True, session=session)
            found = {
                "transcripts": int(before is not None and "erased_at" not in before),
                "transcript_messages": self._messages.delete_many(mine, session=session).deleted_count,
                "archive_parts": self._archives.delete_many(mine, session=session).deleted_count,
                "announcements": self._outbox.retract(TranscriptSealed, conversation_id, session=session),
            }
            removed = {kind: number for kind, number in found.items() if number}
            self._outbox.add(announcing(removed), session=session)

        while True:
            try:
                return mongo.transaction(self._database, work)
            except DuplicateKeyError:
                # A first fact was noted at the same time: it is there now, and goes in the next round.
                continue

    def put_right(self, customer_id: str, conversation_id: str, *, messages: Sequence[Message]) -> bool:
        """Replace what is held under the ``seq`` of each of ``messages``.

        False, and nothing written, if the conversation is erased.
        """
        key = {"customer_id": customer_id, "conversation_id": conversation_id}
        replacements: list[ReplaceOne[Document]] = [
            ReplaceOne(key | {"seq": message.seq}, key | _document(message), upsert=True) for message in messages
        ]

        def work(session: ClientSession) -> bool:
            if not self._hold(customer_id, conversation_id, session=session):
                return False
            self._messages.bulk_write(replacements, session=session)
            return True

        return self._unless_taken(work)

    @mongo.unavailable()
    def drop_beyond(self, customer_id: str, conversation_id: str, *, last_seq: int) -> None:
        """Drop what is held under a ``seq`` that the conversation does not have."""
        key = {"customer_id": customer_id, "conversation_id": conversation_id}
        self._messages.delete_many(key | {"$or": [{"seq": {"$gt": last_seq}}, {"seq": {"$lt": 1}}]})

    def _hold(self, customer_id: str, conversation_id: str, *, session: ClientSession) -> bool:
        """Keep the conversation from being erased while the transaction writes; False if it is erased."""
        which = {"_id": conversation_id, "customer_id": customer_id, **STILL_THERE}
        return self._transcripts.update_one(which, {"$inc": {"holds": 1}}, session=session).matched_count == 1

    def _unless_taken(self, work: Callable[[ClientSession], bool]) -> bool:
        while True:
            try:
                return mongo.transaction(self._database, work)
            except DuplicateKeyError:
                # Two writers of one place at once: it is there now, so that the next round replaces it.
                continue
            except BulkWriteError as error:
                _only_duplicates(error)

    def messages(self, customer_id: str, conversation_id: str) -> Iterator[Message]:
        """The live ones, in order, of which no more than a page is held."""
        after = -sys.maxsize
        # Each page is a question of its own: a cursor would have to be read to its end within the time of one.
        while page := self.messages_after(customer_id, conversation_id, after, limit=PAGE):
            yield from page
            after = page[-1].seq

    @mongo.unavailable()
    def messages_after(self, customer_id: str, conversation_id: str, after: int, *, limit: int) -> list[Message]:
        """The live ones with a ``seq`` beyond ``after``, in order."""
        which = {"customer_id": customer_id, "conversation_id": conversation_id, "seq": {"$gt": after}}
        found = self._messages.find(which, MESSAGE_FIELDS, sort=[("seq", ASCENDING)], limit=limit)
        return msgspec.convert(list(found), list[Message])

    @mongo.unavailable()
    def is_settled(self, customer_id: str, conversation_id: str) -> bool:
        """Whether there is nothing left to seal: it is sealed, or erased."""
        settled = {"$or": [IS_SEALED, {"erased_at": {"$exists": True}}]}
        which = {"_id": conversation_id, "customer_id": customer_id, **settled}
        return self._transcripts.find_one(which, {"_id": True}) is not None

    def seal(self, seal: Seal, *, announcing: TranscriptSealed) -> bool:
        """Seal and announce, both or neither. False, and no announcement, if it is sealed already."""
        closed = seal.closed
        which = {"_id": closed.conversation_id, "customer_id": closed.customer_id, **UNSETTLED}
        changes = {
            "sealed_at": seal.sealed_at,
            "last_seq": closed.last_seq,
            "digest": closed.digest,
            "words": seal.words,
            "storage": "live",
        }

        def work(session: ClientSession) -> bool:
            update = {"$set": changes, "$unset": {"postponed": ""}}
            is_changed = self._transcripts.update_one(which, update, session=session).modified_count == 1
            if is_changed:
                self._outbox.add(announcing, session=session)
            return is_changed

        return mongo.transaction(self._database, work)

    def announce_again(
        self, customer_id: str, conversation_id: str, *, announcement: Callable[[Transcript], TranscriptSealed]
    ) -> None:
        """Announce once more that it is sealed, if it is, and not erased meanwhile."""
        which = {"_id": conversation_id, "customer_id": customer_id, **IS_SEALED}

        def work(session: ClientSession) -> None:
            # Held, so that an erasure at the same moment comes before or takes the announcement back.
            is_there = self._hold(customer_id, conversation_id, session=session)
            found = self._transcripts.find_one(which, {"words": False}, session=session)
            if is_there and found is not None:
                self._outbox.add(announcement(_transcript(found)), session=session)

        mongo.transaction(self._database, work)

    @mongo.unavailable()
    def postpone(self, closed: ConversationClosed, *, until: datetime) -> None:
        """Remember that this is to be sealed, if it is not yet; ``postponed`` tells of it from ``until`` on."""
        which = {"_id": closed.conversation_id, "customer_id": closed.customer_id, **UNSETTLED}
        self._transcripts.update_one(which, {"$set": {"postponed": {"closed": _document(closed), "until": until}}})

    @mongo.unavailable()
    def postponed(self, now: datetime, *, limit: int) -> list[ConversationClosed]:
        """What is due to be sealed, of all customers, the longest due first."""
        by_age = [("postponed.until", ASCENDING)]
        found = self._transcripts.find(
            {"postponed.until": {"$lte": now}}, {"postponed": True}, sort=by_age, limit=limit
        )
        return [msgspec.convert(document["postponed"]["closed"], ConversationClosed) for document in found]

    @mongo.unavailable()
    def get(self, customer_id: str, conversation_id: str) -> Transcript:
        """The sealed transcript. Raises ``TranscriptNotFound``, for another customer's too."""
        which = {"_id": conversation_id, "customer_id": customer_id, **IS_SEALED}
        if found := self._transcripts.find_one(which, {"words": False}):
            return _transcript(found)
        raise TranscriptNotFound(conversation_id)

    @mongo.unavailable()
    def find(self, customer_id: str, search: Search, *, after: Place | None, limit: int) -> list[Transcript]:
        """Sealed transcripts, those that closed last first, from ``after`` on."""
        which = {"customer_id": customer_id, **IS_SEALED, **_criteria(search, after)}
        newest_first = [("closed_at", DESCENDING), ("_id", DESCENDING)]
        found = self._transcripts.find(which, {"words": False, "responses": False}, sort=newest_first, limit=limit)
        return [_transcript(document) for document in found]

    @mongo.unavailable()
    def disclosed_ids(self, customer_id: str, scope: Scope, *, after: str, limit: int) -> list[str]:
        """Those of the customer's transcripts that are within ``scope``, in the order of their ids."""
        which = {"customer_id": customer_id, **IS_SEALED, **_within(scope), "_id": {"$gt": after}}
        if isinstance(scope, ConversationsScope):
            which["_id"]["$in"] = list(scope.conversation_ids)
        found = self._transcripts.find(which, {"_id": True}, sort=[("_id", ASCENDING)], limit=limit)
        return [document["_id"] for document in found]

    @mongo.unavailable()
    def sealed_before(self, moment: datetime, *, after: Transcript | None, limit: int) -> list[Transcript]:
        """Transcripts of all customers whose words are still live, in the order of their sealing, after ``after``."""
        which: Document = {"storage": "live", "sealed_at": {"$lt": moment}}
        if after:
            later = {"sealed_at": after.sealed_at, "_id": {"$gt": after.conversation_id}}
            which["$or"] = [{"sealed_at": {"$gt": after.sealed_at}}, later]
            which["sealed_at"] = {"$gte": after.sealed_at, "$lt": moment}
        by_age = [("sealed_at", ASCENDING), ("_id", ASCENDING)]
        found = self._transcripts.find(which, {"words": False}, sort=by_age, limit=limit)
        return [_transcript(document) for document in found]

    def put_archive(self, transcript: Transcript, content: Iterable[bytes], *, now: datetime) -> Archive:
        """Compress and keep ``content``. It is nobody's archive before ``move_to_archive``.

        Raises ``TranscriptNotFound`` if the transcript is erased: no part is left behind then.
        """
        compressed, archive = _compressed(content, now=now)
        key = _archive_key(transcript, archive)
        for part, start in enumerate(range(0, len(compressed), PART_SIZE)):
            data = Binary(compressed[start : start + PART_SIZE])
            if not self._put_part(transcript, key | {"part": part}, data):
                raise TranscriptNotFound(transcript.conversation_id)
        return archive

    def _put_part(self, transcript: Transcript, key: Document, data: Binary) -> bool:
        def work(session: ClientSession) -> bool:
            if not self._hold(transcript.customer_id, transcript.conversation_id, session=session):
                return False
            self._archives.replace_one(key, key | {"data": data}, upsert=True, session=session)
            return True

        return self._unless_taken(work)

    @mongo.unavailable()
    def content_of(self, transcript: Transcript, archive: Archive) -> Iterator[bytes]:
        """What was archived, to the byte, block by block.

        Raises ``TranscriptDamaged`` if it is anything else, after the last block if not before.
        """
        parts = self._archives.find(_archive_key(transcript, archive), {"data": True}, sort=[("part", ASCENDING)])
        compressed = b"".join(part["data"] for part in parts)
        if sha256(compressed) != archive.compressed_digest:
            raise TranscriptDamaged(transcript.conversation_id)
        return _decompressed(transcript, archive, compressed)

    def move_to_archive(self, transcript: Transcript, archive: Archive) -> bool:
        """From now on the words are in ``archive``, and the live ones gone. False if they had moved already."""
        conversation = {"customer_id": transcript.customer_id, "conversation_id": transcript.conversation_id}
        which = {"_id": transcript.conversation_id, "customer_id": transcript.customer_id, "storage": "live"}
        changes = {"storage": "archived", "archive": _document(archive)}

        def work(session: ClientSession) -> bool:
            is_changed = self._transcripts.update_one(which, {"$set": changes}, session=session).modified_count == 1
            if is_changed:
                self._messages.delete_many(conversation, session=session)
                # What a job of another release, killed half-way, may have left.
                others = {"compressed_digest": {"$ne": archive.compressed_digest}}
                self._archives.delete_many(conversation | others, session=session)
            return is_changed

        return mongo.transaction(self._database, work)


def _conversation_of(fact: Fact) -> tuple[str, str]:
    said = fact.opened if isinstance(fact, Opening) else fact
    return said.customer_id, said.conversation_id


def _only_duplicates(error: BulkWriteError) -> None:
    """Raise ``error`` if it tells of anything else than keys that are there already."""
    codes = {failure["code"] for failure in error.details["writeErrors"]}
    if codes != {DUPLICATE_KEY} or error.details["writeConcernErrors"]:
        raise error


@singledispatch
def _update_of(fact: object) -> UpdateOne:
    raise TypeError(type(fact).__name__)


@_update_of.register
def _(fact: Opening) -> UpdateOne:
    opened = fact.opened
    changes = {
        "site_id": opened.site_id,
        "visitor_id": opened.visitor_id,
        "visitor_name": opened.visitor_name,
        "opened_at": opened.opened_at,
        "acknowledged_policy_version": opened.acknowledged_policy_version,
        "captured": _document(fact.captured),
    }
    return _upsert(opened.customer_id, opened.conversation_id, {"$set": changes})


@_update_of.register
def _(fact: ConversationAccepted) -> UpdateOne:
    operator = Operator(operator_id=fact.operator_id, name=fact.operator_name)
    changes = {"$addToSet": {"operators": _document(operator)}}
    return _upsert(fact.customer_id, fact.conversation_id, changes)


@_update_of.register
def _(fact: ConversationClosed) -> UpdateOne:
    changes: Document = {"site_id": fact.site_id, "visitor_id": fact.visitor_id, "closed_at": fact.closed_at}
    if fact.trail:
        # Told again after chat has let go of it, the end comes without the pages that led to it.
        changes["trail"] = [_document(page) for page in fact.trail]
    return _upsert(fact.customer_id, fact.conversation_id, {"$set": changes})


@_update_of.register
def _(fact: PolicyAcknowledged) -> UpdateOne:
    acknowledgement = Acknowledgement(version=fact.version, acknowledged_at=fact.acknowledged_at)
    changes = {"$addToSet": {"acknowledgements": _document(acknowledgement)}}
    return _upsert(fact.customer_id, fact.conversation_id, changes)


@_update_of.register
def _(fact: ResponseRecorded) -> UpdateOne:
    response = Response(
        response_id=fact.response_id,
        survey_id=fact.survey_id,
        survey_version=fact.survey_version,
        placement=fact.placement,
        answers=fact.answers,
        answered_at=fact.answered_at,
    )
    return _upsert(fact.customer_id, fact.conversation_id, {"$addToSet": {"responses": _document(response)}})


def _upsert(customer_id: str, conversation_id: str, changes: Mapping[str, Any]) -> UpdateOne:
    which = {"_id": conversation_id, "customer_id": customer_id, **STILL_THERE}
    return UpdateOne(which, changes, upsert=True)


def _posted(message: MessagePosted) -> Document:
    return {
        "customer_id": message.customer_id,
        "conversation_id": message.conversation_id,
        "seq": message.seq,
        "message_id": message.message_id,
        "client_id": message.client_id,
        "sender": {"kind": message.sender.kind, "id": message.sender.id, "name": message.sender.name},
        "text": message.text,
        "sent_at": message.sent_at,
    }


def _criteria(search: Search, after: Place | None) -> Document:
    criteria: Document = {}
    if search.words:
        # The index serves one of the words: a long one is in fewer transcripts than a short one.
        criteria["words"] = {"$all": sorted(search.words, key=len, reverse=True)}
    bounds = {"$gte": search.since, "$lt": search.until, "$lte": after.closed_at if after else None}
    if given := {operator: moment for operator, moment in bounds.items() if moment is not None}:
        criteria["closed_at"] = given
    if after:
        criteria["$or"] = [
            {"closed_at": {"$lt": after.closed_at}},
            {"closed_at": after.closed_at, "_id": {"$lt": after.conversation_id}},
        ]
    return criteria


def _within(scope: Scope) -> Document:
    match scope:
        case VisitorScope():
            return {"visitor_id": scope.visitor_id}
        case PeriodScope():
            return {"opened_at": {"$gte": scope.since, "$lt": scope.until}}
    return {}


def _compressed(content: Iterable[bytes], *, now: datetime) -> tuple[bytes, Archive]:
    """What is kept of ``content``, which is never held whole."""
    compressor = zstandard.ZstdCompressor(compression_params=COMPRESSION).compressobj()
    digest, size, compressed = hashlib.sha256(), 0, bytearray()
    for piece in content:
        digest.update(piece)
        size += len(piece)
        compressed += compressor.compress(piece)
    compressed += compressor.flush()
    kept = bytes(compressed)
    archive = Archive(
        compressed_digest=sha256(kept),
        content_digest=digest.hexdigest(),
        compressed_size=len(kept),
        content_size=size,
        archived_at=now,
    )
    return kept, archive


def _decompressed(transcript: Transcript, archive: Archive, compressed: bytes) -> Iterator[bytes]:
    digest = hashlib.sha256()
    try:
        for block in zstandard.ZstdDecompressor().read_to_iter(compressed, write_size=BLOCK_SIZE):
            digest.update(block)
            yield block
    except zstandard.ZstdError as error:
        raise TranscriptDamaged(transcript.conversation_id) from error
    if digest.hexdigest() != archive.content_digest:
        raise TranscriptDamaged(transcript.conversation_id)


def _archive_key(transcript: Transcript, archive: Archive) -> Document:
    return {
        "customer_id": transcript.customer_id,
        "conversation_id": transcript.conversation_id,
        "compressed_digest": archive.compressed_digest,
    }


def _document(thing: msgspec.Struct) -> Document:
    document: Document = msgspec.to_builtins(thing, builtin_types=(datetime,))
    return document


def _transcript(document: Document) -> Transcript:
    return msgspec.convert(document | {"conversation_id": document["_id"]}, Transcript)
