"""The digest by which chat and transcripts agree that they hold the same words in the same order."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from contracts.chat import Sender


class SaidMessage(Protocol):
    """What of a message the digest covers: all that a reader of the transcript sees."""

    @property
    def seq(self) -> int: ...
    @property
    def message_id(self) -> str: ...
    @property
    def sender(self) -> Sender: ...
    @property
    def text(self) -> str: ...
    @property
    def sent_at(self) -> datetime: ...


def digest_of(messages: Iterable[SaidMessage]) -> str:
    """SHA-256, in hex, over the messages in the order given (which must be that of ``seq``).

    Times count to the millisecond, which is what the database keeps.
    """
    digest = RunningDigest()
    for message in messages:
        digest.add(message)
    return digest.so_far


class RunningDigest:
    """The same, message by message: for what is too long to be held at once."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, message: SaidMessage) -> None:
        self._digest.update(msgspec.json.encode(_covered(message)))
        self._digest.update(b"\n")

    @property
    def so_far(self) -> str:
        return self._digest.hexdigest()


def _covered(message: SaidMessage) -> tuple[int, str, str, str, str, str, int]:
    sender = message.sender
    return (
        message.seq,
        message.message_id,
        sender.kind,
        sender.id,
        sender.name,
        message.text,
        milliseconds(message.sent_at),
    )


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970, cut off as the database cuts them off; naive times are UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    whole_seconds = int(aware.replace(microsecond=0).timestamp())
    return whole_seconds * 1000 + aware.microsecond // 1000
