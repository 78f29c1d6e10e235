"""Sessions and tokens over HTTP."""

from datetime import timedelta
from typing import Any

import msgspec
from apiflask import APIBlueprint

from chassis import auth
from chassis.clock import now
from services.accounts.bootstrap import context
from services.accounts.operators.model import ROLES
from services.accounts.sessions import actions, schemas
from services.accounts.sessions.model import Identity

blueprint = APIBlueprint("sessions", __name__, url_prefix="/internal/v1")


@blueprint.post("/sessions")
@blueprint.input(schemas.OperatorSignIn)
@blueprint.output(schemas.SessionReply, 201)
@auth.require_role("public", "service")
def sign_in(json_data: schemas.OperatorSignIn) -> dict[str, Any]:
    """Sign in; the token is told this once."""
    here = context()
    secret, session, operator = actions.sign_in(
        json_data.email,
        json_data.password,
        ip=json_data.ip,
        user_agent=json_data.user_agent,
        now=now(),
        operators=here.operators,
        sessions=here.sessions,
        audit=here.audit,
        passwords=here.passwords,
        limits=here.limits,
        remembered=timedelta(days=json_data.remembered_days) if json_data.remembered_days else None,
    )
    return {
        "token": secret,
        "session_id": session.session_id,
        "expires_at": session.expires_at,
        "operator": operator,
    }


@blueprint.post("/introspections")
@blueprint.input(schemas.Introspect)
@blueprint.output(schemas.IdentityReply)
@auth.require_role("public", "service")
def introspect(json_data: schemas.Introspect) -> Identity:
    """Who a session or token stands for."""
    here = context()
    return actions.identity(
        json_data.token,
        now=now(),
        operators=here.operators,
        sessions=here.sessions,
        tokens=here.tokens,
        limits=here.limits,
    )


@blueprint.get("/sessions/current")
@blueprint.output(schemas.IdentityReply)
@auth.require_role(*ROLES)
def current_session() -> Identity:
    """Whether the caller's session or token still lives; asking counts as using it."""
    return _current()


@blueprint.delete("/sessions/current")
@blueprint.output({}, 204)
@auth.require_role(*ROLES)
def sign_out() -> str:
    """Sign out."""
    caller = auth.caller()
    actions.sign_out(
        auth.customer(), caller.subject or "", caller.session_id or "", now=now(), sessions=context().sessions
    )
    return ""


@blueprint.post("/tokens")
@blueprint.input(schemas.IssueToken)
@blueprint.output(schemas.IssuedTokenReply, 201)
@auth.require_role(*ROLES)
def issue_token(json_data: schemas.IssueToken) -> dict[str, Any]:
    """Issue an API token to the operator who is signed in; it is told this once."""
    secret, token = actions.issue_token(
        json_data.name,
        tuple(json_data.scopes),
        json_data.expires_at,
        owner=_current(),
        now=now(),
        tokens=context().tokens,
    )
    return {**msgspec.structs.asdict(token), "scopes": list(token.scopes), "token": secret}


@blueprint.get("/tokens")
@blueprint.output(schemas.TokensReply)
@auth.require_role(*ROLES)
def tokens() -> dict[str, Any]:
    """The operator's tokens; an owner or admin sees all of the customer's."""
    return {"tokens": actions.tokens_of(auth.customer(), _whose(), now=now(), tokens=context().tokens)}


@blueprint.delete("/tokens/<token_id>")
@blueprint.output({}, 204)
@auth.require_role(*ROLES)
def revoke_token(token_id: str) -> str:
    """Revoke one of those tokens."""
    actions.revoke_token(auth.customer(), _whose(), token_id, now=now(), tokens=context().tokens)
    return ""


def _current() -> Identity:
    here = context()
    return actions.current(
        auth.customer(),
        auth.caller().session_id or "",
        now=now(),
        operators=here.operators,
        sessions=here.sessions,
        tokens=here.tokens,
        limits=here.limits,
    )


def _whose() -> str | None:
    caller = auth.caller()
    return None if caller.role in ("owner", "admin") else caller.subject or ""
