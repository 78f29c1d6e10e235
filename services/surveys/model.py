"""Surveys, their questions, what may be answered to them, and the response of one visitor."""

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from contracts.surveys import Answer

Kind = Literal["text", "email", "number", "choice"]
Placement = Literal["pre-chat"]

QUESTION_ID = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$"
LONGEST_TEXT = 4000
LARGEST_NUMBER = 1e15
UNATTACHED_LIFETIME = timedelta(hours=1)

_email_address = re.compile(r"[^\s@\"(),:;<>\[\]\\]{1,64}@(?=.{4,253}\Z)([^\W_]([\w-]{0,61}[^\W_])?\.)+[^\W\d_]{2,63}")


class SurveyNotFound(Exception):
    """No such survey, or not one of yours."""


class VersionTaken(Exception):
    """Somebody else published this version of the survey first."""


class ConversationErased(Exception):
    """The conversation was erased: no answer to it is taken."""


class AlreadyAnswered(Exception):
    """Other answers were already given for this conversation."""


class AnswersInvalid(Exception):
    """Some answers are missing or not acceptable."""

    def __init__(self, refusals: Mapping[str, str]) -> None:
        super().__init__()
        self.refusals = refusals

    @property
    def members(self) -> dict[str, Any]:
        """The refusals, as ``errors`` of the problem document. What was answered is not among them."""
        return {"errors": [{"field": _field(key), "detail": detail} for key, detail in self.refusals.items()]}


def _field(question_id: str) -> str:
    return f"answers.{question_id}" if re.match(QUESTION_ID, question_id) else "answers"


class Unacceptable(Exception):
    """An answer does not fit its question; the text says why, to the visitor."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One question, and what counts as an answer to it. Limits that do not fit its kind stay ``None``."""

    question_id: str
    kind: Kind
    label: str
    is_required: bool = False
    choices: tuple[str, ...] | None = None
    max_length: int | None = None
    minimum: float | None = None
    maximum: float | None = None

    def read(self, given: object) -> str | None:
        """The answer as text, ``None`` if there is none. Raises ``Unacceptable``."""
        answer = given.strip() if isinstance(given, str) else given
        if answer is not None and answer != "":
            return _READERS[self.kind](self, answer)
        if self.is_required:
            raise Unacceptable("This question needs an answer.")
        return None


def _read_text(question: Question, given: object) -> str:
    limit = question.max_length or LONGEST_TEXT
    text = _as_text(given)
    if len(text) > limit:
        raise Unacceptable(f"At most {limit} characters.")
    return text


def _read_email(_: Question, given: object) -> str:
    text = _as_text(given)
    if len(text) > 254 or not _email_address.fullmatch(text):
        raise Unacceptable("This is not an e-mail address.")
    return text


def _read_number(question: Question, given: object) -> str:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise Unacceptable("This must be a number.")
    if not -LARGEST_NUMBER <= given <= LARGEST_NUMBER:
        raise Unacceptable("This number is out of range.")
    if question.minimum is not None and given < question.minimum:
        raise Unacceptable(f"At least {as_text(question.minimum)}.")
    if question.maximum is not None and given > question.maximum:
        raise Unacceptable(f"At most {as_text(question.maximum)}.")
    return as_text(given)


def _read_choice(question: Question, given: object) -> str:
    text = _as_text(given)
    if text not in (question.choices or ()):
        raise Unacceptable("This is not one of the choices.")
    return text


def _as_text(given: object) -> str:
    if not isinstance(given, str):
        raise Unacceptable("This must be text.")
    if "\0" in given:
        raise Unacceptable("This holds a character that is not text.")
    return given


def as_text(number: float) -> str:
    """A number as people write it: 3 rather than 3.0."""
    return str(int(number)) if math.isfinite(number) and number == int(number) else repr(number)


_READERS: dict[Kind, Callable[[Question, object], str]] = {
    "text": _read_text,
    "email": _read_email,
    "number": _read_number,
    "choice": _read_choice,
}


def answers_to(questions: tuple[Question, ...], given: Mapping[str, object]) -> tuple[Answer, ...]:
    """What was answered, in the order of the questions. Raises ``AnswersInvalid`` naming everything wrong at once."""
    answers: list[Answer] = []
    refusals: dict[str, str] = {}
    for question in questions:
        try:
            value = question.read(given.get(question.question_id))
        except Unacceptable as reason:
            refusals[question.question_id] = str(reason)
            continue
        if value is not None:
            asked = {"question_id": question.question_id, "label": question.label, "kind": question.kind}
            answers.append(Answer(**asked, value=value))
    known = {question.question_id for question in questions}
    refusals |= {key: "There is no such question." for key in given if key not in known}
    if refusals:
        raise AnswersInvalid(refusals)
    return tuple(answers)


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """One version of what a site asks. It never changes: a change is the next version."""

    survey_id: str
    customer_id: str
    site_id: str
    placement: Placement
    version: int
    questions: tuple[Question, ...]
    published_at: datetime


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """One visitor's answers to one version of a survey.

    It is pending, and will be forgotten at ``expires_at``, until its conversation is known to be
    open; from then on it is attached and stays.
    """

    response_id: str
    customer_id: str
    site_id: str
    conversation_id: str
    placement: Placement
    survey_id: str
    survey_version: int
    answers: tuple[Answer, ...]
    answered_at: datetime
    expires_at: datetime | None

    @property
    def status(self) -> Literal["pending", "attached"]:
        return "attached" if self.expires_at is None else "pending"

    def attached(self) -> "Response":
        return msgspec.structs.replace(self, expires_at=None)


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """That a conversation was opened, as far as surveys needs to know."""

    customer_id: str
    conversation_id: str
    site_id: str
