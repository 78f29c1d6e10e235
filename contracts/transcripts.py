"""What transcripts tells the rest of the system."""

from datetime import datetime

from contracts.payload import Event


class TranscriptSealed(Event, frozen=True, kw_only=True):
    """Transcripts holds every message of a closed conversation and will not change it any more."""

    routing_key = "transcripts.transcript.sealed.v1"

    conversation_id: str
    last_seq: int
    digest: str
    sealed_at: datetime


EVENTS = (TranscriptSealed,)
