"""What was disclosed."""

from typing import Any

from chassis.auth import Caller
from chassis.http import ServiceClient


class DisclosuresClient:
    """What was disclosed, and how that was decided."""

    def __init__(self, service: ServiceClient) -> None:
        self._service = service

    def request(self, caller: Caller, body: dict[str, Any]) -> Any:
        return self._service.post("/internal/v1/disclosures", caller=caller, json=body)

    def register(self, caller: Caller, params: dict[str, Any]) -> Any:
        return self._service.get("/internal/v1/disclosures", caller=caller, params=params)

    def disclosure(self, caller: Caller, disclosure_id: str) -> Any:
        return self._service.get(f"/internal/v1/disclosures/{disclosure_id}", caller=caller)

    def decide(self, caller: Caller, disclosure_id: str, body: dict[str, Any]) -> Any:
        return self._service.post(f"/internal/v1/disclosures/{disclosure_id}/decision", caller=caller, json=body)

    def review(self, caller: Caller, disclosure_id: str, body: dict[str, Any]) -> Any:
        return self._service.post(f"/internal/v1/disclosures/{disclosure_id}/review", caller=caller, json=body)

    def part(self, caller: Caller, disclosure_id: str, number: int) -> Any:
        path = f"/internal/v1/disclosures/{disclosure_id}/bundle"
        return self._service.get(path, caller=caller, params={"part": number})

    def told(self, caller: Caller, params: dict[str, Any]) -> Any:
        return self._service.get("/internal/v1/told-disclosures", caller=caller, params=params)
