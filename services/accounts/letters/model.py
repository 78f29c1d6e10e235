"""A letter: one mail to people of one customer, written down before it is sent."""

import email.policy
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

import msgspec

_UNFOLDED = email.policy.SMTP.clone(max_line_length=200)
"""As with notices: a Message-ID stays on its line."""

RETRY_AFTER = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6), timedelta(days=1))
"""How long a letter waits after each refusal. One that is refused once more is given up."""

AWAY_FOR = timedelta(minutes=1)
"""How long a letter waits in whose turn the mail server went away: if that was its own doing, others go first."""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """``letter_id`` says what it is about, so that it is written once. Without ``to`` it goes to the owners.

    ``owed`` are the addresses still to be reached, once some have been.
    """

    letter_id: str
    customer_id: str
    subject: str
    text: str
    to: tuple[str, ...] = ()
    attempts: int = 0
    refusals: int = 0
    owed: tuple[str, ...] = ()


def pause_after(refusals: int) -> timedelta | None:
    """How long to wait after so many refusals; None when that was the last attempt."""
    return RETRY_AFTER[refusals - 1] if refusals <= len(RETRY_AFTER) else None


def mail(letter: Letter, *, to: tuple[str, ...], sender: str, sent_at: datetime) -> EmailMessage:
    """The letter as it is sent, under the same ``Message-ID`` at every attempt."""
    message = EmailMessage(policy=_UNFOLDED)
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(sent_at)
    message["Message-ID"] = f"<{letter.letter_id}@{parseaddr(sender)[1].rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    return message
