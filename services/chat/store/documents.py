"""How what chat keeps becomes a document, and what all its collections have in common."""

from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from chassis.mongo import Document

DUPLICATE_KEY = 11000
TOMBSTONE_KEPT = timedelta(days=30)
"""How long the bare id of what was erased still stands against whatever arrives late, a restored backup included."""
STILL_THERE = {"erased_at": None}
T = TypeVar("T", bound=msgspec.Struct)


def to_document(thing: msgspec.Struct, *, key: str) -> Document:
    document: Document = msgspec.to_builtins(thing, builtin_types=(datetime,))
    document["_id"] = document.pop(key)
    return document


def to_object(document: Document, kind: type[T], *, key: str) -> T:
    return msgspec.convert({**document, key: document["_id"]}, kind)
