"""Surveys and their versions, their questions, the response of one visitor, and what reports say."""

import math
import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Literal

import msgspec

Kind = Literal[
    "text", "long-text", "email", "phone", "number", "age", "birth-date", "postcode", "income-band", "choice",
    "choices", "rating", "consent",
]  # fmt: skip
Placement = Literal["pre-chat", "post-chat", "offline"]
Topic = Literal["overall", "ease", "speed", "reliability"]
"""What about our own service a rating is about. The list is ours, so that it tells nothing of who asked."""

PLACEMENTS: tuple[Placement, ...] = ("pre-chat", "post-chat", "offline")
TOPICS: tuple[Topic, ...] = ("overall", "ease", "speed", "reliability")
DECIDING: frozenset[Kind] = frozenset({"choice", "income-band", "choices", "rating", "consent"})
"""Kinds on whose answers it can depend whether another question is shown."""

QUESTION_ID = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$"
LONGEST_TEXT = 4000
LONGEST_PATTERNED = 200
LARGEST_NUMBER = 1e15
ADULT_AGE = 18
UNATTACHED_LIFETIME = timedelta(hours=1)
SMALLEST_GROUP = 10
"""The staff report tells of no group of answers smaller than this."""

_AGE_BANDS = ((25, "18 to 24"), (35, "25 to 34"), (45, "35 to 44"), (55, "45 to 54"), (65, "55 to 64"))
OLDEST_BAND = "65 or older"
AGE_BANDS = (*(name for _, name in _AGE_BANDS), OLDEST_BAND)


class SurveyNotFound(Exception):
    """No such survey, or not one of yours."""


class VersionTaken(Exception):
    """Somebody else published this version of the survey first."""


class ConversationErased(Exception):
    """The conversation was erased: no answer to it is taken."""


class AlreadyAnswered(Exception):
    """Other answers were already given here."""


class MinorAnswered(Exception):
    """Thank you, but this chat is for people of 18 and older. Nothing that you entered was kept."""


class CursorNotValid(Exception):
    """Some fields are missing or not acceptable."""

    members = {"errors": [{"field": "after", "detail": "This is no cursor of an earlier answer"}]}


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


class ShownIf(msgspec.Struct, frozen=True, kw_only=True):
    """A question is shown if an earlier one has, or has among its several answers, one of these values."""

    question_id: str
    values: tuple[str | bool | int, ...]


class Question(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One question. Limits that do not fit its kind stay ``None``."""

    question_id: str
    kind: Kind
    label: str
    is_required: bool = False
    choices: tuple[str, ...] | None = None
    max_length: int | None = None
    pattern: str | None = None
    pattern_hint: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    min_choices: int | None = None
    max_choices: int | None = None
    scale: int | None = None
    shown_if: ShownIf | None = None
    about_service: Topic | None = None


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """One published version of what a site asks. It never changes: a change is the next version."""

    survey_id: str
    customer_id: str
    site_id: str
    placement: Placement
    version: int
    questions: tuple[Question, ...]
    published_at: datetime


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody means to publish as the next version."""

    customer_id: str
    site_id: str
    placement: Placement
    questions: tuple[Question, ...]
    saved_at: datetime


class Given(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to one question as it was asked: for people as ``value``, for reports as what it counts as."""

    question_id: str
    label: str
    kind: str
    value: str
    counted: tuple[str, ...] = ()
    number: float | None = None
    topic: Topic | None = None


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """One visitor's answers to one version of a survey.

    ``occasion_id`` is what is answered once: the conversation, or for an offline survey the form that was sent. It is
    pending, and will be forgotten at ``expires_at``, until its conversation is known to be open; from then on it is
    attached and stays. What was answered after a conversation, or without one, is attached at once.
    """

    response_id: str
    customer_id: str
    site_id: str
    placement: Placement
    occasion_id: str
    conversation_id: str | None
    visitor_id: str | None = None
    survey_id: str
    survey_version: int
    answers: tuple[Given, ...]
    acknowledged_policy_version: str | None = None
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


class Which(msgspec.Struct, frozen=True, kw_only=True):
    """The survey of one placement on one site, whatever its version."""

    customer_id: str
    site_id: str
    placement: Placement


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """From ``since`` on and before ``until``; without them, from the beginning and to the end."""

    since: datetime | None = None
    until: datetime | None = None


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where in the list, newest first, a page ended."""

    answered_at: datetime
    response_id: str


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """How often something was answered."""

    label: str
    count: int


class QuestionReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was answered to one question. There are no bars where every answer is its own."""

    question_id: str
    kind: str
    label: str
    is_current: bool
    answered: int
    bars: tuple[Bar, ...] = ()
    smallest: float | None = None
    largest: float | None = None
    mean: float | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was answered to a survey in a period, question by question."""

    responses: int
    questions: tuple[QuestionReport, ...]


class ServiceRatings(msgspec.Struct, frozen=True, kw_only=True):
    """How often a topic was given each rating in one month, over all customers and in whole tens."""

    month: str
    topic: Topic
    ratings: dict[str, int]


def counted(kind: Kind, answer: Any) -> tuple[str, ...]:
    """What the answer counts as in a report; nothing where a report cannot count it."""
    match kind:
        case "choice" | "income-band":
            return (answer,)
        case "choices":
            return tuple(answer)
        case "rating":
            return (as_text(answer),)
        case "consent":
            return ("Yes",)
        case "age":
            return (age_band(int(answer)),)
        case "birth-date":
            return (f"{answer[:3]}0s",)
    return ()


def age_band(age: int) -> str:
    """The ages that are counted together."""
    return next((name for above, name in _AGE_BANDS if age < above), OLDEST_BAND)


def date_of(text: str) -> date:
    return date.fromisoformat(text)


def age_on(today: date, born: date) -> int:
    """In whole years; who is born on 29 February has their birthday on 1 March in other years."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def shown(counts: Mapping[str, int]) -> dict[str, int]:
    """What staff may see of the counts of one topic and month: no group under ten, and whole tens of the others.

    Whole tens, because two looks at exact numbers would tell what was answered between them.
    """
    tens = {rating: count // SMALLEST_GROUP * SMALLEST_GROUP for rating, count in counts.items()}
    return {rating: count for rating, count in sorted(tens.items()) if count}


def as_text(number: float) -> str:
    """A number as people write it: 3 rather than 3.0."""
    return str(int(number)) if math.isfinite(number) and number == int(number) else repr(number)
