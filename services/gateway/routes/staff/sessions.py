"""How staff come in."""

from typing import Any

import msgspec
from apiflask import APIBlueprint
from flask import Response

from chassis.http import RemoteProblem
from chassis.problems import Problem
from services.gateway import cookies
from services.gateway.bootstrap import context
from services.gateway.clients import StaffCredential, StaffSignIn
from services.gateway.routes import access
from services.gateway.schemas.sessions import SignInIn, StaffSessionOut

blueprint = APIBlueprint("staff_sessions", __name__, url_prefix="/api/v1/staff")


@blueprint.post("/sessions")
@blueprint.input(SignInIn)
@blueprint.output(StaffSessionOut, 201)
@blueprint.doc(responses={401: "Wrong e-mail address or password.", 429: "Too many attempts."})
def sign_in(json_data: SignInIn) -> Any:
    """Sign a member of staff in; the session is in a cookie of its own."""
    here = context()
    access.refuse_other_origins(is_silence_fine=True)
    access.limit_address(here.limits.sign_ins)
    access.limit_account(here.limits.sign_ins, "staff", json_data.email)
    made = _signed_in(json_data)
    response = Response(msgspec.json.encode(_session(made)), status=201, mimetype="application/json")
    cookies.STAFF.set(response, here.settings, made.token, until=None)
    return response


def _signed_in(asked: SignInIn) -> StaffSignIn:
    try:
        return context().staff.sign_in(
            email=asked.email, password=asked.password, ip=access.address(), user_agent=access.user_agent()
        )
    except RemoteProblem as error:
        # As with operators: that accounts does not believe us is not their mistake.
        if error.code != "wrong-credentials" and error.status != 422:
            raise
        raise Problem(401, "wrong-credentials", "Wrong e-mail address or password.") from error


@blueprint.get("/sessions/current")
@blueprint.output(StaffSessionOut)
@blueprint.doc(security=access.STAFF)
def current_session() -> Any:
    """Who is signed in."""
    return _session(access.staff_credential())


@blueprint.delete("/sessions/current")
@blueprint.output({}, 204)
@blueprint.doc(security=access.STAFF)
def sign_out() -> Any:
    """Sign out."""
    context().staff.sign_out(access.staff())
    response = Response(status=204)
    cookies.STAFF.delete(response, context().settings)
    return response


def _session(credential: StaffCredential) -> dict[str, Any]:
    return {
        "staff": {
            "staff_id": credential.staff_id,
            "name": credential.name,
            "email": credential.email,
            "role": credential.role.removeprefix("staff-"),
        },
        "expires_at": credential.expires_at,
    }
