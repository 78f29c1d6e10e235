"""What a visitor's browser sends, and how a site's widget is set up."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from chassis.web import Body, Query, Reply
from services.gateway.schemas.fields import AnswerValue, OpaqueId, Status, SurveyVersion, Text
from services.gateway.schemas.surveys import SurveyOut

Address = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+\z", max_length=2048)]
PageAddress = Annotated[Address, Field(json_schema_extra={"pattern": r"^https?://[^\s]+$"})]
Short = Annotated[str, StringConstraints(max_length=2048)]


class SiteQuery(Query):
    site: OpaqueId


class PageIn(Body):
    url: PageAddress
    title: Short = ""
    referrer: Short = ""


class VisitIn(Body):
    site_key: OpaqueId
    page: PageIn
    cookies_consent: bool = False


class VisitOut(Reply):
    """``page_count`` is how many pages this visit has been to; ``has_cookie`` that one was set now."""

    visitor_token: str
    visit_id: str
    page_count: int = 1
    has_cookie: bool = False


class InvitedOut(Reply):
    is_due: bool


class ConversationIn(Body):
    department: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    answers: Annotated[dict[OpaqueId, AnswerValue], Field(max_length=100)] | None = None
    survey_version: SurveyVersion | None = None
    acknowledged_policy_version: Annotated[str, StringConstraints(max_length=64)] | None = None
    text: Text | None = None


class OpenedOut(Reply):
    conversation_id: str
    status: Status
    position: int | None = None


class AcknowledgementIn(Body):
    policy_version: Annotated[str, StringConstraints(min_length=1, max_length=64)]


class AcknowledgementOut(Reply):
    conversation_id: str
    policy_version: str
    acknowledged_at: datetime


class WidgetSiteOut(Reply):
    site_key: str
    name: str


class UpcomingOut(Reply):
    version: str
    effective_at: datetime


class WidgetPolicyOut(Reply):
    version: str
    effective_at: datetime
    text: str
    upcoming: UpcomingOut | None


class WidgetSurveysOut(Reply):
    pre_chat: SurveyOut | None
    post_chat: SurveyOut | None
    offline: SurveyOut | None


class WidgetCookiesOut(Reply):
    """Whether the visitor may be asked for a cookie, and whether they have one here already."""

    enabled: bool
    is_set: bool
    lasts_days: int


class WidgetInvitationOut(Reply):
    text: str
    after_seconds: int
    after_pages: int


class ConfigOut(Reply):
    site: WidgetSiteOut
    online: bool
    departments: list[Any]
    texts: dict[str, Any]
    theme: dict[str, Any]
    surveys: WidgetSurveysOut
    notice: str
    policy: WidgetPolicyOut
    cookies: WidgetCookiesOut
    invitation: WidgetInvitationOut | None
    has_trail: bool
