"""The gateway over HTTP and sockets."""

from typing import Any

from apiflask import APIFlask
from flask import Response
from gevent.lock import BoundedSemaphore
from werkzeug.routing import BaseConverter

from chassis import web
from chassis.http import RemoteProblem
from chassis.problems import Problem
from services.gateway.assets import NotBuilt
from services.gateway.bootstrap import SERVICE, Context, bootstrap
from services.gateway.clients import OutOfReach
from services.gateway.commands import CommandRefused
from services.gateway.lifecycle import Lifecycle
from services.gateway.routes import (
    access,
    account,
    acts,
    audit,
    conversations,
    disclosures,
    documents,
    erasures,
    own_data,
    pages,
    questions,
    remembering,
    sessions,
    sites,
    staff,
    surveys,
    transcripts,
    widget,
)
from services.gateway.session import Surroundings
from services.gateway.sockets import Sockets

PROBLEMS: dict[type[Exception], tuple[int, str]] = {NotBuilt: (503, "not-built"), OutOfReach: (403, "forbidden")}

REFUSALS = {
    "not-found": 404,
    "not-open": 409,
    "already-accepted": 409,
    "not-a-party": 403,
    "erased": 410,
    "invalid": 422,
    "full": 409,
    "policy-not-acknowledged": 409,
}
"""The status of each code with which chat refuses a command."""

PASSED_ON = frozenset({403, 404, 409, 410, 422, 429})
"""What another service may say to our caller; whatever else it says is between it and us."""


CATCH_UPS_AT_ONCE = 32
"""How many sockets may ask for what they missed at the same time: after an outage all of them do."""


class OpaqueConverter(BaseConverter):
    """An id in a path."""

    regex = "[A-Za-z0-9_-]{1,64}"


def create_app(context: Context | None = None) -> APIFlask:
    """The application, with the sockets in front of it."""
    context = context or bootstrap()
    app = web.service_app(
        SERVICE,
        title="Velaro",
        readiness={"bus": lambda: _check_bus(context)},
        problems=PROBLEMS,
        spec_path="/api/v1/openapi.json",
    )
    app.extensions[SERVICE] = context
    app.url_map.converters["opaque"] = OpaqueConverter
    app.config["OPENAPI_VERSION"] = "3.1.0"
    app.security_schemes = access.SECURITY_SCHEMES
    _register_refusals(app, context)
    for blueprint in (
        widget.blueprint,
        remembering.blueprint,
        own_data.blueprint,
        sessions.blueprint,
        conversations.blueprint,
        transcripts.blueprint,
        erasures.blueprint,
        sites.blueprint,
        *account.BLUEPRINTS,
        surveys.blueprint,
        audit.blueprint,
        disclosures.blueprint,
        *staff.BLUEPRINTS,
        documents.blueprint,
        questions.blueprint,
        pages.blueprint,
    ):
        app.register_blueprint(blueprint)
    app.before_request(access.refuse_other_bodies)
    app.after_request(pages.add_security_headers)
    app.after_request(acts.end)
    # Flask has a place for files already; only what it does there is ours.
    app.view_functions["static"] = pages.static_file
    _put_sockets_in_front(app, context)
    return app


def _put_sockets_in_front(app: APIFlask, context: Context) -> None:
    surroundings = Surroundings(
        settings=context.settings,
        tickets=context.tickets,
        accounts=context.accounts,
        policy=context.policy,
        chat=context.chat,
        history=context.history,
        commands=context.commands,
        bus=context.bus,
        fanout=context.fanout,
        catching_up=BoundedSemaphore(CATCH_UPS_AT_ONCE),
    )
    sockets = Sockets(surroundings, app=app.wsgi_app)
    app.wsgi_app = sockets  # type: ignore[method-assign]
    app.extensions["gateway.lifecycle"] = Lifecycle(context, sockets)


def _check_bus(context: Context) -> None:
    if not context.bus.is_up or not context.listener.is_up:
        raise RuntimeError(context.bus.state)


def _register_refusals(app: APIFlask, context: Context) -> None:
    def refused(error: CommandRefused) -> Any:
        problem = Problem(REFUSALS.get(error.code, 409), error.code, error.detail)
        if error.code == "policy-not-acknowledged":
            problem.members["policy_version"] = context.policy.version_in_force()
        return _say(app, problem)

    def passed_on(error: RemoteProblem) -> Any:
        return _say(app, _problem_of(error))

    app.register_error_handler(CommandRefused, refused)
    app.register_error_handler(RemoteProblem, passed_on)


def _say(app: APIFlask, problem: Problem) -> Response:
    return app.make_response(app.handle_user_exception(problem))


def _problem_of(error: RemoteProblem) -> Problem:
    """What our caller is told when another service refused."""
    if error.status == 404:
        return access.not_found()
    if error.status not in PASSED_ON:
        return Problem(503, "unavailable", "Please try again in a moment.", headers={"Retry-After": "2"})
    members = {"errors": error.body["errors"]} if "errors" in error.body else {}
    return Problem(error.status, error.code or "refused", str(error.body.get("detail", "")), **members)
