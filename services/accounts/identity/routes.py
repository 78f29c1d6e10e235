"""Verifications over HTTP: operators bring documents and hear what became of them; only reviewers see them."""

from typing import Any

from apiflask import APIBlueprint
from flask import Response, request

from chassis import auth
from chassis.mongo import server_time
from services.accounts.bootstrap import Context, context
from services.accounts.identity import actions, schemas
from services.accounts.identity.documents import LARGEST
from services.accounts.identity.model import Verification
from services.accounts.operators.routes import acting

blueprint = APIBlueprint("identity", __name__, url_prefix="/internal/v1")

EDITORS: tuple[auth.Role, ...] = ("owner", "admin")
REVIEWER: auth.StaffRole = "staff-reviewer"


@blueprint.get("/identity")
@blueprint.output(schemas.IdentityReply)
@auth.require_role(*EDITORS)
def identity() -> dict[str, Any]:
    """How often documents are demanded, and what became of the caller's own."""
    here = context()
    return {
        "strictness": actions.strictness_of(auth.customer(), verifications=here.verifications),
        "verifications": actions.own(acting(), verifications=here.verifications),
    }


@blueprint.put("/identity/strictness")
@blueprint.input(schemas.StrictnessBody)
@blueprint.output(schemas.StrictnessReply)
@auth.require_role("owner")
def set_strictness(json_data: schemas.StrictnessBody) -> dict[str, Any]:
    """Have documents demanded more often; less often, only for whoever shows one."""
    here = context()
    wanted = actions.set_strictness(
        acting(),
        json_data.strictness,
        now=server_time(here.database),
        verifications=here.verifications,
        operators=here.operators,
        step_up=here.step_up,
    )
    return {"strictness": wanted}


@blueprint.post("/identity/verifications")
@blueprint.input(schemas.UploadQuery, location="query")
@blueprint.output(schemas.VerificationReply, 201)
@auth.require_role(*EDITORS)
def upload(query_data: schemas.UploadQuery) -> Verification:
    """Bring a document: the body is the file and nothing else, so that nothing has a reason to write it to a disk."""
    here = context()
    request.max_content_length = LARGEST
    return actions.upload(
        acting(),
        query_data.action,
        request.get_data(cache=False),
        now=server_time(here.database),
        reader=here.documents,
        master_key=here.master_key,
        verifications=here.verifications,
        operators=here.operators,
    )


@blueprint.get("/staff/identity/verifications")
@blueprint.output(schemas.ReviewsReply)
@auth.require_role(REVIEWER)
def verifications() -> schemas.ReviewsReply:
    """What waits for a decision, and what became of the rest."""
    here = context()
    found = actions.listed(verifications=here.verifications)
    return schemas.ReviewsReply(verifications=[_review(each, here) for each in found])


@blueprint.get("/staff/identity/verifications/<verification_id>/document")
@auth.require_role(REVIEWER)
def document(verification_id: str) -> Response:
    """The document, in clear."""
    here = context()
    found = actions.view(
        verification_id,
        auth.caller().subject or "",
        now=server_time(here.database),
        master_key=here.master_key,
        verifications=here.verifications,
    )
    return Response(found.content, mimetype=found.media_type)


@blueprint.post("/staff/identity/verifications/<verification_id>/decision")
@blueprint.input(schemas.DecisionBody)
@blueprint.output(schemas.ReviewReply, 201)
@auth.require_role(REVIEWER)
def decide(verification_id: str, json_data: schemas.DecisionBody) -> schemas.ReviewReply:
    """Approve or refuse; the document is destroyed."""
    here = context()
    made = actions.decide(
        verification_id,
        json_data.decision,
        reason=json_data.reason,
        decided_by=auth.caller().subject or "",
        now=server_time(here.database),
        verifications=here.verifications,
        letters=here.letters,
        operators=here.operators,
    )
    return _review(made, here)


def _review(verification: Verification, here: Context) -> schemas.ReviewReply:
    customer = here.customers.get(verification.customer_id)
    return schemas.ReviewReply.of(verification, customer.name if customer else "")
