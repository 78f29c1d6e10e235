"""The policy over HTTP: public to read, for staff to draft and post."""

from typing import Any

from apiflask import APIBlueprint

from chassis import auth
from chassis.clock import now
from services.accounts.bootstrap import context
from services.accounts.operators.model import ROLES
from services.accounts.policy import actions, schemas
from services.accounts.policy.model import Draft, Policy, PolicyVersion, number_of

blueprint = APIBlueprint("policy", __name__, url_prefix="/internal/v1/policy")

EVERYBODY: tuple[auth.Role, ...] = ("public", "visitor", "service", *ROLES, *auth.STAFF)
EDITORS: tuple[auth.StaffRole, ...] = ("staff-legal", "staff-admin")


@blueprint.get("")
@blueprint.output(schemas.PolicyReply)
@auth.require_role(*EVERYBODY)
def policy() -> Policy:
    """The version in force and the one to come; everybody may read them."""
    return actions.policy(policies=context().policies)


@blueprint.get("/versions")
@blueprint.output(schemas.VersionsReply)
@auth.require_role(*EVERYBODY)
def versions() -> schemas.VersionsReply:
    """Every version that was ever posted, the newest first."""
    found = actions.versions(policies=context().policies)
    return schemas.VersionsReply(versions=[schemas.StandingReply.of(*each) for each in found])


@blueprint.get("/versions/<version>")
@blueprint.output(schemas.OneVersionReply)
@auth.require_role(*EVERYBODY)
def version(version: str) -> dict[str, Any]:
    """One version with its text."""
    found, state = actions.version(number_of(version), policies=context().policies)
    return {**schemas.StandingReply.of(found, state).model_dump(), "text": found.text}


@blueprint.post("/versions")
@blueprint.input(schemas.Post)
@blueprint.output(schemas.VersionReply, 201)
@auth.require_role(*EDITORS)
def post(json_data: schemas.Post) -> PolicyVersion:
    """Post the draft as the next version."""
    return actions.post(
        json_data.draft_id,
        json_data.revision,
        effective_at=json_data.effective_at,
        posted_by=auth.caller().subject or "",
        policies=context().policies,
    )


@blueprint.get("/draft")
@blueprint.output(schemas.DraftReply)
@auth.require_role(*EDITORS)
def draft() -> Draft:
    """The draft of the next version."""
    return actions.draft(policies=context().policies)


@blueprint.put("/draft")
@blueprint.input(schemas.SaveDraft)
@blueprint.output(schemas.DraftReply)
@auth.require_role(*EDITORS)
def save_draft(json_data: schemas.SaveDraft) -> Draft:
    """Save the draft of the next version."""
    return actions.save_draft(
        json_data.draft_id,
        json_data.revision or 0,
        summary=json_data.summary,
        text=json_data.text,
        saved_by=auth.caller().subject or "",
        now=now(),
        policies=context().policies,
    )


@blueprint.delete("/draft")
@blueprint.input(schemas.WhichDraft, location="query")
@blueprint.output({}, 204)
@auth.require_role(*EDITORS)
def drop_draft(query_data: schemas.WhichDraft) -> str:
    """Forget the draft, if it is still the one that was looked at."""
    actions.drop_draft(query_data.draft_id, query_data.revision, policies=context().policies)
    return ""
