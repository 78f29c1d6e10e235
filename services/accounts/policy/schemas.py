"""What the policy looks like over HTTP."""

from datetime import datetime

from chassis.web import Reply


class VersionReply(Reply):
    version: str
    effective_at: datetime
    posted_at: datetime
    text: str


class PolicyReply(Reply):
    in_force: VersionReply
    upcoming: VersionReply | None
