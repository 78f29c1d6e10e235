"""What the edge says about itself: OpenAPI, AsyncAPI, a page that shows both, and the policy."""

import secrets
from typing import Any

import msgspec
from apiflask import APIBlueprint
from flask import Response, current_app, make_response, render_template, request

from chassis.problems import Problem
from services.gateway import asyncapi
from services.gateway.bootstrap import context
from services.gateway.routes.pages import set_policy
from services.gateway.schemas.policy import PolicyOut, PolicyVersionOut, PolicyVersionsOut
from services.gateway.sockets import PATH, REFUSED, VERSION

blueprint = APIBlueprint("documents", __name__, template_folder="../templates")

KEPT = "gateway.docs"
NONCE = "[nonce]"
"""Where the nonce of each answer goes in the page that is kept."""

REFUSALS = {
    400: ("malformed", "This is not a WebSocket handshake."),
    403: ("cross-site", "The page that asks is not one of ours."),
    405: ("method-not-allowed", "A socket is opened with GET."),
    426: ("upgrade-required", "This address is for WebSockets."),
    501: ("not-implemented", "This server has no sockets."),
    505: ("http-version-not-supported", "A socket is opened over HTTP/1.1."),
}


@blueprint.get("/api/v1/policy")
@blueprint.output(PolicyOut)
def policy() -> Any:
    """The privacy policy in force, and the one to come; public."""
    return context().policy.recent()


@blueprint.get("/api/v1/policy/versions")
@blueprint.output(PolicyVersionsOut)
def policy_versions() -> Any:
    """Every version of the privacy policy that was ever posted, the newest first; public."""
    return context().policy.versions()


@blueprint.get("/api/v1/policy/versions/<opaque:version>")
@blueprint.output(PolicyVersionOut)
@blueprint.doc(responses={404: "No such version."})
def policy_version(version: str) -> Any:
    """One version of the privacy policy; public."""
    return context().policy.version(version)


@blueprint.get("/api/v1/asyncapi.json")
@blueprint.doc(hide=True)
def asyncapi_document() -> Response:
    """What is said on the socket."""
    return Response(msgspec.json.encode(asyncapi.document(context().settings.public_url)), mimetype="application/json")


@blueprint.get("/api/docs")
@blueprint.doc(hide=True)
def docs() -> Response:
    """Both documents, for people."""
    nonce = secrets.token_urlsafe(16)
    page = make_response(_docs_page().replace(NONCE, nonce))
    return set_policy(page, "default-src 'none'", f"style-src 'nonce-{nonce}'")


def _docs_page() -> str:
    """The page without its nonce. It is made once: that takes longer than hundreds of other answers."""
    kept = current_app.extensions
    if KEPT not in kept:
        document = asyncapi.document(context().settings.public_url)
        kept[KEPT] = render_template("docs.html", openapi=current_app.spec, asyncapi=document, nonce=NONCE)  # type: ignore[attr-defined]
    return str(kept[KEPT])


@blueprint.get(PATH)
@blueprint.output({}, 101, description="The socket is open; what is said on it is in the AsyncAPI document.")
@blueprint.doc(responses={403: REFUSALS[403][1], 426: REFUSALS[426][1]})
def refuse_socket() -> Any:
    """Open the socket. The credential is a ticket in the first frame."""
    status = request.environ.get(REFUSED, 426)
    code, detail = REFUSALS.get(status, REFUSALS[400])
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": VERSION}
    headers = upgrade if status == 426 else {}
    raise Problem(status, code, detail, headers=headers)
