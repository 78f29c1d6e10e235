"""Who is signed in, and with which tokens."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from chassis.web import Body, Reply, Timestamp

Scope = Literal["conversations", "transcripts", "surveys"]


class TicketOut(Reply):
    ticket: str
    expires_in: int


class StaffOut(Reply):
    staff_id: str
    name: str
    email: str
    role: str


class StaffSessionOut(Reply):
    staff: StaffOut
    expires_at: datetime


class SignInIn(Body):
    email: Annotated[str, StringConstraints(min_length=1, max_length=254)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    totp: Annotated[str, StringConstraints(max_length=16)] | None = None


class OperatorSignInIn(SignInIn):
    remember: bool = False


class OperatorOut(Reply):
    operator_id: str
    customer_id: str
    name: str
    email: str
    role: str


class SessionOut(Reply):
    operator: OperatorOut
    expires_at: datetime | None = None


class TokenIn(Body):
    name: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=20)]
    expires_at: Timestamp | None = None


class TokenOut(Reply):
    token_id: str
    name: str
    scopes: list[Scope]
    created_at: datetime | None = None
    last_used_at: datetime | None = None
    expires_at: datetime | None = None


class IssuedTokenOut(TokenOut):
    token: str


class TokensOut(Reply):
    tokens: list[TokenOut]
