"""Operators over HTTP."""

from apiflask import APIBlueprint

from chassis import auth
from services.accounts.bootstrap import context
from services.accounts.operators import actions
from services.accounts.operators.model import ROLES, Acting, Operator
from services.accounts.operators.schemas import OperatorReply

blueprint = APIBlueprint("operators", __name__, url_prefix="/internal/v1/operators")


def acting() -> Acting:
    """The operator for whom the caller asks, as somebody who does something."""
    caller = auth.caller()
    return Acting(
        customer_id=auth.customer(),
        operator_id=caller.subject or "",
        session_id=caller.session_id or "",
        name=caller.name,
    )


@blueprint.get("/me")
@blueprint.output(OperatorReply)
@auth.require_role(*ROLES)
def me() -> Operator:
    """The operator for whom the caller asks."""
    return actions.operator_of(auth.customer(), auth.caller().subject or "", operators=context().operators)
