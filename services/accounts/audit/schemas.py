"""What the audit looks like over HTTP."""

from datetime import datetime
from typing import Annotated, Self

import msgspec
from pydantic import Field, StringConstraints

from chassis.web import Body, Query, Reply
from services.accounts.audit.model import ActorKind, CursorNotValid, Entry

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,80}\z")]
Value = Annotated[str, StringConstraints(max_length=200)]


class ToNote(Body):
    """An act that is about to be done; with ``outcome``, that the one of this id came to nothing."""

    act_id: Name
    act: Name
    subject: Annotated[dict[Name, Value], Field(max_length=10)] = {}
    outcome: Name | None = None


class EntriesQuery(Query):
    after: Annotated[str, StringConstraints(max_length=20)] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50

    @property
    def before(self) -> int | None:
        """The number before which the page begins. Raises ``CursorNotValid``."""
        if self.after is None:
            return None
        if not self.after.isascii() or not self.after.isdecimal() or len(self.after) > 15:
            raise CursorNotValid
        return int(self.after)


class ActorReply(Reply):
    kind: ActorKind
    id: str
    role: str


class EntryReply(Reply):
    """An entry in the very form over which its hash is made."""

    chain: str
    number: int
    at: str
    act_id: str
    actor: ActorReply
    act: str
    subject: dict[str, str]
    details: dict[str, str]
    previous: str
    hash: str


class EntriesReply(Reply):
    entries: list[EntryReply]
    next: str | None

    @classmethod
    def of(cls, found: list[Entry], following: int | None) -> Self:
        entries = [EntryReply.model_validate(msgspec.to_builtins(entry)) for entry in found]
        return cls(entries=entries, next=None if following is None else str(following))


class HeadReply(Reply):
    chain: str
    number: int
    hash: str
    signed_at: datetime
    certificate: str


class LatestHeadReply(Reply):
    """The head that was signed last; null when none ever was."""

    head: HeadReply | None
