"""Sessions and API tokens. Of either, only the hash of its secret is kept."""

import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Literal, get_args

import msgspec

from services.accounts.operators.model import Operator, OperatorRole

Kind = Literal["session", "token"]
Scope = Literal["conversations", "transcripts", "surveys"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
PlaceKind = Literal["address", "device"]

SESSION_PREFIX = "velaro_session_"
TOKEN_PREFIX = "velaro_token_"  # noqa: S105 - tells kinds apart, and lets scanners find leaked ones
TOUCH_EVERY = timedelta(minutes=1)
LONGEST_USER_AGENT = 512
_version = re.compile(r"[\d._]+")
"""A browser that was updated is the same device."""


class WrongCredentials(Exception):
    """The e-mail address and the password do not belong together."""


class SessionNotLive(Exception):
    """There is no such session or token, or it has ended."""


class TokenNotFound(Exception):
    """There is no such token."""


class SessionNeeded(Exception):
    """Only a person who is signed in can do this, not a program with a token."""


class ExpiryPassed(Exception):
    """The end of the token lies in the past."""

    members = {"errors": [{"field": "expires_at", "detail": "must lie in the future"}]}


class SessionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long a session lives: unused at most ``idle``, altogether at most ``absolute``."""

    idle: timedelta
    absolute: timedelta


class Session(msgspec.Struct, frozen=True, kw_only=True):
    session_id: str
    customer_id: str
    operator_id: str
    secret_hash: str
    ip: str
    user_agent: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    is_remembered: bool = False
    """Its operator asked to stay signed in: it lives unused until it expires."""

    @property
    def address_fingerprint(self) -> str:
        return fingerprint(self.operator_id, "address", _network_of(self.ip))

    @property
    def device_fingerprint(self) -> str:
        return fingerprint(self.operator_id, "device", _version.sub("", self.user_agent))


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A network or a device from where an operator has signed in, and since when; of either, only a fingerprint."""

    kind: PlaceKind
    fingerprint: str
    first_seen_at: datetime


def fingerprint(operator_id: str, kind: PlaceKind, value: str) -> str:
    """The same for an operator's own network or device, and nothing that compares with anybody else's."""
    return hashlib.sha256(f"{operator_id}|{kind}|{value}".encode()).hexdigest()


def _network_of(ip: str) -> str:
    """What stays the same when a line at home or at work gets another address."""
    try:
        address = ip_address(ip)
    except ValueError:
        return ""
    return str(ip_network(f"{address}/{24 if address.version == 4 else 48}", strict=False))


class Token(msgspec.Struct, frozen=True, kw_only=True):
    token_id: str
    customer_id: str
    operator_id: str
    name: str
    scopes: tuple[Scope, ...]
    secret_hash: str
    created_at: datetime
    last_used_at: datetime | None = None
    expires_at: datetime | None = None


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who a session or token stands for, as things are now."""

    kind: Kind
    session_id: str
    operator_id: str
    customer_id: str
    role: OperatorRole
    name: str
    scopes: tuple[Scope, ...]
    expires_at: datetime | None


def new_secret(prefix: str) -> str:
    """256 random bits behind a prefix that tells what they open."""
    return prefix + secrets.token_urlsafe(32)


def hash_of(secret: str) -> str:
    """Fast on purpose: 256 random bits cannot be guessed, however fast one guesses."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_same_hash(one: str, other: str) -> bool:
    """Compared in a time that tells nothing about where they differ."""
    return hmac.compare_digest(one, other)


def identity_of(credential: Session | Token, operator: Operator) -> Identity:
    """Name and role are the operator's present ones, so that a change of role counts at once."""
    is_session = isinstance(credential, Session)
    return Identity(
        kind="session" if is_session else "token",
        session_id=credential.session_id if isinstance(credential, Session) else credential.token_id,
        operator_id=operator.operator_id,
        customer_id=operator.customer_id,
        role=operator.role,
        name=operator.name,
        scopes=SCOPES if isinstance(credential, Session) else credential.scopes,
        expires_at=credential.expires_at,
    )
