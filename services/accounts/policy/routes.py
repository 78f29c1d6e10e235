"""The policy over HTTP."""

from apiflask import APIBlueprint

from chassis import auth
from chassis.clock import now
from services.accounts.bootstrap import context
from services.accounts.operators.model import ROLES
from services.accounts.policy import actions
from services.accounts.policy.model import Policy
from services.accounts.policy.schemas import PolicyReply

blueprint = APIBlueprint("policy", __name__, url_prefix="/internal/v1/policy")


@blueprint.get("")
@blueprint.output(PolicyReply)
@auth.require_role("public", "visitor", "service", *ROLES)
def policy() -> Policy:
    """The version in force and the one to come; everybody may read them."""
    return actions.policy(now=now(), policies=context().policies)
