"""Operators over HTTP."""

from apiflask import APIBlueprint

from chassis import auth
from chassis.mongo import server_time
from services.accounts.bootstrap import context
from services.accounts.operators import actions
from services.accounts.operators.model import ROLES, Acting, Operator
from services.accounts.operators.schemas import OperatorReply, OwnershipBody

blueprint = APIBlueprint("operators", __name__, url_prefix="/internal/v1")


def acting() -> Acting:
    """The operator for whom the caller asks, as somebody who does something."""
    caller = auth.caller()
    return Acting(
        customer_id=auth.customer(),
        operator_id=caller.subject or "",
        session_id=caller.session_id or "",
        name=caller.name,
    )


@blueprint.get("/operators/me")
@blueprint.output(OperatorReply)
@auth.require_role(*ROLES)
def me() -> Operator:
    """The operator for whom the caller asks."""
    return actions.operator_of(auth.customer(), auth.caller().subject or "", operators=context().operators)


@blueprint.post("/ownership")
@blueprint.input(OwnershipBody)
@blueprint.output(OperatorReply, 201)
@auth.require_role("owner")
def transfer_ownership(json_data: OwnershipBody) -> Operator:
    """Make a colleague the owner, and be an admin from then on; the new owner."""
    here = context()
    return actions.transfer_ownership(
        acting(), json_data.email, now=server_time(here.database), operators=here.operators, step_up=here.step_up
    )
