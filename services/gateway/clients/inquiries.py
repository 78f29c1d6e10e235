"""Questions that people ask us."""

from typing import Any, Literal

import msgspec

from chassis.auth import Caller
from chassis.http import ServiceClient
from services.gateway.clients.asking import GATEWAY, found_or_none


class Confirmation(msgspec.Struct, frozen=True):
    """What a mailed link is for, and what came of it."""

    email: str
    wish: Literal["question", "copy", "erasure"]
    customer_id: str
    site_name: str
    is_done: bool = False
    erasures: list[str] = []


class InquiriesClient:
    """Questions to us."""

    def __init__(self, service: ServiceClient) -> None:
        self._service = service

    def ask(self, body: dict[str, Any]) -> int:
        """Take down what was sent with the form; its number."""
        return int(self._service.post("/internal/v1/inquiries", caller=GATEWAY, json=body)["number"])

    def confirmation(self, token: str) -> Confirmation | None:
        """What the link is for; None if it does not count."""
        asked = {"token": token}
        found = found_or_none(lambda: self._service.post("/internal/v1/confirmations", caller=GATEWAY, json=asked))
        return None if found is None else msgspec.convert(found, Confirmation)

    def set_done(self, token: str, erasures: list[str]) -> Confirmation:
        body = {"token": token, "erasures": erasures}
        done = self._service.post("/internal/v1/confirmations/done", caller=GATEWAY, json=body)
        return msgspec.convert(done, Confirmation)

    def inquiries(self, caller: Caller, params: dict[str, Any]) -> Any:
        return self._service.get("/internal/v1/staff/inquiries", caller=caller, params=params)

    def inquiry(self, caller: Caller, inquiry_id: str) -> Any:
        return self._service.get(f"/internal/v1/staff/inquiries/{inquiry_id}", caller=caller)

    def answer(self, caller: Caller, inquiry_id: str, body: dict[str, Any]) -> Any:
        return self._service.post(f"/internal/v1/staff/inquiries/{inquiry_id}/answers", caller=caller, json=body)

    def close(self, caller: Caller, inquiry_id: str) -> Any:
        return self._service.post(f"/internal/v1/staff/inquiries/{inquiry_id}/close", caller=caller, json={})
