"""What was disclosed of a customer's conversations, for its owners and admins."""

from typing import Any

from apiflask import APIBlueprint

from services.gateway.bootstrap import context
from services.gateway.routes import access
from services.gateway.schemas.disclosures import DisclosuresQuery, ToldDisclosuresOut

blueprint = APIBlueprint("disclosures", __name__, url_prefix="/api/v1/disclosures")


@blueprint.get("")
@blueprint.input(DisclosuresQuery, location="query")
@blueprint.output(ToldDisclosuresOut)
@blueprint.doc(security=access.SESSION)
def list_disclosures(query_data: DisclosuresQuery) -> Any:
    """What we disclosed, to whom and why, the newest first; not yet, what a court forbids us to tell."""
    caller = access.operator(None, *access.ADMINS)
    return context().disclosures.told(caller, query_data.model_dump(mode="json"))
