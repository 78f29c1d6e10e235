"""What sessions and tokens look like over HTTP."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from chassis.web import Body, Reply, Timestamp
from services.accounts.operators.model import LONGEST_EMAIL, LONGEST_PASSWORD, OperatorRole
from services.accounts.operators.schemas import OperatorReply
from services.accounts.sessions.model import Kind, Scope

Secret = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class SignIn(Body):
    email: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_EMAIL)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_PASSWORD)]
    ip: Annotated[str, StringConstraints(max_length=64)] = ""
    user_agent: Annotated[str, StringConstraints(max_length=8192)] = ""


class OperatorSignIn(SignIn):
    remembered_days: Annotated[int, Field(ge=1, le=90)] | None = None


class SessionReply(Reply):
    token: str
    session_id: str
    expires_at: datetime
    operator: OperatorReply


class Introspect(Body):
    token: Secret


class IdentityReply(Reply):
    kind: Kind
    session_id: str
    operator_id: str
    customer_id: str
    role: OperatorRole
    name: str
    scopes: list[Scope]
    expires_at: datetime | None


def _each_once(scopes: list[Scope]) -> list[Scope]:
    return list(dict.fromkeys(scopes))


class IssueToken(Body):
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=20), AfterValidator(_each_once)]
    expires_at: Timestamp | None = None


class TokenReply(Reply):
    token_id: str
    name: str
    scopes: list[Scope]
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None


class IssuedTokenReply(TokenReply):
    token: str


class TokensReply(Reply):
    tokens: list[TokenReply]
