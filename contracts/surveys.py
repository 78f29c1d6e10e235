"""What surveys tells the rest of the system."""

from datetime import datetime

import msgspec

from contracts.payload import Event


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One question as it was asked, and what the visitor answered, as text."""

    question_id: str
    label: str
    kind: str
    value: str


class ResponseRecorded(Event, frozen=True, kw_only=True):
    """A visitor answered a survey, and the conversation it belongs to was opened."""

    routing_key = "surveys.response.recorded.v1"

    response_id: str
    survey_id: str
    survey_version: int
    site_id: str
    conversation_id: str
    placement: str = "pre-chat"
    answers: tuple[Answer, ...]
    answered_at: datetime


EVENTS = (ResponseRecorded,)
