"""The audit, and its signed heads."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import StringConstraints

from chassis.web import Query, Reply
from services.gateway.schemas.fields import Limit, Moment


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
