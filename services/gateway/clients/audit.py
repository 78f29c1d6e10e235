"""The audit."""

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
