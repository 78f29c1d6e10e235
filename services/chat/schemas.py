"""What chat's bodies and replies look like over HTTP."""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Self

import msgspec
from pydantic import AfterValidator, Field

from chassis.web import Body, Query, Reply
from contracts.chat import ErasureReason, Page, SenderKind
from services.chat.consents import Withdrawal
from services.chat.model import (
    Arrival,
    Conversation,
    ConversationView,
    ErasedCount,
    Erasure,
    History,
    Message,
    OwnData,
    Place,
    Standing,
    Status,
    Visitor,
)

PAGE_LIMIT = 200
AT_ONCE = 100

Id = Annotated[str, Field(min_length=1, max_length=100)]


class PageBody(Body):
    url: Annotated[str, Field(max_length=8192)]
    title: Annotated[str, Field(max_length=8192)] = ""
    referrer: Annotated[str, Field(max_length=8192)] = ""


class PartitionsReply(Reply):
    count: int


class VisitBody(Body):
    site_id: Id
    page: PageBody | None = None
    has_trail: bool = True
    ip: Annotated[str, Field(max_length=64)] = ""
    user_agent: Annotated[str, Field(max_length=8192)] = ""
    language: Annotated[str, Field(max_length=1024)] = ""
    visitor_token: Annotated[str, Field(max_length=256)] | None = None
    cookie_secret: Annotated[str, Field(max_length=256)] | None = None

    def arrival(self) -> Arrival:
        page = self.page
        return Arrival(
            site_id=self.site_id,
            page=Page(url=page.url, title=page.title, referrer=page.referrer) if page else None,
            has_trail=self.has_trail,
            ip=self.ip,
            user_agent=self.user_agent,
            language=self.language,
            visitor_token=self.visitor_token,
            cookie_secret=self.cookie_secret,
        )


class VisitReply(Reply):
    visitor_id: str
    visit_id: str
    visitor_token: str | None
    page_count: int
    is_known: bool


class ConsentBody(Body):
    visitor_token: Annotated[str, Field(min_length=1, max_length=256)]
    policy_version: Annotated[str, Field(min_length=1, max_length=64)]
    lasts_days: Annotated[int, Field(ge=1, le=400)]


class CookieReply(Reply):
    secret: str
    expires_at: datetime


class WithdrawalBody(Body):
    secret: Annotated[str, Field(min_length=1, max_length=256)]
    policy_version: Annotated[str, Field(min_length=1, max_length=64)]
    because: Withdrawal


class InvitationBody(Body):
    every_hours: Annotated[int, Field(ge=1, le=24 * 365)]


class InvitationReply(Reply):
    is_due: bool


Token = Annotated[str, Field(min_length=1, max_length=256)]


class IntrospectionBody(Body):
    token: Token


class IntrospectionsBody(Body):
    tokens: Annotated[list[Token], Field(max_length=AT_ONCE)]


class AdmissionsBody(Body):
    tickets: Annotated[list[Annotated[str, Field(min_length=1, max_length=4096)]], Field(max_length=AT_ONCE)]


class VisitorReply(Reply):
    visitor_id: str
    visit_id: str
    customer_id: str
    site_id: str
    name: str

    @classmethod
    def of(cls, visitor: Visitor, visit_id: str) -> Self:
        return cls(
            visitor_id=visitor.visitor_id,
            visit_id=visit_id,
            customer_id=visitor.customer_id,
            site_id=visitor.site_id,
            name=visitor.name,
        )


class VisitorsReply(Reply):
    visitors: list[VisitorReply | None]

    @classmethod
    def of(cls, found: Sequence[tuple[Visitor, str] | None]) -> Self:
        return cls(visitors=[VisitorReply.of(*one) if one else None for one in found])


class StandingReply(Reply):
    conversation_id: str
    status: Status
    last_seq: int


class AdmissionReply(Reply):
    standings: list[StandingReply]


class AdmissionsReply(Reply):
    admissions: list[AdmissionReply | None]

    @classmethod
    def of(cls, admitted: Sequence[Sequence[Standing] | None]) -> Self:
        return cls(
            admissions=[
                None if standings is None else AdmissionReply.model_validate({"standings": standings})
                for standings in admitted
            ]
        )


