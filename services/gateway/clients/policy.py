"""The privacy policy."""

from typing import Any

import msgspec

from chassis.auth import Caller
from chassis.http import ServiceClient
from services.gateway.clients.asking import GATEWAY


class PolicyVersion(msgspec.Struct, frozen=True):
    """One version of the privacy policy."""

    version: str
    effective_at: str
    posted_at: str | None = None
    summary: str = ""
    text: str = ""


class Policy(msgspec.Struct, frozen=True):
    """The policy in force, and the one that will be."""

    in_force: PolicyVersion
    upcoming: PolicyVersion | None = None


class PolicyClient:
    """The privacy policy. Which version is in force is asked at intervals, and never on the way of a message."""

    def __init__(self, service: ServiceClient) -> None:
        self._service = service
        self._known: Policy | None = None

    def refresh(self) -> Policy:
        """The policy as it is now; what it is now is what is known from here on."""
        self._known = msgspec.convert(self._service.get("/internal/v1/policy", caller=GATEWAY), Policy)
        return self._known

    def recent(self) -> Policy:
        """The policy as it was when last asked."""
        return self._known or self.refresh()

    def version_in_force(self) -> str:
        """The version that visitors must have acknowledged."""
        return self.recent().in_force.version

    def versions(self) -> Any:
        return self._service.get("/internal/v1/policy/versions", caller=GATEWAY)

    def version(self, version: str) -> Any:
        return self._service.get(f"/internal/v1/policy/versions/{version}", caller=GATEWAY)

    def draft(self, caller: Caller) -> Any:
        return self._service.get("/internal/v1/policy/draft", caller=caller)

    def save_draft(self, caller: Caller, body: dict[str, Any]) -> Any:
        return self._service.put("/internal/v1/policy/draft", caller=caller, json=body)

    def drop_draft(self, caller: Caller, params: dict[str, Any]) -> None:
        self._service.delete("/internal/v1/policy/draft", caller=caller, params=params)

    def post(self, caller: Caller, body: dict[str, Any]) -> Any:
        return self._service.post("/internal/v1/policy/versions", caller=caller, json=body)

    def notices(self, caller: Caller, version: str) -> Any:
        return self._service.get(f"/internal/v1/policy/versions/{version}/notices", caller=caller)
