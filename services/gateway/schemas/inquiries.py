"""Inquiries, and the mails of each."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, StringConstraints

from chassis.web import Body, Query, Reply
from services.gateway.schemas.fields import Cursor, Limit, _without_nul


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
