"""Transcripts, and finding them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from chassis.web import Query, Reply
from services.gateway.schemas.captures import CapturedOut, TrailPageOut
from services.gateway.schemas.fields import Cursor, Limit, Moment
from services.gateway.schemas.messages import MessageOut


class TranscriptsQuery(Query):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=False)

    q: Annotated[str, StringConstraints(max_length=200)] | None = None
    since: Annotated[Moment | None, Field(alias="from")] = None
    until: Annotated[Moment | None, Field(alias="to")] = None
    after: Cursor | None = None
    limit: Limit = 50


class TranscriptSummaryOut(Reply):
    transcript_id: str
    site_id: str
    visitor_id: str
    visitor_name: str = ""
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    sealed_at: datetime | None = None
    message_count: int = 0
    operators: list[str] = []
    storage: Literal["live", "archived"] = "live"


class TranscriptsOut(Reply):
    transcripts: list[TranscriptSummaryOut]
    next: str | None = None


class AnswerOut(Reply):
    question_id: str
    label: str
    kind: str
    value: str


class ResponseOut(Reply):
    survey_id: str
    survey_version: int
    placement: str = "pre-chat"
    answers: list[AnswerOut]


class AcknowledgedOut(Reply):
    version: str
    acknowledged_at: datetime


class TranscriptOut(TranscriptSummaryOut):
    messages: list[MessageOut]
    captured: CapturedOut | None = None
    trail: list[TrailPageOut] = []
    responses: list[ResponseOut] = []
    acknowledged_policy_version: str = ""
    acknowledgements: list[AcknowledgedOut] = []
    digest: str = ""
    last_seq: int = 0
