"""What details look like over HTTP."""

from datetime import datetime
from typing import Annotated, Self

import msgspec
from pydantic import Field, StringConstraints

from chassis.web import Body, Query, Reply
from services.accounts.details.model import (
    Act,
    Address,
    Billing,
    Contact,
    Currency,
    Details,
    Kept,
    Part,
    State,
    is_complete,
    state_of,
)

Line = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Lines = Annotated[str, StringConstraints(max_length=400, pattern=r"^[^\x00-\x09\x0b-\x1f\x7f]*$")]
Revision = Annotated[int, Field(ge=0, le=2**31)]


class AddressBody(Body):
    street: Lines
    city: Line = ""
    area: Line = ""
    postcode: Line = ""
    country: Line

    def plain(self) -> Address:
        return Address(**self.model_dump())


class ContactBody(Body):
    revision: Revision = 0
    name: Line
    contact_person: Line
    email: Line
    telephone: Line
    address: AddressBody

    def plain(self) -> Contact:
        values = self.model_dump(exclude={"revision", "address"})
        return Contact(**values, address=self.address.plain())


class BillingBody(Body):
    revision: Revision = 0
    email: Line
    address: AddressBody
    tax_id: Line = ""
    currency: Currency

    def plain(self) -> Billing:
        values = self.model_dump(exclude={"revision", "address"})
        return Billing(**values, address=self.address.plain())


class ConfirmBody(Body):
    contact_revision: Revision
    billing_revision: Revision


class PartReply(Reply):
    state: State
    revision: int
    confirmed_at: datetime | None
    due_at: datetime | None

    @classmethod
    def of(cls, kept: Kept[Contact] | Kept[Billing] | None, now: datetime) -> Self:
        if kept is None:
            return cls(state="missing", revision=0, confirmed_at=None, due_at=None)
        return cls(
            state=state_of(kept, now), revision=kept.revision, confirmed_at=kept.confirmed_at, due_at=kept.due_at
        )


class AccountReply(Reply):
    is_complete: bool
    contact: PartReply
    billing: PartReply

    @classmethod
    def of(cls, details: Details, now: datetime) -> Self:
        return cls(
            is_complete=is_complete(details, now),
            contact=PartReply.of(details.contact, now),
            billing=PartReply.of(details.billing, now),
        )


class AddressReply(Reply):
    street: str
    city: str
    area: str
    postcode: str
    country: str


class KeptReply(Reply):
    revision: int
    confirmed_at: datetime
    due_at: datetime


class ContactReply(KeptReply):
    name: str
    contact_person: str
    email: str
    telephone: str
    address: AddressReply

    @classmethod
    def of(cls, kept: Kept[Contact]) -> Self:
        return cls.model_validate(_kept(kept))


class BillingReply(KeptReply):
    email: str
    address: AddressReply
    tax_id: str
    currency: Currency

    @classmethod
    def of(cls, kept: Kept[Billing]) -> Self:
        return cls.model_validate(_kept(kept))


def _kept(kept: Kept[Contact] | Kept[Billing]) -> dict[str, object]:
    values = msgspec.structs.asdict(kept.value)
    return {**values, "revision": kept.revision, "confirmed_at": kept.confirmed_at, "due_at": kept.due_at}


class ChangeReply(Reply):
    field: str
    before: str
    after: str


class EntryReply(Reply):
    entry_id: str
    part: Part
    act: Act
    changes: list[ChangeReply]
    operator_id: str
    operator_name: str
    happened_at: datetime


class HistoryQuery(Query):
    after: Annotated[str, StringConstraints(max_length=64)] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class HistoryReply(Reply):
    entries: list[EntryReply]
    next: str | None
