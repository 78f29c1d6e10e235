"""Documents that prove who a customer is."""

from typing import Any

from chassis.auth import Caller
from chassis.http import ServiceClient

DOCUMENT_SECONDS = 45.0


class IdentityClient:
    """Identity documents, at accounts: they pass through here, and stay nowhere."""

    def __init__(self, service: ServiceClient) -> None:
        self._service = service

    def state(self, caller: Caller) -> Any:
        return self._service.get("/internal/v1/identity", caller=caller)

    def upload(self, caller: Caller, action: str, content: bytes) -> Any:
        path = "/internal/v1/identity/verifications"
        return self._service.send(path, content, caller=caller, params={"action": action}, timeout=DOCUMENT_SECONDS)

    def set_strictness(self, caller: Caller, body: dict[str, Any]) -> Any:
        return self._service.put("/internal/v1/identity/strictness", caller=caller, json=body)

    def transfer_ownership(self, caller: Caller, body: dict[str, Any]) -> Any:
        return self._service.post("/internal/v1/ownership", caller=caller, json=body)

    def verifications(self, caller: Caller) -> Any:
        return self._service.get("/internal/v1/staff/identity/verifications", caller=caller)

    def document(self, caller: Caller, verification_id: str) -> tuple[bytes, str]:
        path = f"/internal/v1/staff/identity/verifications/{verification_id}/document"
        return self._service.fetch(path, caller=caller, timeout=DOCUMENT_SECONDS)

    def decide(self, caller: Caller, verification_id: str, body: dict[str, Any]) -> Any:
        path = f"/internal/v1/staff/identity/verifications/{verification_id}/decision"
        return self._service.post(path, caller=caller, json=body, timeout=DOCUMENT_SECONDS)