def cursor(place: Place | None) -> str | None:
    """A place in a list as the opaque text that callers hand back."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode() if place else None


def _readable(text: str) -> str:
    place_of(text)
    return text


def place_of(text: str) -> Place:
    """The place that a cursor stands for."""
    try:
        place = msgspec.json.decode(base64.b64decode(text, altchars=b"-_", validate=True), type=Place)
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise ValueError("is not a cursor of this list") from error
    if place.opened_at.tzinfo is None:
        raise ValueError("is not a cursor of this list")
    return place


class ConversationsQuery(Query):
    status: Literal["queued", "active", "closed"] | None = None
    after: Annotated[str, Field(max_length=512), AfterValidator(_readable)] | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE_LIMIT)] = 50


class MessagesQuery(Query):
    after: Annotated[int, Field(ge=0, le=2**53)] = 0
    limit: Annotated[int, Field(ge=1, le=PAGE_LIMIT)] = PAGE_LIMIT


class PresenceReply(Reply):
    is_online: bool


class SenderReply(Reply):
    kind: SenderKind
    id: str
    name: str


class OperatorReply(Reply):
    id: str
    name: str


class LastMessageReply(Reply):
    seq: int
    text: str
    sender: SenderReply
    sent_at: datetime


class MessageReply(LastMessageReply):
    message_id: str
    client_id: str

    @classmethod
    def of(cls, message: Message) -> Self:
        return cls.model_validate(message)


class ConversationReply(Reply):
    conversation_id: str
    site_id: str
    visitor_id: str
    visitor_name: str
    status: Status
    operator: OperatorReply | None
    department: str | None
    opened_at: datetime
    accepted_at: datetime | None
    closed_at: datetime | None
    last_seq: int
    last_message: LastMessageReply | None
    position: int | None
    is_sealed: bool
    acknowledged_policy_version: str

    @classmethod
    def of(cls, view: ConversationView) -> Self:
        conversation = view.conversation
        return cls(
            conversation_id=conversation.conversation_id,
            site_id=conversation.site_id,
            visitor_id=conversation.visitor_id,
            visitor_name=conversation.visitor_name,
            status=conversation.status,
            operator=OperatorReply.model_validate(conversation.operator) if conversation.operator else None,
            department=conversation.department,
            opened_at=conversation.opened_at,
            accepted_at=conversation.accepted_at,
            closed_at=conversation.closed_at,
            last_seq=view.last_seq,
            last_message=LastMessageReply.model_validate(view.last_message) if view.last_message else None,
            position=view.position,
            is_sealed=conversation.is_sealed,
            acknowledged_policy_version=conversation.acknowledged_policy_version,
        )


class ConversationsReply(Reply):
    conversations: list[ConversationReply]
    next: str | None


class MessagesReply(Reply):
    messages: list[MessageReply]
    last_seq: int
    status: Status
    is_sealed: bool

    @classmethod
    def of(cls, history: History) -> Self:
        return cls(
            messages=[MessageReply.of(message) for message in history.messages],
            last_seq=history.last_seq,
            status=history.status,
            is_sealed=history.is_sealed,
        )


class DisclosedQuery(Query):
    after: Annotated[str, Field(max_length=64)] | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 200


class DisclosedReply(Reply):
    """The ids of what a disclosure may see."""

    conversation_ids: list[str]
    next: str | None


class ErasureBody(Body):
    reason: ErasureReason


class ErasureReply(Reply):
    erasure_id: str
    reason: ErasureReason
    status: Literal["running", "completed"]
    requested_at: datetime
    completed_at: datetime | None
    removed: dict[str, int]
    certificate: str

    @classmethod
    def of(cls, erasure: Erasure) -> Self:
        return cls(
            erasure_id=erasure.erasure_id,
            reason=erasure.reason,
            status="completed" if erasure.completed_at else "running",
            requested_at=erasure.requested_at,
            completed_at=erasure.completed_at,
            removed=erasure.removed,
            certificate=erasure.certificate,
        )


class ErasedCountsQuery(Query):
    before: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE_LIMIT)] = 50


class ErasedCountReply(Reply):
    day: str
    reason: ErasureReason
    visitors: int
    conversations: int


class ErasedCountsReply(Reply):
    days: list[ErasedCountReply]

    @classmethod
    def of(cls, counts: list[ErasedCount]) -> Self:
        return cls(days=[ErasedCountReply.model_validate(count) for count in counts])


class PageReply(Reply):
    url: str
    title: str
    referrer: str
    seen_at: datetime | None = None


class CaptureReply(Reply):
    ip: str
    user_agent: str
    language: str
    page: PageReply | None


class ConversationVisitReply(Reply):
    captured: CaptureReply
    trail: list[PageReply]


class ConsentReply(Reply):
    given_at: datetime
    given_policy_version: str
    expires_at: datetime
    withdrawn_at: datetime | None
    withdrawn_policy_version: str
    withdrawn_because: Withdrawal | None


class OwnVisitReply(Reply):
    started_at: datetime
    seen_at: datetime
    ip: str
    user_agent: str
    language: str
    pages: list[PageReply]


class OwnVisitorReply(Reply):
    visitor_id: str
    name: str
    created_at: datetime


class OwnDataReply(Reply):
    visitor: OwnVisitorReply
    visits: list[OwnVisitReply]
    consents: list[ConsentReply]
    captures: dict[str, CaptureReply]

    @classmethod
    def of(cls, data: OwnData) -> Self:
        return cls(
            visitor=OwnVisitorReply.model_validate(data.visitor),
            visits=[OwnVisitReply.model_validate(visit) for visit in data.visits],
            consents=[ConsentReply.model_validate(consent) for consent in data.consents],
            captures={key: CaptureReply.model_validate(capture) for key, capture in data.captures.items()},
        )


class DisclosedWordsReply(Reply):
    """A conversation that is not sealed, and a page of what was said in it."""

    conversation_id: str
    site_id: str
    visitor_id: str
    visitor_name: str
    status: Status
    operators: list[str]
    opened_at: datetime
    closed_at: datetime | None
    acknowledged_policy_version: str
    captured: CaptureReply
    messages: list[MessageReply]

    @classmethod
    def of(cls, conversation: Conversation, messages: Sequence[Message]) -> Self:
        return cls(
            conversation_id=conversation.conversation_id,
            site_id=conversation.site_id,
            visitor_id=conversation.visitor_id,
            visitor_name=conversation.visitor_name,
            status=conversation.status,
            operators=[conversation.operator.name] if conversation.operator else [],
            opened_at=conversation.opened_at,
            closed_at=conversation.closed_at,
            acknowledged_policy_version=conversation.acknowledged_policy_version,
            captured=CaptureReply.model_validate(conversation.capture),
            messages=[MessageReply.of(message) for message in messages],
        )
