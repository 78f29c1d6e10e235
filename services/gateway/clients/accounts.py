"""Operators, their sessions and tokens, and sites."""

from datetime import datetime
from typing import Any, Literal

import msgspec

from chassis.auth import Caller, Role
from chassis.http import ServiceClient
from services.gateway.captures import Choices
from services.gateway.clients.asking import GATEWAY, PASSWORD_SECONDS, Recent, fingerprint, found_or_none

LONGEST_TOKEN = 256


class Credential(msgspec.Struct, frozen=True):
    """What accounts knows of a session or an API token."""

    kind: Literal["session", "token"]
    session_id: str
    operator_id: str
    customer_id: str
    role: Role
    name: str = ""
    scopes: list[str] | None = None
    expires_at: datetime | None = None

    def reaches(self, scope: str) -> bool:
        """Whether it is good for ``scope``: a session is for all, an API token for those it was made for."""
        return self.kind == "session" or scope in (self.scopes or ())


class Operator(msgspec.Struct, frozen=True):
    """Somebody who works for a customer."""

    operator_id: str
    customer_id: str
    name: str
    email: str
    role: Role


class SignIn(msgspec.Struct, frozen=True):
    """A new session; ``token`` is its secret."""

    token: str
    session_id: str
    expires_at: datetime
    operator: Operator


class Site(msgspec.Struct, frozen=True):
    """One website of a customer, and what its owner chose."""

    site_id: str
    customer_id: str
    site_key: str
    name: str = ""
    origins: list[str] = []
    departments: list[Any] = []
    texts: dict[str, Any] = {}
    theme: dict[str, Any] = {}
    choices: Choices = Choices()


class AccountsClient:
    """Operators, sites and sessions."""

    def __init__(self, service: ServiceClient, *, introspection_cache: float, site_cache: float) -> None:
        self._service = service
        self._credentials: Recent[Credential] = Recent(introspection_cache)
        self._sites: Recent[Site] = Recent(site_cache)

    def sign_in(
        self, *, email: str, password: str, ip: str, user_agent: str, remembered_days: int | None = None
    ) -> SignIn:
        body: dict[str, Any] = {"email": email, "password": password, "ip": ip, "user_agent": user_agent}
        if remembered_days is not None:
            body["remembered_days"] = remembered_days
        made = self._service.post("/internal/v1/sessions", caller=GATEWAY, json=body, timeout=PASSWORD_SECONDS)
        return msgspec.convert(made, SignIn)

    def introspect(self, token: str) -> Credential | None:
        """Whose session or API token this is; None if nobody's."""
        key = fingerprint(token)
        if known := self._credentials.get(key):
            return known
        asked = {"token": token}
        found = found_or_none(lambda: self._service.post("/internal/v1/introspections", caller=GATEWAY, json=asked))
        if found is None:
            return None
        credential = msgspec.convert(found, Credential)
        self._credentials.put(key, credential)
        return credential

    def forget_session(self, session_id: str) -> None:
        """The session or token ended: ask again the next time."""
        self._credentials.drop(lambda credential: credential.session_id == session_id)

    def sign_out(self, caller: Caller) -> None:
        self._service.delete("/internal/v1/sessions/current", caller=caller)
        self.forget_session(caller.session_id or "")

    def current(self, caller: Caller) -> Credential | None:
        """What the caller's session or token is good for now; None if it is over."""
        found = found_or_none(lambda: self._service.get("/internal/v1/sessions/current", caller=caller))
        return None if found is None else msgspec.convert(found, Credential)

    def operator(self, caller: Caller) -> Any:
        return self._service.get("/internal/v1/operators/me", caller=caller)

    def create_token(self, caller: Caller, body: dict[str, Any]) -> Any:
        return self._service.post("/internal/v1/tokens", caller=caller, json=body)

    def tokens(self, caller: Caller) -> Any:
        return self._service.get("/internal/v1/tokens", caller=caller)

    def revoke_token(self, caller: Caller, token_id: str) -> None:
        self._service.delete(f"/internal/v1/tokens/{token_id}", caller=caller)
        self.forget_session(token_id)

    def site(self, site_key: str) -> Site | None:
        if known := self._sites.get(site_key):
            return known
        found = found_or_none(lambda: self._service.get(f"/internal/v1/sites/by-key/{site_key}", caller=GATEWAY))
        if found is None:
            return None
        site = msgspec.convert(found, Site)
        self._sites.put(site_key, site)
        return site

    def sites(self, caller: Caller) -> Any:
        return self._service.get("/internal/v1/sites", caller=caller)

    def add_site(self, caller: Caller, body: dict[str, Any]) -> Any:
        return self._service.post("/internal/v1/sites", caller=caller, json=body)

    def choose(self, caller: Caller, site_id: str, body: dict[str, Any]) -> Any:
        """What is captured of a site's visitors, and done with them; other processes know when they ask again."""
        site = self._service.put(f"/internal/v1/sites/{site_id}/choices", caller=caller, json=body)
        self._sites.drop(lambda known: known.site_id == site_id)
        return site
