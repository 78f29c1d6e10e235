"""Notices: who is told what of a version of the policy, and when a refused one is tried again."""

import email.policy
from collections.abc import Container
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Literal, get_args

import msgspec

from services.accounts.policy.model import FIRST_NUMBER, PolicyVersion, policy_at

Kind = Literal["notice", "reminder"]
KINDS: tuple[Kind, ...] = get_args(Kind)
NOTICE, REMINDER = KINDS

_UNFOLDED = email.policy.SMTP.clone(max_line_length=200)
"""So that a Message-ID stays on its line: not everybody who compares them unfolds them first."""

REMINDED_BEFORE = timedelta(days=3)

RETRY_AFTER = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6))
"""How long a notice waits after each refusal. One that is refused once more is listed, and left to people."""

AWAY_FOR = (timedelta(seconds=15), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))
"""How long nothing is sent after the mail server was found away, once, twice, and so on."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """The sending of one kind of notice of one version to everybody: where it has got.

    ``away_since`` is there while the mail server is; ``planned_after`` is the last customer in the ledger while
    that is being written.
    """

    number: int
    kind: Kind
    is_planned: bool = False
    customers: int = 0
    planned_after: str = ""
    times_away: int = 0
    away_since: datetime | None = None


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One customer's line of the ledger.

    ``reached`` are the owners' addresses that an attempt has reached that others refused; ``was_underway`` says that
    an earlier attempt was broken off in the middle, so that this one may be its repetition.
    """

    number: int
    kind: Kind
    customer_id: str
    attempts: int
    refusals: int = 0
    reached: tuple[str, ...] = ()
    was_underway: bool = False


class Unsent(msgspec.Struct, frozen=True, kw_only=True):
    """A notice that could not be sent."""

    customer_id: str
    attempts: int
    addresses: tuple[str, ...]
    reason: str


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run has got. ``repeated`` counts the attempts that may have sent a mail a second time."""

    kind: Kind
    customers: int
    is_planned: bool
    sent: int
    waiting: int
    failed: int
    repeated: int
    away_since: datetime | None
    unsent: tuple[Unsent, ...]


def due(versions: list[PolicyVersion], moment: datetime) -> list[tuple[PolicyVersion, Kind]]:
    """What is to be sent now: the notice of each version from its posting on, the reminder 3 days before it counts.

    A notice that is late is still sent when its version has taken effect; a reminder then reminds of nothing. What
    another version has replaced is told no more, and the first version changed nothing.
    """
    in_force = policy_at(moment, versions).in_force.number
    told = [version for version in versions if version.number >= max(in_force, FIRST_NUMBER + 1)]
    reminded = [version for version in told if timedelta(0) < version.effective_at - moment <= REMINDED_BEFORE]
    return [*((version, NOTICE) for version in told), *((version, REMINDER) for version in reminded)]


def still_to_reach(owners: tuple[str, ...], reached: tuple[str, ...]) -> tuple[str, ...]:
    """Whom this attempt is for: the owners of now, as the one whose mail came back may have been replaced."""
    return tuple(address for address in owners if address not in reached)


def now_reached(reached: tuple[str, ...], to: tuple[str, ...], refused: Container[str]) -> tuple[str, ...]:
    """Who has had the mail after an attempt for ``to``."""
    return (*reached, *(address for address in to if address not in refused))


def pause_after(refusals: int) -> timedelta | None:
    """How long to wait after so many refusals; None when that was the last attempt."""
    return RETRY_AFTER[refusals - 1] if refusals <= len(RETRY_AFTER) else None


def away_after(times: int) -> timedelta:
    return AWAY_FOR[min(times, len(AWAY_FOR)) - 1]


def message_id(notice: Notice, sender: str) -> str:
    """The same for every attempt, so that a repetition is known as one."""
    domain = parseaddr(sender)[1].rpartition("@")[2]
    return f"<policy-{notice.number}-{notice.kind}.{notice.customer_id}@{domain}>"


def mail(
    notice: Notice, version: PolicyVersion, *, to: tuple[str, ...], sender: str, public_url: str, sent_at: datetime
) -> EmailMessage:
    """What the owners of one customer are told."""
    day = f"{version.effective_at:%-d %B %Y, %H:%M} UTC"
    message = EmailMessage(policy=_UNFOLDED)
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Subject"] = SUBJECTS[notice.kind].format(day=f"{version.effective_at:%-d %B %Y}")
    message["Date"] = format_datetime(sent_at)
    message["Message-ID"] = message_id(notice, sender)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(
        BODIES[notice.kind].format(
            version=version.version, day=day, summary=version.summary, url=f"{public_url}/policy/{version.version}"
        )
    )
    return message


SUBJECTS: dict[Kind, str] = {
    "notice": "Our privacy policy changes on {day}",
    "reminder": "Reminder: our privacy policy changes on {day}",
}

BODIES: dict[Kind, str] = {
    "notice": """\
Hello,

we have posted version {version} of our privacy policy. It takes effect on
{day}. Until then, the present version stays in force.

What changes:

{summary}

The whole text, and all earlier versions:
{url}

You receive this because you own an account with Velaro.
""",
    "reminder": """\
Hello,

in three days, on {day}, version {version} of our privacy policy takes
effect. We told you of it when it was posted.

What changes:

{summary}

The whole text, and all earlier versions:
{url}

You receive this because you own an account with Velaro.
""",
}
