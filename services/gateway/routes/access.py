"""Who is asking: visitors by their token, operators by session cookie or API token; and how often they may."""

import unicodedata
from typing import Any, Literal

import msgspec
from flask import request

from chassis.auth import STAFF as STAFF_ROLES
from chassis.auth import Caller, Role, StaffRole
from chassis.problems import Problem
from services.gateway.addresses import client_address, limit_key
from services.gateway.bootstrap import context
from services.gateway.clients import Credential, StaffCredential, Visitor
from services.gateway.rates import Limit
from services.gateway.routes import acts

Scope = Literal["conversations", "transcripts", "surveys"]

OPERATORS: tuple[Role, ...] = ("owner", "admin", "operator", "analyst")
SPEAKERS: tuple[Role, ...] = ("owner", "admin", "operator")
ADMINS: tuple[Role, ...] = ("owner", "admin")

SECURITY_SCHEMES: dict[str, Any] = {
    "visitor": {"type": "http", "scheme": "bearer", "description": "The token that a visit began with."},
    "session": {"type": "apiKey", "in": "cookie", "name": "__Host-session", "description": "An operator's session."},
    "staff": {"type": "apiKey", "in": "cookie", "name": "__Host-staff", "description": "A session of our staff."},
    "api_token": {"type": "http", "scheme": "bearer", "description": "An operator's API token."},
}
VISITOR: list[Any] = ["visitor"]
OPERATOR: list[Any] = ["session", "api_token"]
SESSION: list[Any] = ["session"]
STAFF: list[Any] = ["staff"]

FILES = frozenset({"identity.upload"})
"""Calls whose body is a file: ``application/octet-stream``, and never a form, parts of which would go to a disk."""

FORMS = frozenset({"questions.ask", "questions.confirm"})
"""The pages that work without a script: what they post is a form, and is refused from other origins by themselves."""

SAFE_METHODS = acts.SAFE_METHODS


class Asking(msgspec.Struct, frozen=True):
    """An operator, and the credential they showed."""

    caller: Caller
    credential: Credential


def operator(scope: Scope | None, *roles: Role) -> Caller:
    """The operator who asks; their role must be among ``roles``, and an API token must have the scope."""
    return asking(scope, *roles).caller


def asking(scope: Scope | None, *roles: Role) -> Asking:
    """As ``operator``, with the credential."""
    credential = _credential()
    if credential.kind == "token" and (scope is None or not credential.reaches(scope)):
        raise Problem(403, "forbidden", "This API token does not reach that far.")
    if credential.role not in (roles or OPERATORS):
        raise Problem(403, "forbidden", "Your role does not allow this.")
    caller = Caller(
        service="gateway",
        role=credential.role,
        customer_id=credential.customer_id,
        subject=credential.operator_id,
        name=credential.name,
        session_id=credential.session_id,
    )
    acts.begin(caller)
    return Asking(caller=caller, credential=credential)


def staff(*roles: StaffRole) -> Caller:
    """The member of staff who asks; their role must be among ``roles``, if any are named. They have no customer."""
    credential = staff_credential()
    if credential.role not in (roles or STAFF_ROLES):
        raise Problem(403, "forbidden", "Your role does not allow this.")
    caller = Caller(
        service="gateway",
        role=credential.role,
        subject=credential.staff_id,
        name=credential.name,
        session_id=credential.session_id,
    )
    acts.begin(caller)
    return caller


def staff_credential() -> StaffCredential:
    """The session of staff that the request comes with."""
    cookie = request.cookies.get(context().settings.staff_cookie, "")
    if cookie and request.method not in SAFE_METHODS:
        refuse_other_origins(is_silence_fine=False)
    credential = context().staff.introspect(cookie) if 0 < len(cookie) <= 256 else None
    if credential is None:
        raise _not_authenticated()
    return credential


def visitor() -> tuple[Caller, Visitor]:
    """The visitor who asks."""
    token = _bearer()
    found = context().chat.introspect(token) if token else None
    if found is None:
        raise _not_authenticated()
    caller = Caller(
        service="gateway",
        role="visitor",
        customer_id=found.customer_id,
        subject=found.visitor_id,
        name=found.name,
        site_id=found.site_id,
    )
    return caller, found


def wants_privacy() -> bool:
    """Whether the browser sends Global Privacy Control: then nobody is asked for a cookie, and none is used."""
    return request.headers.get("Sec-GPC") == "1"


def presented_token() -> str:
    """The bearer token that came along, whoever's it is."""
    return _bearer()


def refuse_other_origins(*, is_silence_fine: bool) -> None:
    """A page of another origin may not use the browser of somebody who is signed in here.

    All current browsers say where a request comes from. ``is_silence_fine``: a program, which says
    nothing and carries no cookie, may go on.
    """
    fetch_site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if fetch_site is None and origin is None:
        is_fine = is_silence_fine
    elif fetch_site is not None:
        is_fine = fetch_site == "same-origin"
    else:
        is_fine = origin == context().settings.public_url
    if not is_fine:
        raise Problem(403, "cross-site", "This can only be asked from our own pages.")


def refuse_other_bodies() -> None:
    """Whatever has a body has JSON: no form of another site can send that without asking first.

    Nor can it send what the calls in ``FILES`` take; those look for themselves.
    """
    if request.endpoint in FORMS:
        return
    has_body = bool(request.content_length) or "Transfer-Encoding" in request.headers
    if has_body and request.method not in SAFE_METHODS and not request.is_json and request.endpoint not in FILES:
        raise Problem(415, "unsupported-media-type", "The body must be application/json.")


def address() -> str:
    """Where the request comes from, in full: for limits, and for what is reduced before it goes on."""
    return client_address(request.environ, context().settings.trusted_proxies)


def user_agent() -> str:
    """What the browser says it is, as far as anybody should believe it to go on."""
    return request.headers.get("User-Agent", "")[:512]


def limit(limits: Limit, *key: str) -> None:
    """Count this request; refuse it when there were too many of its kind."""
    wait = limits.seconds_to_wait("/".join(key))
    if wait > 0:
        headers = {"Retry-After": str(int(wait) + 1)}
        raise Problem(429, "too-fast", "Too many requests; wait a moment.", headers=headers)


def limit_address(limits: Limit) -> None:
    """As ``limit``, by where the request comes from."""
    limit(limits, limit_key(address()))


def limit_account(limits: Limit, kind: str, email: str) -> None:
    """As ``limit``, by whose account it is: accounts knows an address under one spelling, so here it counts as one."""
    limit(limits, kind, unicodedata.normalize("NFKC", email).strip().casefold())


def not_found() -> Problem:
    """The one answer for what is not there and for what is somebody else's."""
    return Problem(404, "not-found", "No such thing, or not one of yours.")


def _credential() -> Credential:
    token = _bearer()
    cookie = "" if token else request.cookies.get(context().settings.session_cookie, "")
    if cookie and request.method not in SAFE_METHODS:
        refuse_other_origins(is_silence_fine=False)
    credential = context().accounts.introspect(token or cookie) if 0 < len(token or cookie) <= 256 else None
    if credential is None or credential.kind != ("token" if token else "session"):
        raise _not_authenticated()
    return credential


def _bearer() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and len(token) <= 256 and token.isascii() else ""


def _not_authenticated() -> Problem:
    headers = {"WWW-Authenticate": "Bearer"}
    return Problem(401, "not-authenticated", "A valid session or token is needed.", headers=headers)
