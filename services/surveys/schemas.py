"""What surveys and responses look like over HTTP."""

from datetime import datetime
from typing import Annotated, Literal, Self

import msgspec
from pydantic import Field, StringConstraints, model_validator

from chassis.web import Body, Query, Reply
from services.surveys.model import LARGEST_NUMBER, LONGEST_TEXT, QUESTION_ID, Kind, Placement, Question

MOST_QUESTIONS = 30

Id = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$")]
Choice = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
Number = Annotated[float, Field(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]


class _QuestionBody(Body):
    question_id: Annotated[str, StringConstraints(pattern=QUESTION_ID)]
    label: Line
    is_required: bool = False

    def question(self) -> Question:
        return msgspec.convert(self.model_dump(), Question)


class TextQuestion(_QuestionBody):
    kind: Literal["text"]
    max_length: Annotated[int, Field(ge=1, le=LONGEST_TEXT)] = LONGEST_TEXT


class EmailQuestion(_QuestionBody):
    kind: Literal["email"]


class NumberQuestion(_QuestionBody):
    kind: Literal["number"]
    minimum: Number | None = None
    maximum: Number | None = None

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("minimum must not be above maximum")
        return self


class ChoiceQuestion(_QuestionBody):
    kind: Literal["choice"]
    choices: Annotated[list[Choice], Field(min_length=2, max_length=50)]

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if len(set(self.choices)) < len(self.choices):
            raise ValueError("choices must differ from each other")
        return self


QuestionBody = Annotated[TextQuestion | EmailQuestion | NumberQuestion | ChoiceQuestion, Field(discriminator="kind")]


class SurveyBody(Body):
    questions: Annotated[list[QuestionBody], Field(min_length=1, max_length=MOST_QUESTIONS)]

    @model_validator(mode="after")
    def _have_their_own_ids(self) -> Self:
        if len({question.question_id for question in self.questions}) < len(self.questions):
            raise ValueError("question ids must differ from each other")
        return self


class QuestionReply(Reply):
    question_id: str
    kind: Kind
    label: str
    is_required: bool
    choices: list[str] | None = Field(default=None, exclude_if=lambda value: value is None)
    max_length: int | None = Field(default=None, exclude_if=lambda value: value is None)
    minimum: float | None = Field(default=None, exclude_if=lambda value: value is None)
    maximum: float | None = Field(default=None, exclude_if=lambda value: value is None)


class SurveyReply(Reply):
    survey_id: str
    version: int
    placement: Placement
    questions: list[QuestionReply]


class ResponseBody(Body):
    site_id: Id
    conversation_id: Id
    placement: Placement
    answers: Annotated[dict[str, object], Field(max_length=MOST_QUESTIONS)]


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
    conversation_id: str
    placement: Placement
    status: Literal["pending", "attached"]
    answers: list[AnswerReply]
    answered_at: datetime


class ResponsesReply(Reply):
    responses: list[ResponseReply]
