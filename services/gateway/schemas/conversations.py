"""Conversations, as an operator sees them."""

from datetime import datetime
from typing import Literal

from chassis.web import Query, Reply
from services.gateway.schemas.fields import Cursor, Limit, Status
from services.gateway.schemas.messages import SenderOut

NewStatus = Literal["queued", "active", "closed", "erased"]


class ConversationsQuery(Query):
    status: Status | None = None
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
