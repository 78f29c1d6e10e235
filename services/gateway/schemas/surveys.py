"""Surveys, their versions, answers and reports."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints

from chassis.web import Body, Query, Reply
from services.gateway.schemas.fields import LARGEST_VERSION, AnswerValue, Cursor, Limit, OpaqueId, SurveyVersion

LEFT_OUT = Field(exclude_if=lambda value: value is None)
Kind = Literal[
    "text", "long-text", "email", "phone", "number", "age", "birth-date", "postcode", "income-band", "choice",
    "choices", "rating", "consent",
]  # fmt: skip
Topic = Literal["overall", "ease", "speed", "reliability"]
Placement = Literal["pre-chat", "post-chat", "offline"]


class ShownIfOut(Reply):
    question_id: str
    values: list[str | bool | int]


class QuestionOut(Reply):
    question_id: str
    kind: Kind
    label: str
    is_required: bool = False
    choices: Annotated[list[str] | None, LEFT_OUT] = None
    max_length: Annotated[int | None, LEFT_OUT] = None
    pattern: Annotated[str | None, LEFT_OUT] = None
    pattern_hint: Annotated[str | None, LEFT_OUT] = None
    minimum: Annotated[float | None, LEFT_OUT] = None
    maximum: Annotated[float | None, LEFT_OUT] = None
    min_choices: Annotated[int | None, LEFT_OUT] = None
    max_choices: Annotated[int | None, LEFT_OUT] = None
    scale: Annotated[int | None, LEFT_OUT] = None
    shown_if: Annotated[ShownIfOut | None, LEFT_OUT] = None
    about_service: Annotated[Topic | None, LEFT_OUT] = None


class SurveyOut(Reply):
    survey_id: str
    version: int
    placement: Placement = "pre-chat"
    published_at: Annotated[datetime | None, LEFT_OUT] = None
    questions: list[QuestionOut]
    rules: Annotated[dict[str, Any], Field(description="What fits, as a JSON Schema (2020-12) of `answers`.")] = {}


class DraftOut(Reply):
    saved_at: datetime
    questions: list[QuestionOut]


class VersionsQuery(Query):
    before: Annotated[int, Field(ge=1, le=LARGEST_VERSION)] | None = None
    limit: Limit = 50


class VersionOut(Reply):
    version: int
    published_at: datetime
    question_count: int


class VersionsOut(Reply):
    versions: list[VersionOut]
    has_earlier: bool


class ShownIfIn(Body):
    question_id: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    values: Annotated[list[Annotated[str, StringConstraints(max_length=1000)] | bool | int], Field(max_length=100)]


class QuestionIn(Body):
    question_id: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    kind: Kind
    label: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    is_required: bool = False
    choices: Annotated[list[Annotated[str, StringConstraints(max_length=1000)]], Field(max_length=100)] | None = None
    max_length: int | None = None
    pattern: Annotated[str, StringConstraints(max_length=1000)] | None = None
    pattern_hint: Annotated[str, StringConstraints(max_length=1000)] | None = None
    minimum: float | None = None
    maximum: float | None = None
    min_choices: int | None = None
    max_choices: int | None = None
    scale: int | None = None
    shown_if: ShownIfIn | None = None
    about_service: Topic | None = None


class SurveyIn(Body):
    questions: Annotated[list[QuestionIn], Field(max_length=100)]

    def plain(self) -> list[dict[str, Any]]:
        """The questions as surveys takes them: it knows which fields go with which kind."""
        return [question.model_dump(mode="json", exclude_none=True) for question in self.questions]


class AnswersIn(Body):
    answers: Annotated[dict[OpaqueId, AnswerValue], Field(max_length=100)]
    survey_version: SurveyVersion | None = None


class OfflineIn(AnswersIn):
    client_id: OpaqueId
    acknowledged_policy_version: Annotated[str, StringConstraints(max_length=64)] | None = None


class RecordedOut(Reply):
    response_id: str
    survey_version: int


class PeriodQuery(Query):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=False)

    since: Annotated[AwareDatetime | None, Field(alias="from")] = None
    until: Annotated[AwareDatetime | None, Field(alias="to")] = None


class ResponsesQuery(PeriodQuery):
    after: Cursor | None = None
    limit: Limit = 50


class GivenAnswerOut(Reply):
    question_id: str
    label: str
    kind: str
    value: str


class SurveyResponseOut(Reply):
    response_id: str
    survey_id: str
    survey_version: int
    site_id: str
    conversation_id: str | None
    placement: Placement
    answers: list[GivenAnswerOut]
    acknowledged_policy_version: str | None = None
    answered_at: datetime


class SurveyResponsesOut(Reply):
    responses: list[SurveyResponseOut]
    next: str | None = None


class BarOut(Reply):
    label: str
    count: int


class QuestionReportOut(Reply):
    question_id: str
    kind: str
    label: str
    is_current: bool
    answered: int
    bars: list[BarOut]
    smallest: float | None = None
    largest: float | None = None
    mean: float | None = None


class ReportOut(Reply):
    responses: int
    questions: list[QuestionReportOut]


class ServiceRatingsOut(Reply):
    month: str
    topic: Topic
    ratings: dict[str, int]


class ServiceReportOut(Reply):
    months: list[ServiceRatingsOut]
