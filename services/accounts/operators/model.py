"""An operator: a person who works for a customer."""

import re
import unicodedata
from datetime import datetime
from typing import Literal, get_args

import msgspec

OperatorRole = Literal["owner", "admin", "operator", "analyst"]
ROLES: tuple[OperatorRole, ...] = get_args(OperatorRole)
SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1024
LONGEST_EMAIL = 254

_plain = r"[^@\s\x00-\x1f\x7f()<>\[\]:;,\\\"]"
_email = re.compile(rf"(?!\.)(?!.*=\?){_plain}{{1,64}}@{_plain}{{1,253}}")
"""What a header can hold as it is: one address that none can hold would keep the mail to all owners of a customer."""


class OperatorNotFound(Exception):
    """There is no such operator."""


class NotAnOwner(Exception):
    """Only an owner of the account can do this."""


class EmailTaken(Exception):
    """An operator with this e-mail address exists already."""


class EmailNotValid(ValueError):
    """An e-mail address is a mailbox, an @ and a domain."""


class PasswordNotValid(ValueError):
    """A password has at least 12 characters, and no more than 1,024."""


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    operator_id: str
    customer_id: str
    email: str
    name: str
    role: OperatorRole
    password_hash: str
    is_active: bool = True
    created_at: datetime
    password_changed_at: datetime | None = None


class Acting(msgspec.Struct, frozen=True, kw_only=True):
    """An operator, and the session in which they do something."""

    customer_id: str
    operator_id: str
    session_id: str
    name: str


def normalised(email: str) -> str:
    """The one spelling under which an address is kept, so that nobody can exist twice."""
    return unicodedata.normalize("NFKC", email).strip().casefold()


def valid_email(email: str) -> str:
    """The normalised address of somebody new. Raises ``EmailNotValid``."""
    address = normalised(email)
    if len(address) > LONGEST_EMAIL or not _email.fullmatch(address):
        raise EmailNotValid
    return address


def valid_password(password: str) -> str:
    """The password itself. Raises ``PasswordNotValid``."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise PasswordNotValid
    return password
