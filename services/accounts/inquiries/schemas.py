"""What inquiries look like over HTTP."""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Literal, Self

import msgspec
from pydantic import AfterValidator, Field, StringConstraints

from chassis.web import Body, Query, Reply
from services.accounts.inquiries.mails import LONGEST_SUBJECT, LONGEST_TEXT, is_answerable, mailbox
from services.accounts.inquiries.model import Delivery, Inquiry, Source, State, Wish

Place = tuple[datetime, int]


def _mailbox(text: str) -> str:
    """Stricter than with a mail, whose sender is what it is: here somebody can correct what no answer would reach."""
    address = mailbox(text)
    if not is_answerable(address):
        raise ValueError("must be an e-mail address of letters from a to z, digits and signs")
    return address


def _text(text: str) -> str:
    if "\0" in text:
        raise ValueError("must be text")
    return text


Words = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_TEXT), AfterValidator(_text)
]
Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,64}$")]


class FormBody(Body):
    form_id: Id
    email: Annotated[str, StringConstraints(max_length=254), AfterValidator(_mailbox)]
    subject: Annotated[
        str, StringConstraints(strip_whitespace=True, max_length=LONGEST_SUBJECT, pattern=r"^[^\r\n\x00]*$")
    ] = ""
    text: Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST_TEXT), AfterValidator(_text)] = ""
    wish: Wish = "question"
    site_key: Annotated[str, StringConstraints(max_length=64)] | None = None


class NumberReply(Reply):
    number: int


class AnswerBody(Body):
    client_id: Id
    text: Words


class TokenBody(Body):
    token: Annotated[str, StringConstraints(min_length=1, max_length=256)]


class DoneBody(TokenBody):
    erasures: Annotated[list[Annotated[str, StringConstraints(max_length=100)]], Field(max_length=1000)] = []


class ConfirmationReply(Reply):
    email: str
    wish: Wish
    customer_id: str
    site_name: str
    is_done: bool
    erasures: list[str]


class EntryReply(Reply):
    kind: Literal["question", "answer"]
    text: str
    by: str
    at: datetime


class InquirySummary(Reply):
    inquiry_id: str
    number: int
    source: Source
    wish: Wish
    sender: str
    subject: str
    state: State
    is_automatic: bool
    is_overdue: bool
    received_at: datetime
    due_at: datetime
    closed_at: datetime | None

    @classmethod
    def of(cls, inquiry: Inquiry, now: datetime) -> Self:
        names = cls.model_fields.keys() - {"is_overdue", "entries", "mails"}
        return cls(**{name: getattr(inquiry, name) for name in names}, is_overdue=inquiry.is_overdue(now))


class DeliveryReply(Reply):
    waiting: int
    sent: int
    failed: int


class InquiryReply(InquirySummary):
    entries: list[EntryReply] = []
    mails: DeliveryReply | None = None

    @classmethod
    def whole(cls, inquiry: Inquiry, delivery: Delivery, now: datetime) -> Self:
        entries = [EntryReply.model_validate(entry) for entry in inquiry.entries]
        found = {"entries": entries, "mails": DeliveryReply.model_validate(delivery)}
        return cls.of(inquiry, now).model_copy(update=found)


class InquiriesReply(Reply):
    inquiries: list[InquirySummary]
    next: str | None


def cursor(inquiry: Inquiry) -> str:
    """Where a page of the list ends, as the opaque text that callers hand back."""
    return base64.urlsafe_b64encode(msgspec.json.encode((inquiry.due_at, inquiry.number))).decode()


def place_of(text: str) -> Place:
    """The place that a cursor stands for."""
    try:
        place: Place = msgspec.json.decode(base64.b64decode(text, altchars=b"-_", validate=True), type=Place)
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise ValueError("is not a cursor of this list") from error
    if place[0].tzinfo is None or not 0 <= place[1] < 2**53:
        raise ValueError("is not a cursor of this list")
    return place


def _readable(text: str) -> str:
    place_of(text)
    return text


class InquiriesQuery(Query):
    state: State | None = None
    after: Annotated[str, StringConstraints(max_length=512), AfterValidator(_readable)] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
