"""Recognising a visitor who comes back: the cookie of a site that wants one, and of a visitor who agreed to it.

Nobody who has a cookie is known by anything else: its secret stands for the visitor's token with chat, and for
nothing here. It counts on the site it was given on, and is taken from our own pages alone.
"""

import re
from typing import Any, Literal

import msgspec
from apiflask import APIBlueprint
from flask import Response, after_this_request, request

from chassis.auth import Caller
from services.gateway import cookies
from services.gateway.bootstrap import Context, context
from services.gateway.clients import NewCookie, Site
from services.gateway.routes import access
from services.gateway.schemas.fields import OPAQUE_SCHEMA
from services.gateway.schemas.widget import InvitedOut, SiteQuery

blueprint = APIBlueprint("remembering", __name__, url_prefix="/api/v1/widget")

Withdrawal = Literal["asked", "privacy-signal", "site"]


def site_named(site_key: str, here: Context) -> Site:
    """The site of this key."""
    site = here.accounts.site(site_key)
    if site is None:
        raise access.not_found()
    return site


def public(site: Site) -> Caller:
    """Whoever it is that asks about a site."""
    return Caller(service="gateway", role="public", customer_id=site.customer_id, site_id=site.site_id)


def may_remember(site: Site) -> bool:
    """Whether a cookie may be asked for and used here: the site wants it, and the browser does not forbid it."""
    return site.choices.has_cookies and not access.wants_privacy()


def presented_secret(site: Site) -> str:
    """What the visitor's cookie of this site holds; whether it counts is another matter."""
    secret = request.cookies.get(cookies.VISITOR.called(context().settings, site.site_key), "")
    return secret if 0 < len(secret) <= 256 and secret.isascii() else ""


def usable_secret(site: Site) -> str:
    """The same, where it may be used."""
    secret = presented_secret(site) if may_remember(site) else ""
    if secret:
        access.refuse_other_origins(is_silence_fine=False)
    return secret


def consent(site: Site, token: str, here: Context) -> NewCookie:
    """The visitor has agreed, under the policy in force; a cookie that they had is replaced by this one."""
    end(site, "asked", here)
    body = {
        "visitor_token": token,
        "policy_version": here.policy.version_in_force(),
        "lasts_days": cookies.VISITOR_LASTS.days,
    }
    return here.chat.give_consent(public(site), body)


def end(site: Site, because: Withdrawal, here: Context) -> None:
    """Have the cookie that came along stand for nobody."""
    if secret := presented_secret(site):
        body = {"secret": secret, "policy_version": here.policy.version_in_force(), "because": because}
        here.chat.withdraw_consent(public(site), body)


def answer(body: dict[str, Any], site: Site, *, cookie: NewCookie | None, is_dead: bool, here: Context) -> Response:
    """The answer to a visit: with a new cookie; or to delete one that came along and is dead, or wanted no more."""
    response = Response(msgspec.json.encode(body), status=201, mimetype="application/json")
    if cookie is not None:
        until = cookie.expires_at
        cookies.VISITOR.set(response, here.settings, cookie.secret, until=until, suffix=site.site_key)
    elif presented_secret(site) and (is_dead or not may_remember(site)):
        if not may_remember(site):
            end(site, "privacy-signal" if access.wants_privacy() else "site", here)
        cookies.VISITOR.delete(response, here.settings, suffix=site.site_key)
    return response


def delete_cookie_of(site_id: str, here: Context) -> None:
    """Have the answer to this request delete the cookie of the site, if there is one: its visitor is erased."""
    prefix = cookies.VISITOR.called(here.settings, "x").removesuffix("x")
    keys = [name.removeprefix(prefix) for name in request.cookies if name.startswith(prefix)]
    sites = (here.accounts.site(key) for key in keys if re.fullmatch(OPAQUE_SCHEMA, key))
    for site in [site for site in sites if site is not None and site.site_id == site_id]:

        @after_this_request
        def delete(response: Response, key: str = site.site_key) -> Response:
            cookies.VISITOR.delete(response, here.settings, suffix=key)
            return response


@blueprint.delete("/cookie")
@blueprint.input(SiteQuery, location="query")
@blueprint.output({}, 204)
@blueprint.doc(responses={403: "Asked from a page that is not ours.", 404: "No such site."})
def withdraw(query_data: SiteQuery) -> Response:
    """Withdraw the consent to this site's cookie: it is deleted, and stands for nobody any more."""
    here = context()
    access.refuse_other_origins(is_silence_fine=False)
    access.limit_address(here.limits.visits)
    site = site_named(query_data.site, here)
    end(site, "asked", here)
    response = Response(status=204)
    cookies.VISITOR.delete(response, here.settings, suffix=site.site_key)
    return response


@blueprint.post("/invitations")
@blueprint.input(SiteQuery, location="query")
@blueprint.output(InvitedOut)
@blueprint.doc(security=access.VISITOR, responses={404: "No such site, or not this visitor's."})
def invite(query_data: SiteQuery) -> dict[str, bool]:
    """Whether the site's invitation may be shown to this visitor now: as often as the site says, and no more."""
    here = context()
    caller, visitor = access.visitor()
    access.limit(here.limits.conversations, visitor.customer_id, visitor.visitor_id)
    site = site_named(query_data.site, here)
    if (site.customer_id, site.site_id) != (visitor.customer_id, visitor.site_id):
        raise access.not_found()
    invitation = site.choices.invitation
    return {"is_due": invitation is not None and here.chat.invite(caller, invitation.every_hours)}
