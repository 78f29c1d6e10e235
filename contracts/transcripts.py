"""What transcripts can be asked, and what it tells the rest of the system."""

from datetime import datetime

from contracts.payload import Command, Event

RECORDER = "transcripts.record-messages"
"""The queue that takes its commands: the one of the words, so that an erasure comes after what it erases."""


class EraseTranscript(Command, frozen=True, kw_only=True):
    """The visitor of the conversation is erased: no word, answer or capture of it may stay, nor come back later."""

    routing_key = "transcripts.transcript.erase.v1"

    erasure_id: str
    conversation_id: str
    look: int


class TranscriptSealed(Event, frozen=True, kw_only=True):
    """Transcripts holds every message of a closed conversation and will not change it any more."""

    routing_key = "transcripts.transcript.sealed.v1"

    conversation_id: str
    last_seq: int
    digest: str
    sealed_at: datetime


class TranscriptErased(Event, frozen=True, kw_only=True):
    """The receipt for ``EraseTranscript``: what this look has found, by kind; of none of it is anything left."""

    routing_key = "transcripts.transcript.erased.v1"

    erasure_id: str
    conversation_id: str
    look: int
    removed: dict[str, int]
    erased_at: datetime


EVENTS = (TranscriptSealed, TranscriptErased)
COMMANDS = (EraseTranscript,)
