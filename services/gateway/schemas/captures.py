"""What is captured of a visit."""

from datetime import datetime

from chassis.web import Reply


class CapturedPageOut(Reply):
    url: str = ""
    title: str = ""
    referrer: str = ""
    seen_at: datetime | None = None


class TrailPageOut(Reply):
    url: str
    title: str = ""
    seen_at: datetime | None = None


class CapturedOut(Reply):
    ip: str = ""
    user_agent: str = ""
    browser: str = ""
    os: str = ""
    device: str = ""
    language: str = ""
    page: CapturedPageOut | None = None


class ConversationVisitOut(Reply):
    """What is known of the visitor while the conversation is not sealed."""

    captured: CapturedOut
    trail: list[TrailPageOut]
