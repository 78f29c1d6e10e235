"""What can be done with a customer's details: give them, change them, confirm them, and be reminded of them."""

from datetime import datetime
from typing import TypeVar

import msgspec
import structlog

from chassis.ids import new_id
from services.accounts.details import model
from services.accounts.details.model import (
    PARTS,
    AccountIncomplete,
    Act,
    Billing,
    Change,
    Contact,
    Details,
    DetailsChanged,
    DetailsMissing,
    Entry,
    Kept,
    Kind,
    Part,
    Reminder,
)
from services.accounts.details.store import DetailsStore
from services.accounts.identity.actions import StepUp
from services.accounts.letters.model import Letter
from services.accounts.letters.store import LetterStore
from services.accounts.operators.model import Acting

log = structlog.get_logger(__name__)

REMINDERS_AT_ONCE = 200
V = TypeVar("V", Contact, Billing)


def details_of(customer_id: str, *, now: datetime, details: DetailsStore) -> Details:
    return details.get(customer_id, now=now)


def contact_of(customer_id: str, *, now: datetime, details: DetailsStore) -> Kept[Contact]:
    """Raises ``DetailsMissing``."""
    return _given(details.get(customer_id, now=now).contact)


def billing_of(who: Acting, *, now: datetime, details: DetailsStore, step_up: StepUp) -> Kept[Billing]:
    """Raises ``DetailsMissing``, ``IdentityRequired``."""
    kept = _given(details.get(who.customer_id, now=now).billing)
    step_up.check("view-billing", who, now=now)
    return kept


def _given(kept: Kept[V] | None) -> Kept[V]:
    if kept is None:
        raise DetailsMissing
    return kept


def change_contact(
    who: Acting, given: Contact, revision: int, *, now: datetime, details: DetailsStore, step_up: StepUp
) -> Kept[Contact]:
    """Keep the contact details, which so are confirmed. ``revision`` is the one that was looked at, 0 for none.

    Raises ``IdentityRequired``, ``CardNumberRefused``, ``DetailsNotValid``, ``DetailsChanged``.
    """
    is_first = details.get(who.customer_id, now=now).contact is None
    step_up.check("change-contact", who, now=now, is_first=is_first)
    return _change(who, "contact", model.checked_contact(given), revision, now=now, details=details)


def change_billing(
    who: Acting, given: Billing, revision: int, *, now: datetime, details: DetailsStore, step_up: StepUp
) -> Kept[Billing]:
    """As ``change_contact``."""
    is_first = details.get(who.customer_id, now=now).billing is None
    step_up.check("change-billing", who, now=now, is_first=is_first)
    return _change(who, "billing", model.checked_billing(given), revision, now=now, details=details)


def give(
    who: Acting, contact: Contact | None, billing: Billing | None, *, now: datetime, details: DetailsStore
) -> None:
    """For whoever sets an account up: keep what is given, which so is confirmed."""
    known = details.get(who.customer_id, now=now)
    if contact:
        checked = model.checked_contact(contact)
        _change(who, "contact", checked, known.revision("contact"), now=now, details=details)
    if billing:
        checked_bill = model.checked_billing(billing)
        _change(who, "billing", checked_bill, known.revision("billing"), now=now, details=details)


def _change(who: Acting, part: Part, wanted: V, revision: int, *, now: datetime, details: DetailsStore) -> Kept[V]:
    known = details.get(who.customer_id, now=now)
    kept: Kept[V] | None = getattr(known, part)
    changes = model.differences(kept.value if kept else None, wanted)
    # Who asks again because no answer came finds what they wanted already there.
    if changes and known.revision(part) != revision:
        raise DetailsChanged
    made = Kept(value=wanted, revision=known.revision(part) + bool(changes), confirmed_at=now)
    entry = _entry(who, part, "changed" if changes else "confirmed", now, changes)
    details.keep(who.customer_id, known, msgspec.structs.replace(known, **{part: made}), [entry], now=now)
    log.info("details changed", operator_id=who.operator_id, part=part, fields=[each.field for each in changes])
    return made


