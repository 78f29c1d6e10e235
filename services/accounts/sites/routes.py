"""Sites over HTTP."""

from apiflask import APIBlueprint

from chassis import auth
from chassis.mongo import server_time
from services.accounts.bootstrap import context
from services.accounts.operators.model import ROLES
from services.accounts.sites import actions
from services.accounts.sites.schemas import ChoicesBody, SiteBody, SiteReply, SitesReply

blueprint = APIBlueprint("sites", __name__, url_prefix="/internal/v1/sites")


@blueprint.get("/by-key/<site_key>")
@blueprint.output(SiteReply)
@auth.require_role("public", "visitor", "service", *ROLES)
def site_by_key(site_key: str) -> SiteReply:
    """The site that a page names by its public key."""
    return SiteReply.of(actions.site_by_key(site_key, sites=context().sites))


@blueprint.get("")
@blueprint.output(SitesReply)
@auth.require_role(*ROLES)
def sites() -> SitesReply:
    """The caller's customer's sites."""
    found = actions.sites_of(auth.customer(), sites=context().sites)
    return SitesReply(sites=[SiteReply.of(site) for site in found])


@blueprint.post("")
@blueprint.input(SiteBody)
@blueprint.output(SiteReply, 201)
@auth.require_role("owner", "admin")
def add_site(json_data: SiteBody) -> SiteReply:
    """Add a site; only to an account that is complete."""
    here = context()
    site = actions.add_site(
        auth.customer(),
        json_data.name,
        tuple(dict.fromkeys(json_data.origins)),
        departments=tuple(json_data.departments),
        ip_capture=json_data.ip_capture,
        now=server_time(here.database),
        sites=here.sites,
        details=here.details,
    )
    return SiteReply.of(site)


@blueprint.put("/<site_id>/choices")
@blueprint.input(ChoicesBody, arg_name="body")
@blueprint.output(SiteReply)
@auth.require_role("owner", "admin")
def choose(site_id: str, body: ChoicesBody) -> SiteReply:
    """What is captured of the site's visitors, and what may be done with them."""
    return SiteReply.of(actions.choose(auth.customer(), site_id, body.choices, sites=context().sites))
