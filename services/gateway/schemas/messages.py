"""Messages and the history of a conversation."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from chassis.web import Body, Query, Reply
from services.gateway.schemas.fields import Limit, OpaqueId, Status, Text

Seq = Annotated[int, Field(ge=0, le=2**53)]
WAIT_LONGEST = 25


class MessageIn(Body):
    client_id: OpaqueId
    text: Text


class PostedOut(Reply):
    seq: int
    message_id: str
    sent_at: datetime


class HistoryQuery(Query):
    after: Seq = 0
    wait: Annotated[float, Field(ge=0, le=WAIT_LONGEST)] = 0
    limit: Limit = 200


class SenderOut(Reply):
    kind: Literal["visitor", "operator", "system"]
    id: str
    name: str


class MessageOut(Reply):
    seq: int
    message_id: str
    client_id: str
    sender: SenderOut
    text: str
    sent_at: datetime


class HistoryOut(Reply):
    messages: list[MessageOut]
    last_seq: int
    status: Status
