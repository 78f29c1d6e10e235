"""The audit over HTTP: the gateway notes what it is asked to do, owners and admins read what was noted."""

from typing import Any

from apiflask import APIBlueprint

from chassis import auth
from chassis.problems import Problem
from services.accounts.audit import actions, schemas
from services.accounts.audit.model import STAFF_CHAIN, Act, Actor
from services.accounts.bootstrap import context
from services.accounts.operators.model import ROLES

blueprint = APIBlueprint("audit", __name__, url_prefix="/internal/v1/audit")

READERS: tuple[auth.Role, ...] = ("owner", "admin")
NOTER = "gateway"
"""The only way in for people, which has established who they are."""


@blueprint.post("/acts")
@blueprint.input(schemas.ToNote)
@blueprint.output({}, 204)
@auth.require_role(*ROLES, *auth.STAFF)
def note(json_data: schemas.ToNote) -> str:
    """Note what the caller is about to do, or that it came to nothing."""
    caller = auth.caller()
    if caller.service != NOTER:
        raise Problem(403, "forbidden", "Acts are noted by the gateway.")
    is_staff = caller.role in auth.STAFF
    actor = Actor(kind="staff" if is_staff else "operator", id=caller.subject or "", role=caller.role)
    act = Act(act_id=json_data.act_id, actor=actor, act=json_data.act, subject=json_data.subject)
    if json_data.outcome:
        act = act.ended(json_data.outcome)
    actions.note(STAFF_CHAIN if is_staff else auth.customer(), act, audit=context().audit)
    return ""


@blueprint.get("/entries")
@blueprint.input(schemas.EntriesQuery, location="query")
@blueprint.output(schemas.EntriesReply)
@auth.require_role(*READERS)
def entries(query_data: schemas.EntriesQuery) -> schemas.EntriesReply:
    """What was done in the name of the caller's customer, the newest first."""
    found, following = actions.entries(
        auth.customer(), before=query_data.before, limit=query_data.limit, audit=context().audit
    )
    return schemas.EntriesReply.of(found, following)


@blueprint.get("/head")
@blueprint.output(schemas.LatestHeadReply)
@auth.require_role(*READERS)
def head() -> dict[str, Any]:
    """How far the customer's chain had got when that was last signed."""
    return {"head": context().audit.latest_head(auth.customer())}


@blueprint.post("/heads")
@blueprint.output(schemas.LatestHeadReply, 201)
@auth.require_role(*READERS)
def sign_head() -> dict[str, Any]:
    """Sign how far the customer's chain has got by now."""
    here = context()
    return {"head": actions.sign_head(auth.customer(), audit=here.audit, signer=here.signer)}
