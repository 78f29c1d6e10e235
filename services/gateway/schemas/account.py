"""What a customer's account takes and gives over HTTP."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from chassis.web import Body, Query, Reply
from services.gateway.schemas.fields import Limit, OpaqueId

Line = Annotated[str, StringConstraints(max_length=200)]
Lines = Annotated[str, StringConstraints(max_length=400)]
Revision = Annotated[int, Field(ge=0, le=2**31, description="The one that was looked at; 0 where there was none.")]
Part = Literal["contact", "billing"]
Currency = Annotated[str, StringConstraints(min_length=3, max_length=3)]
Country = Annotated[str, StringConstraints(max_length=200), Field(description="ISO 3166, two letters.")]


class AddressIn(Body):
    street: Lines
    city: Line = ""
    area: Line = ""
    postcode: Line = ""
    country: Country


class ContactIn(Body):
    revision: Revision = 0
    name: Line
    contact_person: Line
    email: Line
    telephone: Annotated[Line, Field(description="With its country: +49 30 901820.")]
    address: AddressIn


class BillingIn(Body):
    revision: Revision = 0
    email: Line
    address: AddressIn
    tax_id: Line = ""
    currency: Currency


class ConfirmationIn(Body):
    contact_revision: Revision
    billing_revision: Revision


class PartOut(Reply):
    state: Literal["missing", "confirmed", "due"]
    revision: int
    confirmed_at: datetime | None
    due_at: datetime | None


class AccountOut(Reply):
    is_complete: bool
    contact: PartOut
    billing: PartOut


class AddressOut(Reply):
    street: str
    city: str
    area: str
    postcode: str
    country: str


class ContactOut(Reply):
    revision: int
    confirmed_at: datetime
    due_at: datetime
    name: str
    contact_person: str
    email: str
    telephone: str
    address: AddressOut


class BillingOut(Reply):
    revision: int
    confirmed_at: datetime
    due_at: datetime
    email: str
    address: AddressOut
    tax_id: str
    currency: str


class HistoryQuery(Query):
    after: OpaqueId | None = None
    limit: Limit = 50


class ChangeOut(Reply):
    field: str
    before: str
    after: str


class EntryOut(Reply):
    entry_id: str
    part: Part
    act: Literal["changed", "confirmed"]
    changes: list[ChangeOut]
    operator_id: str
    operator_name: str
    happened_at: datetime


class HistoryOut(Reply):
    entries: list[EntryOut]
    next: str | None


class SiteIn(Body):
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    origins: Annotated[list[Annotated[str, StringConstraints(max_length=300)]], Field(min_length=1, max_length=20)]
    departments: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=200)]], Field(max_length=50)
    ] = []
    ip_capture: Literal["full", "truncated", "off"] = "full"


Action = Literal["view-billing", "change-contact", "change-billing", "transfer-ownership", "relax-identity"]
Strictness = Literal["high-risk", "by-risk", "always"]
VerificationState = Literal["waiting", "approved", "refused", "expired", "broken"]


class UploadQuery(Query):
    action: Action


class ReceiptOut(Reply):
    """What a look found after the document was destroyed."""

    keys: int
    files: int
    chunks: int
    looked_at: datetime


class VerificationOut(Reply):
    verification_id: str
    action: Action
    state: VerificationState
    uploaded_at: datetime
    decided_at: datetime | None
    reason: str
    granted_until: datetime | None
    receipt: ReceiptOut | None


class IdentityOut(Reply):
    strictness: Strictness
    verifications: list[VerificationOut]


class StrictnessIn(Body):
    strictness: Strictness


class StrictnessOut(Reply):
    strictness: Strictness


class OwnershipIn(Body):
    email: Annotated[str, StringConstraints(min_length=1, max_length=254)]


class ReviewOut(VerificationOut):
    customer_id: str
    customer_name: str
    operator_name: str
    operator_email: str
    media_type: str


class ReviewsOut(Reply):
    verifications: list[ReviewOut]


class DecisionIn(Body):
    decision: Literal["approved", "refused"]
    reason: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"\S")]
