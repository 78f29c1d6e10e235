"""What tickets look like over HTTP."""

from typing import Annotated, Literal, Self

from pydantic import StringConstraints, model_validator

from chassis.web import Body, Reply
from services.accounts.operators.model import OperatorRole

Id = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class TicketClaims(Body):
    kind: Literal["visitor", "operator"]
    customer_id: Id
    subject: Id
    name: Annotated[str, StringConstraints(max_length=200)]
    role: OperatorRole | Literal["visitor"]
    session_id: Id | None = None
    site_id: Id | None = None

    @model_validator(mode="after")
    def _role_of_its_kind(self) -> Self:
        if (self.kind == "visitor") != (self.role == "visitor"):
            raise ValueError("kind and role do not belong together")
        return self


class IssueTicket(Body):
    claims: TicketClaims


class TicketReply(Reply):
    ticket: str
    expires_in: int


class RedeemTicket(Body):
    ticket: Annotated[str, StringConstraints(min_length=1, max_length=256)]


class ClaimsReply(Reply):
    kind: Literal["visitor", "operator"]
    customer_id: str
    subject: str
    name: str
    role: OperatorRole | Literal["visitor"]
    session_id: str | None
    site_id: str | None


class RedemptionReply(Reply):
    claims: ClaimsReply