def confirm(
    who: Acting, contact_revision: int, billing_revision: int, *, now: datetime, details: DetailsStore
) -> Details:
    """Everything is still right, as it was looked at. Raises ``DetailsMissing``, ``DetailsChanged``."""
    known = details.get(who.customer_id, now=now)
    contact, billing = _given(known.contact), _given(known.billing)
    if (contact.revision, billing.revision) != (contact_revision, billing_revision):
        raise DetailsChanged
    wanted = msgspec.structs.replace(
        known,
        contact=msgspec.structs.replace(contact, confirmed_at=now),
        billing=msgspec.structs.replace(billing, confirmed_at=now),
    )
    entries = [_entry(who, part, "confirmed", now) for part in PARTS]
    details.keep(who.customer_id, known, wanted, entries, now=now)
    log.info("details confirmed", operator_id=who.operator_id)
    return wanted


def _entry(who: Acting, part: Part, act: Act, now: datetime, changes: tuple[Change, ...] = ()) -> Entry:
    return Entry(
        entry_id=new_id(),
        customer_id=who.customer_id,
        part=part,
        act=act,
        changes=changes,
        operator_id=who.operator_id,
        operator_name=who.name,
        happened_at=now,
    )


def history(
    who: Acting, *, after: str | None, limit: int, now: datetime, details: DetailsStore, step_up: StepUp
) -> list[Entry]:
    """Who changed and confirmed what, and when; the newest first. It tells what billing details say and said."""
    is_first = details.get(who.customer_id, now=now).billing is None
    step_up.check("view-billing", who, now=now, is_first=is_first)
    return details.history(who.customer_id, after=after, limit=limit)


def require_complete(customer_id: str, *, now: datetime, details: DetailsStore) -> None:
    """For what only a customer with current details may do. Raises ``AccountIncomplete``."""
    if not model.is_complete(details.get(customer_id, now=now), now):
        raise AccountIncomplete


def remind(*, now: datetime, public_url: str, details: DetailsStore, letters: LetterStore) -> None:
    """Write every letter that is due, one for each customer, date and kind, however often and by whomever this runs.

    A letter's id names all three, so whoever is stopped before the next one is noted writes it once more, and changes
    nothing.
    """
    for reminder in details.to_remind(now=now, limit=REMINDERS_AT_ONCE):
        kind: Kind = "overdue" if now >= reminder.due_at else "soon"
        letters.put_once(reminder.customer_id, letter(reminder, kind, public_url=public_url))
        details.set_reminded(reminder, again_at=reminder.due_at if kind == "soon" else None)


def letter(reminder: Reminder, kind: Kind, *, public_url: str) -> Letter:
    """What the owners are told."""
    day = f"{reminder.due_at:%-d %B %Y}"
    return Letter(
        letter_id=f"details-{kind}-{reminder.due_at:%Y%m%dT%H%M%S}.{reminder.customer_id}",
        customer_id=reminder.customer_id,
        subject=SUBJECTS[kind].format(day=day),
        text=BODIES[kind].format(day=day, url=f"{public_url}/console#/account"),
    )


SUBJECTS: dict[Kind, str] = {
    "soon": "Please confirm your account details by {day}",
    "overdue": "Your account is incomplete",
}

BODIES: dict[Kind, str] = {
    "soon": """\
Hello,

once a year we ask you to confirm that your contact and billing details
are right. Please sign in and do so by {day}:

{url}

After that day your account is incomplete, and no site can be added
until they are confirmed.

You receive this because you own an account with Velaro.
""",
    "overdue": """\
Hello,

your contact and billing details were to be given or confirmed by
{day}. Until they are, your account is incomplete, and no site
can be added. Please sign in and see to them:

{url}

You receive this because you own an account with Velaro.
""",
}
