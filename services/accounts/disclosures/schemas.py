"""What disclosures look like over HTTP. Nothing here has a field for what a customer's people or visitors said."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

import msgspec
from pydantic import Field, StringConstraints

from chassis.web import Body, Query, Reply, Timestamp
from contracts.disclosures import ConversationsScope, PeriodScope, Scope, VisitorScope
from services.accounts.disclosures.model import (
    LONGEST_EXPLANATION,
    LONGEST_NAME,
    MOST_CONVERSATIONS,
    Asked,
    Decided,
    Disclosure,
    Ground,
    KeptBundle,
    Reviewed,
    Standing,
    State,
    TellingState,
)

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}\z")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_NAME)]
Explanation = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_EXPLANATION)]


class ConversationsBody(Body):
    kind: Literal["conversations"]
    conversation_ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_CONVERSATIONS)]

    def scope(self) -> Scope:
        return ConversationsScope(conversation_ids=tuple(dict.fromkeys(self.conversation_ids)))


class VisitorBody(Body):
    kind: Literal["visitor"]
    visitor_id: Id

    def scope(self) -> Scope:
        return VisitorScope(visitor_id=self.visitor_id)


class PeriodBody(Body):
    kind: Literal["period"]
    since: Timestamp
    until: Timestamp

    def scope(self) -> Scope:
        return PeriodScope(since=self.since, until=self.until)


class RequestDisclosure(Body):
    customer_id: Id
    ground: Ground
    explanation: Explanation
    scope: Annotated[ConversationsBody | VisitorBody | PeriodBody, Field(discriminator="kind")]
    recipient: Name
    recipient_key: Annotated[str, StringConstraints(max_length=2000)]
    gag_until: Timestamp | None = None
    gag_reference: Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST_NAME)] = ""

    def asked(self) -> Asked:
        return Asked(
            customer_id=self.customer_id,
            ground=self.ground,
            explanation=self.explanation,
            scope=self.scope.scope(),
            recipient=self.recipient,
            recipient_key=self.recipient_key,
            gag_until=self.gag_until,
            gag_reference=self.gag_reference,
        )


class Decide(Body):
    outcome: Decided
    reason: Explanation


class ReviewDisclosure(Body):
    outcome: Reviewed
    reason: Explanation


class RegisterQuery(Query):
    after: Id | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class PartQuery(Query):
    part: Annotated[int, Field(ge=0, le=2**31)] = 0


class PersonReply(Reply):
    id: str
    name: str


class DecisionReply(Reply):
    outcome: Decided
    by: PersonReply
    at: datetime
    reason: str


class ReviewReply(Reply):
    due_at: datetime
    outcome: Reviewed | None
    by: PersonReply | None
    at: datetime | None
    reason: str


class BundleReply(Reply):
    size: int
    sha256: str
    conversations: int
    missing: list[str]
    executed_at: datetime
    kept_until: datetime
    removed_at: datetime | None


class TellingReply(Reply):
    state: TellingState
    attempts: int
    repeated: int
    reason: str
    told_at: datetime | None


class DisclosureReply(Reply):
    """A line of the register."""

    disclosure_id: str
    customer_id: str
    ground: Ground
    explanation: str
    scope: dict[str, Any]
    recipient: str
    recipient_fingerprint: str
    gag_until: datetime | None
    gag_reference: str
    state: State
    requested_by: PersonReply
    requested_at: datetime
    decision: DecisionReply | None
    review: ReviewReply | None
    is_overdue: bool
    bundle: BundleReply | None
    telling: TellingReply | None

    @classmethod
    def of(cls, standing: Standing) -> Self:
        known = msgspec.structs.asdict(standing.disclosure)
        return cls.model_validate({**known, "scope": _scope(standing.disclosure), "is_overdue": standing.is_overdue})


class RegisterReply(Reply):
    disclosures: list[DisclosureReply]
    next: str | None


class ToldReply(Reply):
    """What a customer is told: all of it but who of us it was."""

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
    reviewed: Reviewed | None
    is_review_due: bool

    @classmethod
    def of(cls, disclosure: Disclosure) -> Self:
        bundle: KeptBundle | None = disclosure.bundle
        review = disclosure.review
        return cls.model_validate(
            {
                **msgspec.structs.asdict(disclosure),
                "scope": _scope(disclosure),
                "executed_at": bundle and bundle.executed_at,
                "conversations": bundle and bundle.conversations,
                "sha256": bundle and bundle.sha256,
                "reviewed": review and review.outcome,
                "is_review_due": review is not None and review.outcome is None,
            }
        )


class ToldsReply(Reply):
    disclosures: list[ToldReply]
    next: str | None


class PartReply(Reply):
    """A piece of the sealed bytes, in base64."""

    data: str
    parts: int
    size: int
    sha256: str


def _scope(disclosure: Disclosure) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(disclosure.scope)
    return plain
