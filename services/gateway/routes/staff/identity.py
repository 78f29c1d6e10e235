"""Identity documents, for reviewers alone: looked at once they wait, gone once they are decided on."""

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from chassis.auth import StaffRole
from services.gateway.bootstrap import context
from services.gateway.routes import access
from services.gateway.schemas.account import DecisionIn, ReviewOut, ReviewsOut

blueprint = APIBlueprint("staff_identity", __name__, url_prefix="/api/v1/staff/identity/verifications")

REVIEWER: StaffRole = "staff-reviewer"
FOREIGN = "No such verification, or its document is gone."
ALONE = "sandbox; default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
SUFFIXES = {"image/jpeg": "jpg", "application/pdf": "pdf"}


@blueprint.get("")
@blueprint.output(ReviewsOut)
@blueprint.doc(security=access.STAFF)
def list_verifications() -> Any:
    """What waits for a decision, and what became of the rest."""
    return context().identity.verifications(access.staff(REVIEWER))


@blueprint.get("/<opaque:verification_id>/document")
@blueprint.output({}, 200, content_type="image/jpeg")
@blueprint.doc(security=access.STAFF, responses={404: FOREIGN})
def show_document(verification_id: str) -> Response:
    """The document, a JPEG or a PDF, as long as it waits."""
    content, media_type = context().identity.document(access.staff(REVIEWER), verification_id)
    response = Response(content, content_type=media_type if media_type in SUFFIXES else "application/octet-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Security-Policy"] = ALONE
    # A picture can only be looked at; what a viewer of PDFs does, we do not know.
    kind = "inline" if media_type == "image/jpeg" else "attachment"
    name = f"document.{SUFFIXES.get(media_type, 'bin')}"
    response.headers["Content-Disposition"] = f'{kind}; filename="{name}"'
    return response


@blueprint.post("/<opaque:verification_id>/decision")
@blueprint.input(DecisionIn)
@blueprint.output(ReviewOut, 201)
@blueprint.doc(security=access.STAFF, responses={404: FOREIGN, 409: "It has been decided otherwise, or too late."})
def decide(verification_id: str, json_data: DecisionIn) -> Any:
    """Approve or refuse, with a reason for the operator. The document and its key are destroyed."""
    caller = access.staff(REVIEWER)
    return context().identity.decide(caller, verification_id, json_data.model_dump(mode="json"))
