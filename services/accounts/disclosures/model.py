"""A disclosure: what the policy lets us hand over, by two people, exactly as far as it says, and told."""

import email.policy
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Any, Literal, get_args

import msgspec

from chassis.problems import Unavailable
from contracts.disclosures import ConversationsScope, PeriodScope, Scope, VisitorScope

Ground = Literal["legal-process", "rights-or-property", "emergency"]
GROUNDS: tuple[Ground, ...] = get_args(Ground)
State = Literal["requested", "approved", "refused", "executed"]
Decided = Literal["approved", "refused"]
Reviewed = Literal["upheld", "refused"]
TellingState = Literal["waiting", "sent", "failed"]

REVIEWED_WITHIN = timedelta(hours=72)
MOST_CONVERSATIONS = 200
LONGEST_EXPLANATION = 4000
LONGEST_NAME = 200

_UNFOLDED = email.policy.SMTP.clone(max_line_length=200)


class DisclosureNotFound(Exception):
    """There is no such disclosure."""


class CustomerNotFound(Exception):
    """There is no such customer."""


class SecondPersonNeeded(Exception):
    """Whoever requested a disclosure cannot decide about it: that takes a second person."""


class AlreadyDecided(Exception):
    """It was decided about already, or there is nothing to decide."""


class BundleGone(Exception):
    """There is no bundle, or not any more: its time is over, or a second person refused it."""


class KeyNotValid(Exception):
    """The key is no X25519 public key in PEM."""

    members = {"errors": [{"field": "recipient_key", "detail": "must be an X25519 public key in PEM"}]}


class GagNotValid(Exception):
    """A gag names the court's reference and ends in the future."""

    members = {"errors": [{"field": "gag_until", "detail": "must lie in the future and come with gag_reference"}]}


class PeriodNotOver(Exception):
    """A period has a beginning and an end, and is over."""

    members = {"errors": [{"field": "scope.until", "detail": "must come after since, and not lie in the future"}]}


class AttemptLost(Unavailable):
    """Another process makes the bundle by now, or nobody is to make it any more."""


class BundleDamaged(Exception):
    """The bundle is not what was sealed, or not for this key."""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A member of staff, as they were called when they did it."""

    id: str
    name: str


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody of us wants to have disclosed, and to whom. The customer will read the explanation."""

    customer_id: str
    ground: Ground
    explanation: str
    scope: Scope
    recipient: str
    recipient_key: str
    gag_until: datetime | None = None
    gag_reference: str = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    outcome: Decided
    by: Person
    at: datetime
    reason: str


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """The look of a second person at what one alone has done in an emergency.

    Refused before the bundle is made, the disclosure is refused; afterwards it stays executed, as it was.
    """

    due_at: datetime
    outcome: Reviewed | None = None
    by: Person | None = None
    at: datetime | None = None
    reason: str = ""

    def is_overdue(self, present: datetime) -> bool:
        return self.outcome is None and self.due_at < present


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """What was handed over, as it can be told: how much, and the digest of the sealed bytes."""

    parts: int
    size: int
    sha256: str
    conversations: int
    missing: tuple[str, ...]


class KeptBundle(Bundle, frozen=True, kw_only=True):
    executed_at: datetime
    kept_until: datetime
    removed_at: datetime | None = None


class Telling(msgspec.Struct, frozen=True, kw_only=True):
    """How far the mail to the customer has got; ``reached`` are who has had it though others have not."""

    state: TellingState = "waiting"
    attempts: int = 0
    refusals: int = 0
    repeated: int = 0
    reached: tuple[str, ...] = ()
    reason: str = ""
    told_at: datetime | None = None


class Disclosure(Asked, frozen=True, kw_only=True):
    disclosure_id: str
    recipient_fingerprint: str
    state: State
    requested_by: Person
    requested_at: datetime
    decision: Decision | None = None
    review: Review | None = None
    bundle: KeptBundle | None = None
    telling: Telling | None = None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A disclosure, and the database's time at which it stood so."""

    disclosure: Disclosure
    read_at: datetime

    @property
    def is_overdue(self) -> bool:
        review = self.disclosure.review
        return review is not None and review.is_overdue(self.read_at)


