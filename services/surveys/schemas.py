"""What surveys and responses look like over HTTP."""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any, Literal, Self

import msgspec
from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from chassis.web import Body, Query, Reply
from services.surveys.model import (
    DECIDING,
    LARGEST_NUMBER,
    LONGEST_PATTERNED,
    LONGEST_TEXT,
    QUESTION_ID,
    CursorNotValid,
    Kind,
    Period,
    Place,
    Placement,
    Question,
    Survey,
    Topic,
)
from services.surveys.patterns import PatternRefused, expression
from services.surveys.rules import DEFAULT_SCALE, LONGEST_LINE, compiled

MOST_QUESTIONS = 30
PAGE_LIMIT = 200

Id = Annotated[str, StringConstraints(min_length=1, max_length=64)]
LongId = Annotated[str, StringConstraints(min_length=1, max_length=200)]
QuestionId = Annotated[str, StringConstraints(pattern=QUESTION_ID)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$")]
Choice = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
Number = Annotated[float, Field(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]
LEFT_OUT = Field(exclude_if=lambda value: value is None)


class ShownIfBody(Body):
    question_id: QuestionId
    values: Annotated[list[Choice | bool | int], Field(min_length=1, max_length=50)]


class _QuestionBody(Body):
    question_id: QuestionId
    label: Line
    is_required: bool = False
    shown_if: ShownIfBody | None = None

    def question(self) -> Question:
        return msgspec.convert(self.model_dump(), Question)


class TextQuestion(_QuestionBody):
    kind: Literal["text", "long-text"]
    max_length: Annotated[int, Field(ge=1, le=LONGEST_TEXT)] | None = None
    pattern: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    pattern_hint: Choice | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.kind == "text" and (self.max_length or 0) > LONGEST_LINE:
            raise ValueError(f"a text of one line has at most {LONGEST_LINE} characters")
        if self.pattern is not None:
            self._check_pattern(self.pattern)
        return self

    def _check_pattern(self, pattern: str) -> None:
        longest = self.max_length or LONGEST_PATTERNED
        if self.kind != "text" or longest > LONGEST_PATTERNED:
            raise ValueError(f"a pattern is for a text of one line, of at most {LONGEST_PATTERNED} characters")
        try:
            expression(pattern, longest)
        except PatternRefused as reason:
            raise ValueError(str(reason)) from reason

    def question(self) -> Question:
        longest = LONGEST_PATTERNED if self.pattern is not None else None
        return msgspec.convert(self.model_dump() | {"max_length": self.max_length or longest}, Question)


class PlainQuestion(_QuestionBody):
    kind: Literal["email", "phone", "age", "birth-date", "postcode", "consent"]


class NumberQuestion(_QuestionBody):
    kind: Literal["number"]
    minimum: Number | None = None
    maximum: Number | None = None

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("minimum must not be above maximum")
        return self


class _Choosing(_QuestionBody):
    choices: Annotated[list[Choice], Field(min_length=2, max_length=50)]

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if len(set(self.choices)) < len(self.choices):
            raise ValueError("choices must differ from each other")
        return self


class ChoiceQuestion(_Choosing):
    kind: Literal["choice", "income-band"]


class ChoicesQuestion(_Choosing):
    kind: Literal["choices"]
    min_choices: Annotated[int, Field(ge=1, le=50)] | None = None
    max_choices: Annotated[int, Field(ge=1, le=50)] | None = None

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        most = self.max_choices or len(self.choices)
        if not (self.min_choices or 1) <= most <= len(self.choices):
            raise ValueError("there must be room between the fewest and the most choices")
        return self


class RatingQuestion(_QuestionBody):
    kind: Literal["rating"]
    scale: Annotated[int, Field(ge=3, le=10)] = DEFAULT_SCALE
    about_service: Topic | None = None

    @model_validator(mode="after")
    def _can_be_compared(self) -> Self:
        if self.about_service and self.scale != DEFAULT_SCALE:
            raise ValueError(f"about the service everybody is asked for a rating from 1 to {DEFAULT_SCALE}")
        return self


QuestionBody = Annotated[
    TextQuestion | PlainQuestion | NumberQuestion | ChoiceQuestion | ChoicesQuestion | RatingQuestion,
    Field(discriminator="kind"),
]


class SurveyBody(Body):
    questions: Annotated[list[QuestionBody], Field(max_length=MOST_QUESTIONS)]

    @model_validator(mode="after")
    def _have_their_own_ids(self) -> Self:
        if len({question.question_id for question in self.questions}) < len(self.questions):
            raise ValueError("question ids must differ from each other")
        return self

    @model_validator(mode="after")
    def _depend_on_earlier_ones(self) -> Self:
        earlier: dict[str, Question] = {}
        for question in self.made():
            if question.shown_if:
                _check_condition(question, earlier.get(question.shown_if.question_id))
            earlier[question.question_id] = question
        return self

    def made(self) -> tuple[Question, ...]:
        """The questions, as the model has them."""
        return tuple(question.question() for question in self.questions)


def _check_condition(question: Question, decides: Question | None) -> None:
    if decides is None or decides.kind not in DECIDING:
        raise ValueError("a question can only depend on an earlier one with choices, a rating or a consent")
    possible = set(_possible(decides))
    # True is 1 in Python, and in no survey.
    wanted = {(type(value), value) for value in question.shown_if.values} if question.shown_if else set()
    if not wanted <= {(type(value), value) for value in possible}:
        raise ValueError("a question can only depend on what can be answered")


def _possible(question: Question) -> list[str | bool | int]:
    if question.kind == "consent":
        return [True]
    if question.kind == "rating":
        return list(range(1, (question.scale or DEFAULT_SCALE) + 1))
    return list(question.choices or ())


class ShownIfReply(Reply):
    question_id: str
    values: list[str | bool | int]


class QuestionReply(Reply):
    question_id: str
    kind: Kind
    label: str
    is_required: bool
    choices: Annotated[list[str] | None, LEFT_OUT] = None
    max_length: Annotated[int | None, LEFT_OUT] = None
    pattern: Annotated[str | None, LEFT_OUT] = None
    pattern_hint: Annotated[str | None, LEFT_OUT] = None
    minimum: Annotated[float | None, LEFT_OUT] = None
    maximum: Annotated[float | None, LEFT_OUT] = None
    min_choices: Annotated[int | None, LEFT_OUT] = None
    max_choices: Annotated[int | None, LEFT_OUT] = None
    scale: Annotated[int | None, LEFT_OUT] = None
    shown_if: Annotated[ShownIfReply | None, LEFT_OUT] = None
    about_service: Annotated[Topic | None, LEFT_OUT] = None


class SurveyReply(Reply):
    survey_id: str
    version: int
    placement: Placement
    published_at: datetime
    questions: list[QuestionReply]
    rules: dict[str, Any]

    @classmethod
    def of(cls, survey: Survey) -> Self:
        return cls.model_validate(msgspec.structs.asdict(survey) | {"rules": compiled(survey.questions)})


class DraftReply(Reply):
    saved_at: datetime
    questions: list[QuestionReply]


class VersionReply(Reply):
    version: int
    published_at: datetime
    question_count: int


class VersionsQuery(Query):
    before: Annotated[int, Field(ge=1, le=2**31)] | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE_LIMIT)] = 50


