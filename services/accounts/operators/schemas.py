"""What operators look like over HTTP."""

from chassis.web import Reply
from services.accounts.operators.model import OperatorRole


class OperatorReply(Reply):
    operator_id: str
    customer_id: str
    name: str
    email: str
    role: OperatorRole
