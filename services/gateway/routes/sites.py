"""Sites, for operators."""

from typing import Any

from apiflask import APIBlueprint

from services.gateway.bootstrap import context
from services.gateway.routes import access
from services.gateway.schemas.account import SiteIn
from services.gateway.schemas.sites import ChoicesIn, SiteOut, SitesOut

blueprint = APIBlueprint("sites", __name__, url_prefix="/api/v1/sites")


@blueprint.get("")
@blueprint.output(SitesOut)
@blueprint.doc(security=access.OPERATOR)
def list_sites() -> Any:
    """The customer's sites."""
    return context().accounts.sites(access.operator("surveys"))


@blueprint.post("")
@blueprint.input(SiteIn)
@blueprint.output(SiteOut, 201)
@blueprint.doc(security=access.SESSION, responses={409: "The account is incomplete, or there is such a site."})
def add_site(json_data: SiteIn) -> Any:
    """Add a site. The account has to be complete."""
    return context().accounts.add_site(access.operator(None, *access.ADMINS), json_data.model_dump(mode="json"))


@blueprint.put("/<opaque:site_id>/choices")
@blueprint.input(ChoicesIn)
@blueprint.output(SiteOut)
@blueprint.doc(security=access.OPERATOR, responses={404: "No such site, or not one of yours."})
def choose(site_id: str, json_data: ChoicesIn) -> Any:
    """What is captured of the site's visitors, whether they may be asked for a cookie, and how they are invited."""
    caller = access.operator("surveys", *access.ADMINS)
    return context().accounts.choose(caller, site_id, json_data.model_dump(mode="json"))
