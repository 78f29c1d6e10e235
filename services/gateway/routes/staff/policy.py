"""Drafting and posting the privacy policy, and how far its notices have got."""

from typing import Any

from apiflask import APIBlueprint

from chassis.auth import StaffRole
from services.gateway.bootstrap import context
from services.gateway.routes import access
from services.gateway.schemas.policy import (
    NoticesOut,
    PolicyDraftIn,
    PolicyDraftOut,
    PolicyDraftQuery,
    PolicyPostIn,
    PolicyVersionOut,
)

blueprint = APIBlueprint("staff_policy", __name__, url_prefix="/api/v1/staff/policy")

EDITORS: tuple[StaffRole, ...] = ("staff-legal", "staff-admin")
CHANGED = "Somebody else has changed the draft meanwhile."


@blueprint.get("/draft")
@blueprint.output(PolicyDraftOut)
@blueprint.doc(security=access.STAFF, responses={404: "There is no draft."})
def show_draft() -> Any:
    """The draft of the next version."""
    return context().policy.draft(access.staff(*EDITORS))


@blueprint.put("/draft")
@blueprint.input(PolicyDraftIn)
@blueprint.output(PolicyDraftOut)
@blueprint.doc(security=access.STAFF, responses={409: CHANGED})
def save_draft(json_data: PolicyDraftIn) -> Any:
    """Save the draft of the next version; ``revision`` is the one that was looked at."""
    return context().policy.save_draft(access.staff(*EDITORS), json_data.model_dump(mode="json", exclude_none=True))


@blueprint.delete("/draft")
@blueprint.input(PolicyDraftQuery, location="query")
@blueprint.output({}, 204)
@blueprint.doc(security=access.STAFF, responses={409: CHANGED})
def drop_draft(query_data: PolicyDraftQuery) -> Any:
    """Forget the draft."""
    context().policy.drop_draft(access.staff(*EDITORS), query_data.model_dump(mode="json"))
    return ""


@blueprint.post("/versions")
@blueprint.input(PolicyPostIn)
@blueprint.output(PolicyVersionOut, 201)
@blueprint.doc(security=access.STAFF, responses={409: CHANGED, 422: "It would take effect earlier than in 15 days."})
def post_version(json_data: PolicyPostIn) -> Any:
    """Post the draft as the next version; without ``effective_at`` it takes effect in 15 days."""
    return context().policy.post(access.staff(*EDITORS), json_data.model_dump(mode="json", exclude_none=True))


@blueprint.get("/versions/<opaque:version>/notices")
@blueprint.output(NoticesOut)
@blueprint.doc(security=access.STAFF, responses={404: "No such version."})
def show_notices(version: str) -> Any:
    """How many customers have been told of a version, and which could not be."""
    return context().policy.notices(access.staff(), version)
