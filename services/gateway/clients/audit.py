"""The audit, and what was disclosed."""

from typing import Any

from chassis.auth import Caller
from chassis.http import ServiceClient, ServiceUnavailable


class AuditClient:
    """What was done, as accounts keeps it."""

    def __init__(self, service: ServiceClient) -> None:
        self._service = service

    def note(
        self, caller: Caller, *, act_id: str, act: str, subject: dict[str, str], outcome: str | None = None
    ) -> None:
        """Note an act; what is noted already under this id is not noted again. Raises ``ServiceUnavailable``."""
        body = {"act_id": act_id, "act": act, "subject": subject, **({"outcome": outcome} if outcome else {})}
        try:
            self._service.post("/internal/v1/audit/acts", caller=caller, json=body)
        except ServiceUnavailable:
            # Once more, as with a question: under its id it counts once.
            self._service.post("/internal/v1/audit/acts", caller=caller, json=body)

    def entries(self, caller: Caller, params: dict[str, Any]) -> Any:
        return self._service.get("/internal/v1/audit/entries", caller=caller, params=params)

    def head(self, caller: Caller) -> Any:
        return self._service.get("/internal/v1/audit/head", caller=caller)

    def sign_head(self, caller: Caller) -> Any:
        return self._service.post("/internal/v1/audit/heads", caller=caller)


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
