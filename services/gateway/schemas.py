"""What the public edge takes and gives over HTTP."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field, StringConstraints

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
LARGEST_VERSION = 2**31
SurveyVersion = Annotated[int, Field(ge=1, le=LARGEST_VERSION)]
AnswerValue = str | int | float | bool | Annotated[list[str], Field(max_length=100)]


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


class AcceptedForProcessing(Reply):
    """The bus holds it safely, but what came of it is not known yet; look again at ``status_url``."""

    status_url: str
    conversation_id: str | None = None


class AcknowledgementIn(Body):
    policy_version: Annotated[str, StringConstraints(min_length=1, max_length=64)]


class AcknowledgementOut(Reply):
    conversation_id: str
    policy_version: str
    acknowledged_at: datetime


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


class PolicyVersionOut(Reply):
    version: str
    effective_at: datetime
    posted_at: datetime | None = None
    summary: str = ""
    text: str


class PolicyOut(Reply):
    in_force: PolicyVersionOut
    upcoming: PolicyVersionOut | None


class PolicyStandingOut(Reply):
    version: str
    state: Literal["upcoming", "in-force", "past"]
    effective_at: datetime
    posted_at: datetime
    summary: str


class PolicyVersionsOut(Reply):
    versions: list[PolicyStandingOut]


class PolicyDraftIn(Body):
    """Without ``draft_id``, a new draft."""

    draft_id: OpaqueId | None = None
    revision: Annotated[int, Field(ge=1, le=2**31)] | None = None
    summary: Annotated[str, StringConstraints(max_length=2000)]
    text: Annotated[str, StringConstraints(max_length=50_000)]


class PolicyDraftQuery(Query):
    draft_id: OpaqueId
    revision: Annotated[int, Field(ge=1, le=2**31)]


class PolicyPostIn(Body):
    draft_id: OpaqueId
    revision: Annotated[int, Field(ge=1, le=2**31)]
    effective_at: Timestamp | None = None


class PolicyDraftOut(Reply):
    draft_id: str
    revision: int
    summary: str
    text: str
    saved_at: datetime


class UnsentNoticeOut(Reply):
    customer_id: str
    attempts: int
    addresses: list[str]
    reason: str


class NoticesProgressOut(Reply):
    """How many of how many; ``repeated`` counts the mails that may have been sent a second time."""

    kind: Literal["notice", "reminder"]
    customers: int
    is_planned: bool
    sent: int
    waiting: int
    failed: int
    repeated: int
    away_since: datetime | None
    unsent: list[UnsentNoticeOut]


class NoticesOut(Reply):
    version: str
    notices: list[NoticesProgressOut]


class StaffOut(Reply):
    staff_id: str
    name: str
    email: str
    role: str


class StaffSessionOut(Reply):
    staff: StaffOut
    expires_at: datetime


class SignInIn(Body):
    email: Annotated[str, StringConstraints(min_length=1, max_length=254)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    totp: Annotated[str, StringConstraints(max_length=16)] | None = None


class OperatorSignInIn(SignInIn):
    remember: bool = False


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
    acknowledged_policy_version: str = ""


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
    seen_at: datetime | None = None


class TrailPageOut(Reply):
    url: str
    title: str = ""
    seen_at: datetime | None = None


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


class ConversationVisitOut(Reply):
    """What is known of the visitor while the conversation is not sealed."""

    captured: CapturedOut
    trail: list[TrailPageOut]


class InvitationIn(Body):
    text: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"\S"), AfterValidator(_without_nul)]
    after_seconds: Annotated[int, Field(ge=1, le=3600)]
    after_pages: Annotated[int, Field(ge=1, le=50)] = 1
    every_hours: Annotated[int, Field(ge=1, le=24 * 90)] = 24


class ChoicesIn(Body):
    """What is captured of a site's visitors, and what may be done with them. Off means that it is nowhere written."""

    ip_capture: Literal["full", "truncated", "off"]
    has_browser: bool
    has_language: bool
    page_capture: Annotated[
        Literal["full", "path", "off"],
        Field(description="Addresses of pages with their query, without it, or not at all."),
    ]
    has_trail: bool
    has_cookies: bool
    invitation: InvitationIn | None


class InvitationOut(WidgetInvitationOut):
    every_hours: int


class ChoicesOut(Reply):
    ip_capture: str
    has_browser: bool
    has_language: bool
    page_capture: str
    has_trail: bool
    has_cookies: bool
    invitation: InvitationOut | None


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
    choices: ChoicesOut


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


class CopyOut(Reply):
    made_at: datetime
    visitor: OwnVisitorOut
    visits: list[OwnVisitOut]
    consents: list[OwnConsentOut]
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


class AuditQuery(Query):
    after: Annotated[str, StringConstraints(max_length=20)] | None = None
    limit: Limit = 50


class ActorOut(Reply):
    kind: Literal["operator", "staff", "system"]
    id: str
    role: str


class AuditEntryOut(Reply):
    """What was done; ``hash`` is over all of the rest, with the hash of the entry before it."""

    chain: str
    number: int
    at: Moment
    act_id: str
    actor: ActorOut
    act: str
    subject: dict[str, str]
    details: dict[str, str]
    previous: str
    hash: str


