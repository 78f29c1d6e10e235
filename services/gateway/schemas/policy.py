"""The privacy policy: its versions, drafts and notices."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from chassis.web import Body, Query, Reply, Timestamp
from services.gateway.schemas.fields import OpaqueId


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
