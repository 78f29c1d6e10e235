"""Documents under a key of their own, and that key under the master key."""

import base64
import binascii
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_NONCE_BYTES = 12


class SealBroken(Exception):
    """What was to be opened is not what was sealed, or not with this key."""


class MasterKey:
    """Wraps the keys of documents. It comes from a file that no database has a copy of.

    A key service can stand in its place: what it has to do is ``wrap`` and ``unwrap``.
    """

    def __init__(self, encoded: str) -> None:
        self._key = decoded(encoded)

    def wrap(self, key: bytes, context: bytes) -> bytes:
        return seal(key, self._key, b"key|" + context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Raises ``SealBroken``."""
        return unseal(wrapped, self._key, b"key|" + context)


def decoded(encoded: str) -> bytes:
    """The 32 bytes that the setting spells in base64. Raises ``ValueError``."""
    try:
        key = base64.urlsafe_b64decode(encoded.strip())
    except (binascii.Error, ValueError) as error:
        raise ValueError("must be 32 bytes in base64") from error
    if len(key) != KEY_BYTES:
        raise ValueError("must be 32 bytes in base64")
    return key


def new_key() -> bytes:
    return secrets.token_bytes(KEY_BYTES)


def seal(content: bytes, key: bytes, context: bytes) -> bytes:
    """AES-256-GCM under a nonce that is used once, bound to ``context``."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, content, context)


def unseal(sealed: bytes, key: bytes, context: bytes) -> bytes:
    """Raises ``SealBroken``."""
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)
    except (InvalidTag, ValueError) as error:
        raise SealBroken from error
