"""Staff and their sessions."""

from datetime import datetime

import msgspec

from chassis.auth import Caller, Role
from chassis.http import ServiceClient
from services.gateway.clients.asking import GATEWAY, PASSWORD_SECONDS, Recent, fingerprint, found_or_none


class StaffCredential(msgspec.Struct, frozen=True):
    """What accounts knows of a session of staff."""

    session_id: str
    staff_id: str
    role: Role
    name: str
    email: str
    expires_at: datetime


class StaffSignIn(StaffCredential, frozen=True, kw_only=True):
    """A new session of staff; ``token`` is its secret."""

    token: str


class StaffClient:
    """Who of us is signed in."""

    def __init__(self, service: ServiceClient, *, introspection_cache: float) -> None:
        self._service = service
        self._credentials: Recent[StaffCredential] = Recent(introspection_cache)

    def sign_in(self, *, email: str, password: str, ip: str, user_agent: str) -> StaffSignIn:
        body = {"email": email, "password": password, "ip": ip, "user_agent": user_agent}
        made = self._service.post("/internal/v1/staff/sessions", caller=GATEWAY, json=body, timeout=PASSWORD_SECONDS)
        return msgspec.convert(made, StaffSignIn)

    def introspect(self, token: str) -> StaffCredential | None:
        """Whose session this is; None if nobody's."""
        key = fingerprint(token)
        if known := self._credentials.get(key):
            return known
        asked = {"token": token}
        found = found_or_none(
            lambda: self._service.post("/internal/v1/staff/introspections", caller=GATEWAY, json=asked)
        )
        if found is None:
            return None
        credential = msgspec.convert(found, StaffCredential)
        self._credentials.put(key, credential)
        return credential

    def sign_out(self, caller: Caller) -> None:
        self._service.delete("/internal/v1/staff/sessions/current", caller=caller)
        self._credentials.drop(lambda credential: credential.session_id == caller.session_id)