class File(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What lies in a bundle. ``missing`` are conversations that the scope names and that this customer has not."""

    format: Literal[1] = 1
    disclosure_id: str
    customer_id: str
    ground: Ground
    scope: Scope
    recipient: str
    recipient_fingerprint: str
    files: tuple[File, ...]
    missing: tuple[str, ...]


def requested(asked: Asked, disclosure_id: str, *, fingerprint: str, by: Person, present: datetime) -> Disclosure:
    """The disclosure that was asked for. In an emergency one person is enough, and has to be reviewed.

    Raises ``GagNotValid``, ``PeriodNotOver``.
    """
    if (asked.gag_until is None) != (not asked.gag_reference) or (asked.gag_until and asked.gag_until <= present):
        raise GagNotValid
    if isinstance(asked.scope, PeriodScope) and not asked.scope.since < asked.scope.until <= present:
        raise PeriodNotOver
    is_emergency = asked.ground == "emergency"
    return Disclosure(
        **msgspec.structs.asdict(asked),
        disclosure_id=disclosure_id,
        recipient_fingerprint=fingerprint,
        state="approved" if is_emergency else "requested",
        requested_by=by,
        requested_at=present,
        review=Review(due_at=present + REVIEWED_WITHIN) if is_emergency else None,
    )


def described(scope: Scope) -> dict[str, str]:
    """What the audit says of a scope."""
    match scope:
        case ConversationsScope():
            return {"scope": "conversations", "conversations": str(len(scope.conversation_ids))}
        case VisitorScope():
            return {"scope": "visitor", "visitor_id": scope.visitor_id}
        case PeriodScope():
            return {"scope": "period", "since": scope.since.isoformat(), "until": scope.until.isoformat()}


def message_id(disclosure: Disclosure, sender: str) -> str:
    """The same for every attempt, so that a repetition is known as one."""
    domain = parseaddr(sender)[1].rpartition("@")[2]
    return f"<disclosure.{disclosure.disclosure_id}@{domain}>"


def mail(
    disclosure: Disclosure, bundle: KeptBundle, *, to: tuple[str, ...], sender: str, public_url: str, sent_at: datetime
) -> EmailMessage:
    """What the owners of the customer are told."""
    message = EmailMessage(policy=_UNFOLDED)
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Subject"] = f"We disclosed conversations of yours on {bundle.executed_at:%-d %B %Y}"
    message["Date"] = format_datetime(sent_at)
    message["Message-ID"] = message_id(disclosure, sender)
    message["Auto-Submitted"] = "auto-generated"
    gag = f"\nA court forbade us to tell you earlier: {disclosure.gag_reference}\n" if disclosure.gag_until else ""
    values: dict[str, Any] = {
        "day": f"{bundle.executed_at:%-d %B %Y, %H:%M} UTC",
        "count": f"{bundle.conversations} conversation{'' if bundle.conversations == 1 else 's'}",
        "ground": GROUND_NAMES[disclosure.ground],
        "recipient": disclosure.recipient,
        "disclosure_id": disclosure.disclosure_id,
        "gag": gag,
        "url": f"{public_url}/console#/privacy",
    }
    message.set_content(BODY.format(**values))
    return message


GROUND_NAMES: dict[Ground, str] = {
    "legal-process": "a legal process",
    "rights-or-property": "the protection of rights or property",
    "emergency": "an emergency",
}

BODY = """\
Hello,

on {day} we disclosed {count} of yours.

Ground:     {ground}
Recipient:  {recipient}
Disclosure: {disclosure_id}
{gag}
What exactly was disclosed, and why, is in your privacy record:
{url}

You receive this because you own an account with Velaro.
"""
