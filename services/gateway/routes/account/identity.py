"""Showing who one is, where an action demands it, and handing the ownership of the account on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from apiflask import APIBlueprint
from flask import request
from gevent.lock import BoundedSemaphore

from chassis.problems import Problem
from services.gateway.bootstrap import context
from services.gateway.routes import access
from services.gateway.schemas.account import (
    IdentityOut,
    OwnershipIn,
    StrictnessIn,
    StrictnessOut,
    UploadQuery,
    VerificationOut,
)
from services.gateway.schemas.sessions import OperatorOut

blueprint = APIBlueprint("identity", __name__, url_prefix="/api/v1")

LARGEST = 10 * 1024 * 1024
LONGEST_READ = 4 * LARGEST
_PIECE = 64 * 1024
UPLOADS_AT_ONCE = 8
"""Each is in memory, whole, until accounts has it: it must not touch a disk on the way."""

_slots = BoundedSemaphore(UPLOADS_AT_ONCE)
NEEDED = "An identity document is needed for this (`identity-required`)."
WAITING = "A document for this waits already."


@blueprint.get("/identity")
@blueprint.output(IdentityOut)
@blueprint.doc(security=access.SESSION)
def show_identity() -> Any:
    """How often documents are demanded, and what became of one's own; the documents themselves nobody gets back."""
    return context().identity.state(access.operator(None, *access.ADMINS))


@blueprint.post("/identity/verifications")
@blueprint.input(UploadQuery, location="query")
@blueprint.output(VerificationOut, 201)
@blueprint.doc(
    security=access.SESSION,
    responses={409: WAITING, 413: "Larger than 10 MB.", 415: "Not sent as a file.", 422: "No JPEG, PNG, WebP or PDF."},
)
def upload(query_data: UploadQuery) -> Any:
    """Show a document for an action. The body is the file itself, as `application/octet-stream`, of 10 MB at most."""
    caller = access.operator(None, *access.ADMINS)
    access.limit(context().limits.uploads, caller.customer_id or "", caller.subject or "")
    if request.mimetype != "application/octet-stream":
        raise Problem(415, "unsupported-media-type", "The body must be the file itself, as application/octet-stream.")
    with _slot():
        return context().identity.upload(caller, query_data.action, _file())


def _file() -> bytes:
    """The body, in memory. What is too large is read and thrown away, so that whoever sends it hears why."""
    request.max_content_length = LONGEST_READ
    content = bytearray()
    while piece := request.stream.read(_PIECE):
        if len(content) <= LARGEST:
            content += piece
    if len(content) > LARGEST:
        raise Problem(413, "too-large", "The file is larger than 10 MB.")
    return bytes(content)


@contextmanager
def _slot() -> Iterator[None]:
    if not _slots.acquire(blocking=False):
        raise Problem(503, "unavailable", "Please try again in a moment.", headers={"Retry-After": "5"})
    try:
        yield
    finally:
        _slots.release()


@blueprint.put("/identity/strictness")
@blueprint.input(StrictnessIn)
@blueprint.output(StrictnessOut)
@blueprint.doc(security=access.SESSION, responses={403: NEEDED})
def set_strictness(json_data: StrictnessIn) -> Any:
    """Have documents demanded more often; less often only for who shows one."""
    return context().identity.set_strictness(access.operator(None, "owner"), json_data.model_dump(mode="json"))


@blueprint.post("/ownership")
@blueprint.input(OwnershipIn)
@blueprint.output(OperatorOut, 201)
@blueprint.doc(security=access.SESSION, responses={403: NEEDED, 404: "No colleague has this address."})
def transfer_ownership(json_data: OwnershipIn) -> Any:
    """Make a colleague the owner of the account, and be an admin from then on."""
    return context().identity.transfer_ownership(access.operator(None, "owner"), json_data.model_dump(mode="json"))
