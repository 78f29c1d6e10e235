"""Disclosures: requests, decisions, reviews, and what is told of them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from chassis.web import Body, Query, Reply, Timestamp
from services.gateway.schemas.fields import Limit, OpaqueId, _without_nul

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
