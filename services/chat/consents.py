"""A visitor's consent to a cookie: what is kept of it, and how the cookie stands for their token.

The cookie has a secret of its own, of which only the hash is kept. The visitor's token lies beside it, encrypted with
what only the secret gives: so whoever brings the cookie is the visitor again, and whoever has the database is nobody.
"""

import hashlib
import secrets
from datetime import datetime
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Withdrawal = Literal["asked", "privacy-signal", "site"]
"""Who ended it: the visitor, their browser's Global Privacy Control, or the site, which wants no cookies any more."""

_NONCE_BYTES = 12


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """That a visitor agreed to a cookie, under which version of the policy, and when it ended, if it did."""

    consent_id: str
    customer_id: str
    visitor_id: str
    site_id: str
    given_at: datetime
    given_policy_version: str
    expires_at: datetime
    secret_hash: str = ""
    sealed_token: bytes = b""
    withdrawn_at: datetime | None = None
    withdrawn_policy_version: str = ""
    withdrawn_because: Withdrawal | None = None


def new_secret() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)


def sealed(token: str, secret: str) -> bytes:
    """The token, readable for whoever has the cookie's secret."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(_key(secret)).encrypt(nonce, token.encode(), None)


def unsealed(box: bytes, secret: str) -> str | None:
    """What was sealed; None if it was not with this secret."""
    try:
        return AESGCM(_key(secret)).decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], None).decode()
    except (InvalidTag, ValueError):
        return None


def _key(secret: str) -> bytes:
    # Another hash than the one that is kept, of a secret that nobody can guess: no stretching is needed.
    return hashlib.sha256(b"velaro visitor token\0" + secret.encode()).digest()
