"""What was done in the name of a customer, for its owners and admins."""

from typing import Any

from apiflask import APIBlueprint

from services.gateway.bootstrap import context
from services.gateway.routes import access
from services.gateway.schemas.audit import AuditHeadOut, AuditOut, AuditQuery

blueprint = APIBlueprint("audit", __name__, url_prefix="/api/v1/audit")


@blueprint.get("")
@blueprint.input(AuditQuery, location="query")
@blueprint.output(AuditOut)
@blueprint.doc(security=access.SESSION)
def list_entries(query_data: AuditQuery) -> Any:
    """What operators did, and what was disclosed, the newest first; each entry holds the hash of the one before it."""
    caller = access.operator(None, *access.ADMINS)
    return context().audit.entries(caller, query_data.model_dump(mode="json"))


@blueprint.get("/head")
@blueprint.output(AuditHeadOut)
@blueprint.doc(security=access.SESSION)
def show_head() -> Any:
    """Number and hash of the last entry, as they were when they were last signed; null before the first time."""
    return context().audit.head(access.operator(None, *access.ADMINS))


@blueprint.post("/heads")
@blueprint.output(AuditHeadOut, 201)
@blueprint.doc(security=access.SESSION)
def sign_head() -> Any:
    """Sign number and hash of the last entry. Whoever keeps this can have shown that nothing before it was changed."""
    return context().audit.sign_head(access.operator(None, *access.ADMINS))
