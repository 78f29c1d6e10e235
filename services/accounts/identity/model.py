"""When somebody has to show an identity document, and what becomes of it."""

from datetime import datetime, timedelta
from typing import Literal, get_args

import msgspec

from services.accounts.letters.model import Letter
from services.accounts.operators.model import Operator
from services.accounts.sessions.model import Place, Session

Action = Literal["view-billing", "change-contact", "change-billing", "transfer-ownership", "relax-identity"]
ACTIONS: tuple[Action, ...] = get_args(Action)
Signal = Literal["new-address", "new-device", "young-session", "recent-password-change"]
Strictness = Literal["high-risk", "by-risk", "always"]
STRICTNESS: tuple[Strictness, ...] = get_args(Strictness)
"""From the laxest to the strictest."""

DEFAULT: Strictness = "by-risk"

WEIGHTS: dict[Signal, int] = {
    "new-address": 2,
    "new-device": 2,
    "recent-password-change": 2,
    "young-session": 1,
}
"""How much each sign adds to the risk of a session."""

LIMITS: dict[Strictness, dict[Action, int]] = {
    "high-risk": {
        "view-billing": 5,
        "change-contact": 5,
        "change-billing": 5,
        "transfer-ownership": 0,
        "relax-identity": 0,
    },
    "by-risk": {
        "view-billing": 4,
        "change-contact": 3,
        "change-billing": 3,
        "transfer-ownership": 0,
        "relax-identity": 0,
    },
    "always": dict.fromkeys(ACTIONS, 0),
}
"""At which risk of the session each action demands a document: 0 is always. Who gives details for the first time
discloses and replaces nothing, and is asked only where it is always."""

YOUNG = timedelta(minutes=10)
PASSWORD_IS_RECENT = timedelta(days=3)
KNOWN_AFTER = timedelta(days=7)
"""An address or a device is new for so long, unless it is the operator's first."""

GRANTED_FOR = timedelta(hours=1)
KEPT_FOR = timedelta(days=7)
ARRIVES_WITHIN = timedelta(minutes=2)

State = Literal["arriving", "waiting", "approved", "refused", "expired", "broken"]
Decision = Literal["approved", "refused"]


class IdentityRequired(Exception):
    """An identity document is needed for this. Upload one, and come back when it is approved."""

    def __init__(self, action: Action) -> None:
        super().__init__(action)
        self.members = {"action": action}


class VerificationNotFound(Exception):
    """There is no such verification."""


class VerificationOpen(Exception):
    """A document for this is waiting already."""


class AlreadyDecided(Exception):
    """This has been decided, or its document is gone."""


class DocumentNotValid(Exception):
    """This is no document we can take: a JPEG, PNG or WebP picture, or a PDF, whole and of 10 MB at most."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.members = {"errors": [{"field": "document", "detail": reason}]}


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What a look after the destruction found: it is only written when that is nothing."""

    keys: int
    files: int
    chunks: int
    looked_at: datetime

    @property
    def is_clean(self) -> bool:
        return not (self.keys or self.files or self.chunks)


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """One document, what its operator wants to do with it, and what was decided."""

    verification_id: str
    customer_id: str
    operator_id: str
    operator_name: str
    operator_email: str
    action: Action
    state: State
    media_type: str
    uploaded_at: datetime
    decided_at: datetime | None = None
    decided_by: str | None = None
    reason: str = ""
    granted_until: datetime | None = None
    used_at: datetime | None = None
    receipt: Receipt | None = None

    @property
    def context(self) -> bytes:
        """What the document and its key are bound to, so that neither opens as another's."""
        return "|".join((self.customer_id, self.operator_id, self.verification_id)).encode()


def signals(session: Session, places: list[Place], operator: Operator, now: datetime) -> frozenset[Signal]:
    """What makes the session look like somebody else's."""
    found: set[Signal] = set()
    if not _is_known("address", session.address_fingerprint, places, now):
        found.add("new-address")
    if not _is_known("device", session.device_fingerprint, places, now):
        found.add("new-device")
    if now - session.created_at < YOUNG:
        found.add("young-session")
    if operator.password_changed_at is not None and now - operator.password_changed_at < PASSWORD_IS_RECENT:
        found.add("recent-password-change")
    return frozenset(found)


def _is_known(kind: str, fingerprint: str, places: list[Place], now: datetime) -> bool:
    alike = [place for place in places if place.kind == kind]
    first = min((place.first_seen_at for place in alike), default=now)
    return any(
        place.fingerprint == fingerprint and (place.first_seen_at == first or now - place.first_seen_at >= KNOWN_AFTER)
        for place in alike
    )


def is_demanded(action: Action, strictness: Strictness, found: frozenset[Signal], *, is_first: bool) -> bool:
    """Whether the table demands a document. ``is_first``: nothing has been given that could be shown or replaced."""
    limit = LIMITS[strictness][action]
    if limit == 0:
        return True
    return not is_first and sum(WEIGHTS[each] for each in found) >= limit


def is_stricter_or_same(wanted: Strictness, present: Strictness) -> bool:
    return STRICTNESS.index(wanted) >= STRICTNESS.index(present)


_NAMES: dict[Action, str] = {
    "view-billing": "see the billing details",
    "change-contact": "change the contact details",
    "change-billing": "change the billing details",
    "transfer-ownership": "hand the ownership of the account on",
    "relax-identity": "have identity documents demanded less often",
}

_SAID: dict[str, tuple[str, str]] = {
    "approved": (
        "Your identity document was approved",
        "You can {what} until {until}.",
    ),
    "refused": (
        "Your identity document was refused",
        "You wanted to {what}. You can upload another document if you still do.",
    ),
    "expired": (
        "Your identity document was not looked at in time",
        "You wanted to {what}. We keep no document longer than seven days, so please upload it again.",
    ),
}


def letter(verification: Verification, *, owners: tuple[str, ...]) -> Letter:
    """What its operator and the owners are told of the outcome."""
    subject, said = _SAID[verification.state]
    until = f"{verification.granted_until:%-d %B %Y, %H:%M} UTC" if verification.granted_until else ""
    reason = f"Our reviewer wrote: {verification.reason}\n\n" if verification.reason else ""
    text = (
        f"Hello {verification.operator_name},\n\n"
        f"{said.format(what=_NAMES[verification.action], until=until)}\n\n"
        f"{reason}The document and its key are destroyed.\n"
    )
    return Letter(
        letter_id=f"identity-{verification.state}.{verification.verification_id}",
        customer_id=verification.customer_id,
        subject=subject,
        text=text,
        to=tuple(dict.fromkeys((verification.operator_email, *owners))),
    )
