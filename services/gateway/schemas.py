"""What the public edge takes and gives over HTTP."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from chassis.web import Body, Query, Reply, Timestamp
from contracts.chat import TEXT_MAX_LENGTH


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("must be text")
    return text


Opaque = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}\z")]
OPAQUE_SCHEMA = r"^[A-Za-z0-9_-]{1,64}$"
OpaqueId = Annotated[Opaque, Field(json_schema_extra={"pattern": OPAQUE_SCHEMA})]
Address = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+\z", max_length=2048)]
PageAddress = Annotated[Address, Field(json_schema_extra={"pattern": r"^https?://[^\s]+$"})]
Text = Annotated[
    str, StringConstraints(min_length=1, max_length=TEXT_MAX_LENGTH, pattern=r"\S"), AfterValidator(_without_nul)
]
Short = Annotated[str, StringConstraints(max_length=2048)]
Status = Literal["queued", "active", "closed"]
NewStatus = Literal["queued", "active", "closed", "erased"]
Scope = Literal["conversations", "transcripts", "surveys"]
Cursor = Annotated[str, StringConstraints(max_length=512)]
Limit = Annotated[int, Field(ge=1, le=200)]
Seq = Annotated[int, Field(ge=0, le=2**53)]
Moment = Annotated[str, StringConstraints(max_length=64), Field(json_schema_extra={"format": "date-time"})]
LEFT_OUT = Field(exclude_if=lambda value: value is None)
WAIT_LONGEST = 25


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
    visitor_token: str
    visit_id: str


class ConversationIn(Body):
    department: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    answers: Annotated[dict[OpaqueId, str | int | float], Field(max_length=100)] | None = None
    acknowledged_policy_version: Annotated[str, StringConstraints(max_length=64)] | None = None
    text: Text | None = None


class OpenedOut(Reply):
    conversation_id: str
    status: Status
    position: int | None = None


class AcceptedForProcessing(Reply):
    """The bus holds it safely, but what came of it is not known yet; look again at ``status_url``."""

    status_url: str
    conversation_id: str | None = None


class MessageIn(Body):
    client_id: OpaqueId
    text: Text


class PostedOut(Reply):
    seq: int
    message_id: str
    sent_at: datetime


class HistoryQuery(Query):
    after: Seq = 0
    wait: Annotated[float, Field(ge=0, le=WAIT_LONGEST)] = 0
    limit: Limit = 200


class SenderOut(Reply):
    kind: Literal["visitor", "operator", "system"]
    id: str
    name: str


class MessageOut(Reply):
    seq: int
    message_id: str
    client_id: str
    sender: SenderOut
    text: str
    sent_at: datetime


class HistoryOut(Reply):
    messages: list[MessageOut]
    last_seq: int
    status: Status


class TicketOut(Reply):
    ticket: str
    expires_in: int


class QuestionOut(Reply):
    question_id: str
    kind: Literal["text", "email", "number", "choice"]
    label: str
    is_required: bool = False
    choices: Annotated[list[str] | None, LEFT_OUT] = None
    max_length: Annotated[int | None, LEFT_OUT] = None
    minimum: Annotated[float | None, LEFT_OUT] = None
    maximum: Annotated[float | None, LEFT_OUT] = None


class SurveyOut(Reply):
    survey_id: str
    version: int
    placement: str = "pre-chat"
    questions: list[QuestionOut]


class QuestionIn(Body):
    question_id: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    kind: Literal["text", "email", "number", "choice"]
    label: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    is_required: bool = False
    choices: Annotated[list[Annotated[str, StringConstraints(max_length=1000)]], Field(max_length=100)] | None = None
    max_length: int | None = None
    minimum: float | None = None
    maximum: float | None = None


class SurveyIn(Body):
    questions: Annotated[list[QuestionIn], Field(max_length=100)]


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


class ConfigOut(Reply):
    site: WidgetSiteOut
    online: bool
    departments: list[Any]
    texts: dict[str, Any]
    theme: dict[str, Any]
    surveys: WidgetSurveysOut
    notice: str
    policy: WidgetPolicyOut
    cookies: dict[str, Any]


class PolicyVersionOut(Reply):
    version: str
    effective_at: datetime
    posted_at: datetime | None = None
    text: str


class PolicyOut(Reply):
    in_force: PolicyVersionOut
    upcoming: PolicyVersionOut | None


class SignInIn(Body):
    email: Annotated[str, StringConstraints(min_length=1, max_length=254)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    totp: Annotated[str, StringConstraints(max_length=16)] | None = None


class OperatorOut(Reply):
    operator_id: str
    customer_id: str
    name: str
    email: str
    role: str


class SessionOut(Reply):
    operator: OperatorOut
    expires_at: datetime | None = None


class TokenIn(Body):
    name: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=20)]
    expires_at: Timestamp | None = None


class TokenOut(Reply):
    token_id: str
    name: str
    scopes: list[Scope]
    created_at: datetime | None = None
    last_used_at: datetime | None = None
    expires_at: datetime | None = None


class IssuedTokenOut(TokenOut):
    token: str


class TokensOut(Reply):
    tokens: list[TokenOut]


class ConversationsQuery(Query):
    status: Status | None = None
    after: Cursor | None = None
    limit: Limit = 50


class ListQuery(Query):
    after: Cursor | None = None
    limit: Limit = 50


class PersonOut(Reply):
    id: str
    name: str


class LastMessageOut(Reply):
    seq: int
    text: str
    sender: SenderOut
    sent_at: datetime


class ConversationOut(Reply):
    conversation_id: str
    site_id: str
    visitor_id: str
    visitor_name: str
    status: Status
    operator: PersonOut | None = None
    department: str | None = None
    opened_at: datetime
    accepted_at: datetime | None = None
    closed_at: datetime | None = None
    last_seq: int = 0
    last_message: LastMessageOut | None = None
    position: int | None = None
    is_sealed: bool = False


class ConversationsOut(Reply):
    conversations: list[ConversationOut]
    next: str | None = None


class ChangedOut(Reply):
    conversation_id: str
    status: NewStatus
    operator: PersonOut | None = None
    last_seq: int | None = None


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


class CapturedPageOut(Reply):
    url: str = ""
    title: str = ""
    referrer: str = ""


class CapturedOut(Reply):
    ip: str = ""
    user_agent: str = ""
    browser: str = ""
    os: str = ""
    device: str = ""
    language: str = ""
    page: CapturedPageOut | None = None


class AnswerOut(Reply):
    question_id: str
    label: str
    kind: str
    value: str


class ResponseOut(Reply):
    survey_id: str
    survey_version: int
    answers: list[AnswerOut]


class TranscriptOut(TranscriptSummaryOut):
    messages: list[MessageOut]
    captured: CapturedOut | None = None
    responses: list[ResponseOut] = []
    acknowledged_policy_version: str = ""
    digest: str = ""
    last_seq: int = 0


class SiteOut(Reply):
    site_id: str
    site_key: str
    name: str
    origins: list[str]
    departments: list[Any] = []
    texts: dict[str, Any] = {}
    theme: dict[str, Any] = {}
    ip_capture: str
    cookies: dict[str, Any] = {}


class SitesOut(Reply):
    sites: list[SiteOut]


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


class OwnConversationOut(Reply):
    conversation_id: str
    status: Status
    department: str | None
    opened_at: datetime
    closed_at: datetime | None
    acknowledged_policy_version: str = ""
    messages: list[MessageOut]
    captured: CapturedOut | None
    responses: list[ResponseOut]


class CopyOut(Reply):
    made_at: datetime
    visitor: OwnVisitorOut
    visits: list[OwnVisitOut]
    conversations: list[OwnConversationOut]


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


class ErasuresQuery(Query):
    before: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}\z")] | None = None
    limit: Limit = 50


class ErasedDayOut(Reply):
    day: str
    reason: Literal["minor", "asked"]
    visitors: int
    conversations: int


class ErasuresOut(Reply):
    days: list[ErasedDayOut]


class KeyOut(Reply):
    kty: str
    crv: str
    x: str
    kid: str
    alg: str
    use: str


class KeysOut(Reply):
    keys: list[KeyOut]
