"""What a disclosure may see: the scope that a token of the role ``disclosure`` carries as its ``grant``.

Accounts signs such a token when a disclosure was approved, for one customer and in the name of that disclosure. Whoever
keeps the words gives exactly what is in the scope, and to no other role.
"""

from datetime import datetime

import msgspec

GRANTER = "accounts"
"""The service that decides about disclosures; nobody else's token of that role counts."""


class NothingGranted(Exception):
    """Nobody who may decide so has granted this."""


class ConversationsScope(msgspec.Struct, frozen=True, kw_only=True, tag="conversations", tag_field="kind"):
    """These conversations."""

    conversation_ids: tuple[str, ...]


class VisitorScope(msgspec.Struct, frozen=True, kw_only=True, tag="visitor", tag_field="kind"):
    """Every conversation of one visitor."""

    visitor_id: str


class PeriodScope(msgspec.Struct, frozen=True, kw_only=True, tag="period", tag_field="kind"):
    """Every conversation that was opened at ``since`` or later, and before ``until``."""

    since: datetime
    until: datetime


Scope = ConversationsScope | VisitorScope | PeriodScope


def granted(scope: Scope) -> str:
    """The grant that lets its bearer see ``scope``."""
    return msgspec.json.encode(scope).decode()


def scope_of(grant: str | None, *, by: str) -> Scope:
    """What the bearer of ``grant`` may see, if the service ``by`` may grant it. Raises ``NothingGranted``."""
    if by != GRANTER:
        raise NothingGranted
    try:
        scope: Scope = msgspec.json.decode(grant or "", type=Scope)
    except msgspec.DecodeError as error:
        raise NothingGranted from error
    return scope


def is_within(scope: Scope, *, conversation_id: str, visitor_id: str, opened_at: datetime | None) -> bool:
    """Whether the conversation belongs to ``scope``."""
    match scope:
        case ConversationsScope():
            return conversation_id in scope.conversation_ids
        case VisitorScope():
            return visitor_id == scope.visitor_id
        case PeriodScope():
            return opened_at is not None and scope.since <= opened_at < scope.until
