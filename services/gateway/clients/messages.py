"""Messages as chat and transcripts tell of them."""

from datetime import datetime
from typing import Literal

import msgspec

from services.gateway import frames

Status = Literal["queued", "active", "closed", "erased"]
HISTORY_PAGE = 200


class StoredMessage(msgspec.Struct, frozen=True):
    """A message with its place in the conversation."""

    seq: int
    message_id: str
    client_id: str
    sender: frames.Party
    text: str
    sent_at: datetime


class History(msgspec.Struct, frozen=True):
    """Messages in order, and how far the conversation has got."""

    messages: list[StoredMessage]
    last_seq: int
    status: Status
    is_sealed: bool = False
