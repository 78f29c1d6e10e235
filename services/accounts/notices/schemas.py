"""What the progress of notices looks like over HTTP."""

from datetime import datetime

from chassis.web import Reply
from services.accounts.notices.model import Kind


class UnsentReply(Reply):
    customer_id: str
    attempts: int
    addresses: list[str]
    reason: str


class ProgressReply(Reply):
    """How many of how many, and which could not be sent."""

    kind: Kind
    customers: int
    is_planned: bool
    sent: int
    waiting: int
    failed: int
    repeated: int
    away_since: datetime | None
    unsent: list[UnsentReply]


class NoticesReply(Reply):
    version: str
    notices: list[ProgressReply]
