"""How operators come in: sessions for the console, API tokens for programs, tickets for sockets."""

from contextlib import suppress
from typing import Any

import msgspec
from apiflask import APIBlueprint
from flask import Response

from chassis.http import RemoteProblem
from chassis.problems import Problem, Unavailable
from services.gateway import cookies
from services.gateway.bootstrap import context
from services.gateway.clients import SignIn
from services.gateway.routes import access
from services.gateway.schemas.sessions import (
    IssuedTokenOut,
    OperatorSignInIn,
    SessionOut,
    TicketOut,
    TokenIn,
    TokensOut,
)

blueprint = APIBlueprint("sessions", __name__, url_prefix="/api/v1")


@blueprint.post("/sessions")
@blueprint.input(OperatorSignInIn)
@blueprint.output(SessionOut, 201)
@blueprint.doc(responses={401: "Wrong e-mail address or password.", 429: "Too many attempts."})
def sign_in(json_data: OperatorSignInIn) -> Any:
    """Sign in; the session is in the cookie, which ends with the browser unless it is to ``remember``."""
    here = context()
    access.refuse_other_origins(is_silence_fine=True)
    access.limit_address(here.limits.sign_ins)
    access.limit_account(here.limits.sign_ins, "account", json_data.email)
    made = _signed_in(json_data)
    body = {"operator": made.operator, "expires_at": made.expires_at}
    response = Response(msgspec.json.encode(body), status=201, mimetype="application/json")
    return _with_cookie(response, made, is_remembered=json_data.remember)


def _signed_in(asked: OperatorSignInIn) -> SignIn:
    try:
        return context().accounts.sign_in(
            email=asked.email,
            password=asked.password,
            ip=access.address(),
            user_agent=access.user_agent(),
            remembered_days=cookies.REMEMBERED.days if asked.remember else None,
        )
    except RemoteProblem as error:
        # What accounts finds malformed is no account of ours either. That it does not believe us is another matter.
        if error.code != "wrong-credentials" and error.status != 422:
            raise
        raise Problem(401, "wrong-credentials", "Wrong e-mail address or password.") from error


def _with_cookie(response: Response, made: SignIn, *, is_remembered: bool) -> Response:
    settings = context().settings
    cookies.SESSION.set(response, settings, made.token, until=made.expires_at if is_remembered else None)
    return response


@blueprint.get("/sessions/current")
@blueprint.output(SessionOut)
@blueprint.doc(security=access.SESSION)
def current_session() -> Any:
    """Who is signed in."""
    asking = access.asking("conversations")
    return {"operator": context().accounts.operator(asking.caller), "expires_at": asking.credential.expires_at}


@blueprint.delete("/sessions/current")
@blueprint.output({}, 204)
@blueprint.doc(security=access.SESSION)
def sign_out() -> Any:
    """Sign out: the session and its sockets end."""
    here = context()
    settings = here.settings
    caller = access.operator(None)
    here.accounts.sign_out(caller)
    with suppress(Unavailable, RemoteProblem):
        # If chat does not hear of it, it finds out by itself a little later.
        here.chat.leave(caller)
    response = Response(status=204)
    cookies.SESSION.delete(response, settings)
    return response


@blueprint.post("/tokens")
@blueprint.input(TokenIn)
@blueprint.output(IssuedTokenOut, 201)
@blueprint.doc(security=access.SESSION)
def issue_token(json_data: TokenIn) -> Any:
    """An API token; it is shown this once. Only somebody signed in can have one made."""
    return context().accounts.create_token(access.operator(None), json_data.model_dump(mode="json", exclude_none=True))


@blueprint.get("/tokens")
@blueprint.output(TokensOut)
@blueprint.doc(security=access.SESSION)
def list_tokens() -> Any:
    """The API tokens there are, without their secrets."""
    return context().accounts.tokens(access.operator(None))


@blueprint.delete("/tokens/<opaque:token_id>")
@blueprint.output({}, 204)
@blueprint.doc(security=access.SESSION, responses={404: "No such token, or not one of yours."})
def revoke_token(token_id: str) -> Any:
    """Revoke an API token: it and its sockets end."""
    context().accounts.revoke_token(access.operator(None), token_id)
    return ""


@blueprint.post("/tickets")
@blueprint.output(TicketOut, 201)
@blueprint.doc(security=access.OPERATOR)
def issue_ticket() -> Any:
    """A ticket for one socket, good for a minute."""
    here = context()
    caller = access.operator("conversations")
    access.limit(here.limits.tickets, caller.customer_id or "", caller.subject or "")
    return here.tickets.issue(caller)
