"""Operators over HTTP."""

from apiflask import APIBlueprint

from chassis import auth
from services.accounts.bootstrap import context
from services.accounts.operators import actions
from services.accounts.operators.model import ROLES, Operator
from services.accounts.operators.schemas import OperatorReply

blueprint = APIBlueprint("operators", __name__, url_prefix="/internal/v1/operators")


@blueprint.get("/me")
@blueprint.output(OperatorReply)
@auth.require_role(*ROLES)
def me() -> Operator:
    """The operator for whom the caller asks."""
    return actions.operator_of(auth.customer(), auth.caller().subject or "", operators=context().operators)
