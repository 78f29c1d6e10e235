"""Notices over HTTP, for staff."""

from typing import Any

from apiflask import APIBlueprint

from chassis import auth
from services.accounts.bootstrap import context
from services.accounts.notices import actions, schemas
from services.accounts.policy.model import number_of

blueprint = APIBlueprint("notices", __name__, url_prefix="/internal/v1/policy/versions")


@blueprint.get("/<version>/notices")
@blueprint.output(schemas.NoticesReply)
@auth.require_role(*auth.STAFF)
def notices_of(version: str) -> dict[str, Any]:
    """How far the notices of a version have got."""
    here = context()
    found = here.policies.get(number_of(version))
    return {"version": found.version, "notices": actions.progress(found.number, notices=here.notices)}
