"""What operators look like over HTTP."""

from typing import Annotated

from pydantic import StringConstraints

from chassis.web import Body, Reply
from services.accounts.operators.model import LONGEST_EMAIL, OperatorRole


class OwnershipBody(Body):
    email: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_EMAIL)]


class OperatorReply(Reply):
    operator_id: str
    customer_id: str
    name: str
    email: str
    role: OperatorRole
