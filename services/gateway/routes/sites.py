"""Sites, for operators."""

from typing import Any

from apiflask import APIBlueprint

from services.gateway import schemas
from services.gateway.bootstrap import context
from services.gateway.routes import access

blueprint = APIBlueprint("sites", __name__, url_prefix="/api/v1/sites")


@blueprint.get("")
@blueprint.output(schemas.SitesOut)
@blueprint.doc(security=access.OPERATOR)
def list_sites() -> Any:
    """The customer's sites."""
    return context().accounts.sites(access.operator("surveys"))
