"""What a visitor gets of their own data, and how its erasure stands."""

from datetime import datetime
from typing import Literal

from chassis.web import Reply
from services.gateway.schemas.captures import CapturedOut, CapturedPageOut, TrailPageOut
from services.gateway.schemas.fields import Status
from services.gateway.schemas.messages import MessageOut
from services.gateway.schemas.surveys import SurveyResponseOut
from services.gateway.schemas.transcripts import ResponseOut


class OwnVisitorOut(Reply):
    visitor_id: str
    name: str
    created_at: datetime


class OwnVisitOut(Reply):
    started_at: datetime
    seen_at: datetime
    ip: str
    user_agent: str
    language: str
    pages: list[CapturedPageOut]


class OwnConsentOut(Reply):
    """That the visitor agreed to a cookie, when and under which policy, and how it ended."""

    given_at: datetime
    given_policy_version: str
    expires_at: datetime
    withdrawn_at: datetime | None = None
    withdrawn_policy_version: str = ""
    withdrawn_because: str | None = None


class OwnConversationOut(Reply):
    conversation_id: str
    status: Status
    department: str | None
    opened_at: datetime
    closed_at: datetime | None
    acknowledged_policy_version: str = ""
    messages: list[MessageOut]
    captured: CapturedOut | None
    trail: list[TrailPageOut] = []
    responses: list[ResponseOut]


class CopyHeadOut(Reply):
    """With what a copy begins: all that is not many conversations."""

    made_at: datetime
    visitor: OwnVisitorOut
    visits: list[OwnVisitOut]
    consents: list[OwnConsentOut]


class CopyOut(CopyHeadOut):
    """``responses`` are those that belong to none of the conversations."""

    conversations: list[OwnConversationOut]
    responses: list[SurveyResponseOut]


class ErasureOut(Reply):
    """``removed`` counts things by kind. ``certificate`` is a JWS, empty until the erasure is completed."""

    erasure_id: str
    reason: Literal["minor", "asked"]
    status: Literal["running", "completed"]
    requested_at: datetime
    completed_at: datetime | None
    removed: dict[str, int]
    certificate: str
    status_url: str = "/api/v1/widget/erasure"
