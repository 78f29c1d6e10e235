"""Staff over HTTP."""

from typing import Any

import msgspec
from apiflask import APIBlueprint

from chassis import auth
from chassis.clock import now
from services.accounts.bootstrap import context
from services.accounts.sessions.schemas import SignIn
from services.accounts.staff import actions, schemas
from services.accounts.staff.model import StaffIdentity

blueprint = APIBlueprint("staff", __name__, url_prefix="/internal/v1/staff")


@blueprint.post("/sessions")
@blueprint.input(SignIn)
@blueprint.output(schemas.StaffSessionReply, 201)
@auth.require_role("public", "service")
def sign_in(json_data: SignIn) -> dict[str, Any]:
    """Sign a member of staff in; the token is told this once."""
    here = context()
    secret, identity = actions.sign_in(
        json_data.email,
        json_data.password,
        ip=json_data.ip,
        user_agent=json_data.user_agent,
        now=now(),
        staff=here.staff,
        sessions=here.staff_sessions,
        audit=here.audit,
        passwords=here.passwords,
        limits=here.limits,
    )
    return {**msgspec.structs.asdict(identity), "token": secret}


@blueprint.post("/introspections")
@blueprint.input(schemas.IntrospectStaff)
@blueprint.output(schemas.StaffIdentityReply)
@auth.require_role("public", "service")
def introspect(json_data: schemas.IntrospectStaff) -> StaffIdentity:
    """Whom a session of staff stands for."""
    here = context()
    return actions.identity(
        json_data.token, now=now(), staff=here.staff, sessions=here.staff_sessions, limits=here.limits
    )


@blueprint.delete("/sessions/current")
@blueprint.output({}, 204)
@auth.require_role(*auth.STAFF)
def sign_out() -> str:
    """Sign out."""
    actions.sign_out(auth.caller().session_id or "", sessions=context().staff_sessions)
    return ""
