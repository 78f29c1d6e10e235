"""The committed example of each payload, as bytes off the bus."""

from pathlib import Path
from typing import TypeVar

import msgspec

from contracts.payload import Payload

EXAMPLES = Path(__file__).resolve().parents[2] / "contracts/examples"

P = TypeVar("P", bound=Payload)


def example(payload: type[Payload]) -> bytes:
    return (EXAMPLES / f"{payload.routing_key}.json").read_bytes()


def an_example(payload: type[P]) -> P:
    return msgspec.json.decode(example(payload), type=payload)
