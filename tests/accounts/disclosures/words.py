"""What the tests disclose: conversations long enough for a bundle of several parts, and the key they are sealed for."""

import random
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from services.accounts.disclosures.model import Disclosure

MARKER = "the marker sentence of a visitor"


class SomeWords:
    """``lengths`` are how many characters each conversation has, by its id; ``gone`` are those that are not there."""

    def __init__(self, lengths: dict[str, int], gone: tuple[str, ...] = ()) -> None:
        self.lengths = lengths
        self.gone = gone
        self.asked: list[str] = []

    def ids(self, disclosure: Disclosure) -> Iterator[str]:
        yield from (*self.lengths, *self.gone)

    def conversation(self, disclosure: Disclosure, conversation_id: str) -> dict[str, Any] | None:
        self.asked.append(conversation_id)
        if conversation_id in self.gone:
            return None
        noise = random.Random(conversation_id).randbytes(self.lengths[conversation_id] // 2).hex()
        return {"conversation_id": conversation_id, "messages": [{"seq": 1, "text": f"{MARKER} {noise}"}]}


THREE = {"c-1": 700_000, "c-2": 700_000, "c-3": 900_000}


def a_key() -> X25519PrivateKey:
    return X25519PrivateKey.generate()


def private_pem(key: X25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key: X25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
