"""An inquiry: what somebody asks us, the day by which it is to be answered, and what was written to and fro."""

from datetime import datetime, timedelta
from typing import Literal

import msgspec

Source = Literal["mail", "form"]
State = Literal["open", "answered", "closed"]
Wish = Literal["question", "copy", "erasure"]

DUE_AFTER = timedelta(days=30)
"""One month (GDPR, article 12), counted so that no month is longer."""

KEPT_AFTER_CLOSING = timedelta(days=365)
LINK_LASTS = timedelta(days=1)
CONFIRMATION_KEPT = timedelta(days=30)
"""How long a link that was used still shows what came of it."""

MOST_ENTRIES = 200
ACKNOWLEDGED_A_DAY = 5
"""How many acknowledgements one address gets in a day: whoever writes more is a machine, or somebody else's victim."""

RETRY_AFTER = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6))
"""How long a mail waits after each refusal. One that is refused once more is shown as not delivered."""

AWAY_FOR = timedelta(seconds=15)


class InquiryNotFound(Exception):
    """There is no such inquiry."""


class InquiryClosed(Exception):
    """The inquiry is closed."""


class ConfirmationNotValid(Exception):
    """This link is not known, or too old."""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """What came in: a mail, or a form that was sent.

    ``key`` makes two deliveries one. ``return_path`` is where an answer by a machine goes, if anywhere;
    ``is_automatic`` says that a machine wrote it (RFC 3834), or that it went to many.
    """

    source: Source
    key: str
    sender: str
    return_path: str
    subject: str
    text: str
    message_id: str = ""
    references: tuple[str, ...] = ()
    is_automatic: bool = False
    wish: Wish = "question"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was written: by whoever asked, or by one of us."""

    kind: Literal["question", "answer"]
    text: str
    by: str
    at: datetime


class Inquiry(msgspec.Struct, frozen=True, kw_only=True):
    inquiry_id: str
    number: int
    source: Source
    wish: Wish = "question"
    sender: str
    subject: str
    state: State
    is_automatic: bool = False
    received_at: datetime
    due_at: datetime
    closed_at: datetime | None = None
    entries: tuple[Entry, ...] = ()
    message_ids: tuple[str, ...] = ()

    def is_overdue(self, now: datetime) -> bool:
        return self.state == "open" and self.due_at < now


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A mail of ours that is to be sent: a line of the ledger, claimed before it goes out and marked afterwards."""

    mail_id: str
    inquiry_id: str
    kind: Literal["acknowledgement", "answer"]
    to: str
    subject: str
    text: str
    message_id: str
    in_reply_to: str = ""
    attempts: int = 0
    refusals: int = 0


class Confirmation(msgspec.Struct, frozen=True, kw_only=True):
    """A link that was mailed: whoever follows it has the address, and gets what was asked for, once.

    Of its token only the hash is kept. ``erasures`` are those that came of it.
    """

    token_hash: str
    inquiry_id: str
    email: str
    wish: Wish
    customer_id: str
    site_name: str
    expires_at: datetime
    done_at: datetime | None = None
    erasures: tuple[str, ...] = ()


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """How far our mails about an inquiry are."""

    waiting: int = 0
    sent: int = 0
    failed: int = 0


def pause_after(refusals: int) -> timedelta | None:
    """How long to wait after so many refusals; None when that was the last attempt."""
    return RETRY_AFTER[refusals - 1] if refusals <= len(RETRY_AFTER) else None


def is_to_be_acknowledged(letter: Letter) -> bool:
    """Machines get no answer from a machine (RFC 3834): they would answer it."""
    return not letter.is_automatic and bool(letter.return_path)
