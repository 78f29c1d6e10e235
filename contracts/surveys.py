"""What surveys can be asked, and what it tells the rest of the system."""

from datetime import datetime

import msgspec

from contracts.payload import Command, Event

ATTACHER = "surveys.attach-responses"
"""The queue that takes its commands: the one of the openings, so that an erasure comes after what it erases."""


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


class EraseAnswers(Command, frozen=True, kw_only=True):
    """The visitor of the conversation is erased: no answer of it may stay, nor come back later."""

    routing_key = "surveys.answers.erase.v1"

    erasure_id: str
    conversation_id: str
    look: int


class AnswersErased(Event, frozen=True, kw_only=True):
    """The receipt for ``EraseAnswers``: what this look has found, by kind; of none of it is anything left."""

    routing_key = "surveys.answers.erased.v1"

    erasure_id: str
    conversation_id: str
    look: int
    removed: dict[str, int]
    erased_at: datetime


EVENTS = (ResponseRecorded, AnswersErased)
COMMANDS = (EraseAnswers,)