class VersionsReply(Reply):
    versions: list[VersionReply]
    has_earlier: bool


class ResponseBody(Body):
    site_id: Id
    placement: Placement
    occasion_id: LongId
    conversation_id: Id | None = None
    survey_version: Annotated[int, Field(ge=1, le=2**31)] | None = None
    acknowledged_policy_version: Id | None = None
    answers: Annotated[dict[str, object], Field(max_length=MOST_QUESTIONS)]

    @model_validator(mode="after")
    def _has_its_conversation(self) -> Self:
        if (self.conversation_id is None) != (self.placement == "offline"):
            raise ValueError("answers belong to a conversation, unless nobody was there for one")
        return self


class RecordedReply(Reply):
    response_id: str
    survey_version: int


class ResponsesQuery(Query):
    conversation_id: Id


class AnswerReply(Reply):
    question_id: str
    label: str
    kind: str
    value: str


class ResponseReply(Reply):
    response_id: str
    survey_id: str
    survey_version: int
    site_id: str
    conversation_id: str | None
    placement: Placement
    status: Literal["pending", "attached"]
    answers: list[AnswerReply]
    acknowledged_policy_version: str | None
    answered_at: datetime


class ResponsesReply(Reply):
    responses: list[ResponseReply]


class PageQuery(Query):
    after: Annotated[str, Field(max_length=400)] | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE_LIMIT)] = 50

    @property
    def place(self) -> Place | None:
        return place_of(self.after) if self.after is not None else None


class PeriodQuery(Query):
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None

    @property
    def period(self) -> Period:
        return Period(since=self.since, until=self.until)


class ListQuery(PeriodQuery, PageQuery):
    """A page of a period."""


class ListReply(ResponsesReply):
    next: str | None


class BarReply(Reply):
    label: str
    count: int


class QuestionReportReply(Reply):
    question_id: str
    kind: str
    label: str
    is_current: bool
    answered: int
    bars: list[BarReply]
    smallest: float | None
    largest: float | None
    mean: float | None


class ReportReply(Reply):
    responses: int
    questions: list[QuestionReportReply]


class ServiceRatingsReply(Reply):
    month: str
    topic: Topic
    ratings: dict[str, int]


class ServiceReportReply(Reply):
    months: list[ServiceRatingsReply]


def cursor(place: Place | None) -> str | None:
    """A place in a list as the opaque text that callers hand back."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode() if place else None


def place_of(text: str) -> Place:
    """The place that a cursor stands for. Raises ``CursorNotValid``."""
    try:
        place = msgspec.json.decode(base64.b64decode(text, altchars=b"-_", validate=True), type=Place)
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise CursorNotValid from error
    if place.answered_at.tzinfo is None:
        raise CursorNotValid
    return place


class AddressBody(Body):
    email: Annotated[str, StringConstraints(min_length=3, max_length=254)]


class VisitorsReply(Reply):
    visitor_ids: list[str]