class AuditOut(Reply):
    entries: list[AuditEntryOut]
    next: str | None


class SignedHeadOut(Reply):
    """``certificate`` is a compact JWS of the rest, checked with the keys at `/api/v1/certificate-keys`."""

    chain: str
    number: int
    hash: str
    signed_at: datetime
    certificate: str


class AuditHeadOut(Reply):
    head: SignedHeadOut | None


Ground = Literal["legal-process", "rights-or-property", "emergency"]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=4000, pattern=r"\S"), AfterValidator(_without_nul)]
Named = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"\S"), AfterValidator(_without_nul)]


class ConversationsScopeIn(Body):
    kind: Literal["conversations"]
    conversation_ids: Annotated[list[OpaqueId], Field(min_length=1, max_length=200)]


class VisitorScopeIn(Body):
    kind: Literal["visitor"]
    visitor_id: OpaqueId


class PeriodScopeIn(Body):
    """Conversations that were opened at ``since`` or later, and before ``until``."""

    kind: Literal["period"]
    since: Timestamp
    until: Timestamp


class DisclosureIn(Body):
    """``recipient_key`` is an X25519 public key in PEM. The customer will read the explanation."""

    customer_id: OpaqueId
    ground: Ground
    explanation: Reason
    scope: Annotated[ConversationsScopeIn | VisitorScopeIn | PeriodScopeIn, Field(discriminator="kind")]
    recipient: Named
    recipient_key: Annotated[str, StringConstraints(min_length=1, max_length=2000)]
    gag_until: Timestamp | None = None
    gag_reference: Annotated[str, StringConstraints(max_length=200), AfterValidator(_without_nul)] = ""


class DecisionIn(Body):
    outcome: Literal["approved", "refused"]
    reason: Reason


class ReviewIn(Body):
    outcome: Literal["upheld", "refused"]
    reason: Reason


class DisclosuresQuery(Query):
    after: OpaqueId | None = None
    limit: Limit = 50


class StaffPersonOut(Reply):
    id: str
    name: str


class DecisionOut(Reply):
    outcome: Literal["approved", "refused"]
    by: StaffPersonOut
    at: datetime
    reason: str


class ReviewOut(Reply):
    due_at: datetime
    outcome: Literal["upheld", "refused"] | None
    by: StaffPersonOut | None
    at: datetime | None
    reason: str


class BundleOut(Reply):
    """``missing`` are conversations that the scope names and that the customer has not."""

    size: int
    sha256: str
    conversations: int
    missing: list[str]
    executed_at: datetime
    kept_until: datetime
    removed_at: datetime | None


class TellingOut(Reply):
    state: Literal["waiting", "sent", "failed"]
    attempts: int
    repeated: int
    reason: str
    told_at: datetime | None


class DisclosureOut(Reply):
    disclosure_id: str
    customer_id: str
    ground: Ground
    explanation: str
    scope: dict[str, Any]
    recipient: str
    recipient_fingerprint: str
    gag_until: datetime | None
    gag_reference: str
    state: Literal["requested", "approved", "refused", "executed"]
    requested_by: StaffPersonOut
    requested_at: datetime
    decision: DecisionOut | None
    review: ReviewOut | None
    is_overdue: bool
    bundle: BundleOut | None
    telling: TellingOut | None


class DisclosuresOut(Reply):
    disclosures: list[DisclosureOut]
    next: str | None


class ToldDisclosureOut(Reply):
    disclosure_id: str
    ground: Ground
    explanation: str
    scope: dict[str, Any]
    recipient: str
    gag_until: datetime | None
    gag_reference: str
    requested_at: datetime
    executed_at: datetime
    conversations: int
    sha256: str
    reviewed: Literal["upheld", "refused"] | None
    is_review_due: bool


class ToldDisclosuresOut(Reply):
    disclosures: list[ToldDisclosureOut]
    next: str | None


class InquiriesQuery(Query):
    state: Literal["open", "answered", "closed"] | None = None
    after: Cursor | None = None
    limit: Limit = 50


class InquirySummaryOut(Reply):
    inquiry_id: str
    number: int
    source: Literal["mail", "form"]
    wish: Literal["question", "copy", "erasure"]
    sender: str
    subject: str
    state: Literal["open", "answered", "closed"]
    is_automatic: bool
    is_overdue: bool
    received_at: datetime
    due_at: datetime
    closed_at: datetime | None = None


class InquiriesOut(Reply):
    inquiries: list[InquirySummaryOut]
    next: str | None = None


class InquiryEntryOut(Reply):
    kind: Literal["question", "answer"]
    text: str
    by: str
    at: datetime


class InquiryMailsOut(Reply):
    """How many of our mails about it wait, were taken by the mail server, and could not be delivered."""

    waiting: int
    sent: int
    failed: int


class InquiryOut(InquirySummaryOut):
    entries: list[InquiryEntryOut]
    mails: InquiryMailsOut


class InquiryAnswerIn(Body):
    client_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,64}\z")]
    text: Annotated[
        str, StringConstraints(min_length=1, max_length=20_000, pattern=r"\S"), AfterValidator(_without_nul)
    ]
