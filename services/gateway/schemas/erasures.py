"""How much was erased, and the keys with which certificates are signed."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from chassis.web import Query, Reply
from services.gateway.schemas.fields import Limit


class ErasuresQuery(Query):
    before: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}\z")] | None = None
    limit: Limit = 50


class ErasedDayOut(Reply):
    day: str
    reason: Literal["minor", "asked"]
    visitors: int
    conversations: int


class ErasuresOut(Reply):
    days: list[ErasedDayOut]


class KeyOut(Reply):
    kty: str
    crv: str
    x: str
    kid: str
    alg: str
    use: str


class KeysOut(Reply):
    keys: list[KeyOut]
