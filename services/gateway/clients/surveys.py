"""Surveys and answers."""

from typing import Any

from chassis.auth import Caller
from chassis.http import ServiceClient
from services.gateway.clients.asking import Recent, found_or_none

REPORT_SECONDS = 25.0


class SurveysClient:
    """What sites ask, and the answers."""

    def __init__(self, service: ServiceClient, *, site_cache: float) -> None:
        self._service = service
        self._surveys: Recent[dict[str, Any]] = Recent(site_cache)

    def survey(self, caller: Caller, site_id: str, placement: str) -> Any:
        """What the site asks there now; None if it never asked anything."""
        return found_or_none(lambda: self._service.get(_survey_path(site_id, placement), caller=caller))

    def recent_survey(self, caller: Caller, site_id: str, placement: str) -> Any:
        """What the site asked there a moment ago; None if it had nothing to ask."""
        key = f"{caller.customer_id}/{site_id}/{placement}"
        known = self._surveys.get(key)
        if known is None:
            known = {"survey": self.survey(caller, site_id, placement)}
            self._surveys.put(key, known)
        survey = known["survey"]
        return survey if survey and survey["questions"] else None

    def publish(self, caller: Caller, site_id: str, placement: str, questions: list[dict[str, Any]]) -> Any:
        survey = self._service.put(_survey_path(site_id, placement), caller=caller, json={"questions": questions})
        self._surveys.put(f"{caller.customer_id}/{site_id}/{placement}", {"survey": survey})
        return survey

    def versions(self, caller: Caller, site_id: str, placement: str, params: dict[str, Any]) -> Any:
        return self._service.get(f"{_survey_path(site_id, placement)}/versions", caller=caller, params=params)

    def version(self, caller: Caller, site_id: str, placement: str, number: int) -> Any:
        return self._service.get(f"{_survey_path(site_id, placement)}/versions/{number}", caller=caller)

    def draft(self, caller: Caller, site_id: str, placement: str) -> Any:
        return self._service.get(f"{_survey_path(site_id, placement)}/draft", caller=caller)

    def save_draft(self, caller: Caller, site_id: str, placement: str, questions: list[dict[str, Any]]) -> Any:
        path = f"{_survey_path(site_id, placement)}/draft"
        return self._service.put(path, caller=caller, json={"questions": questions})

    def drop_draft(self, caller: Caller, site_id: str, placement: str) -> None:
        self._service.delete(f"{_survey_path(site_id, placement)}/draft", caller=caller)

    def responses(self, caller: Caller, site_id: str, placement: str, params: dict[str, Any]) -> Any:
        return self._service.get(f"{_survey_path(site_id, placement)}/responses", caller=caller, params=params)

    def report(self, caller: Caller, site_id: str, placement: str, params: dict[str, Any]) -> Any:
        path = f"{_survey_path(site_id, placement)}/report"
        return self._service.get(path, caller=caller, params=params, timeout=REPORT_SECONDS)

    def service_report(self, caller: Caller) -> Any:
        """What is said about our own service, for staff."""
        return self._service.get("/internal/v1/staff/survey-report", caller=caller)

    def answers(self, customer_id: str, conversation_id: str) -> Any:
        """What was answered for a conversation."""
        caller = Caller(service="gateway", role="service", customer_id=customer_id)
        params = {"conversation_id": conversation_id}
        return self._service.get("/internal/v1/responses", caller=caller, params=params)["responses"]

    def own_responses(self, caller: Caller, *, after: str | None, limit: int) -> Any:
        """All that the visitor who asks has answered, with a conversation and without."""
        params = {"after": after, "limit": limit}
        return self._service.get("/internal/v1/own-responses", caller=caller, params=params)

    def visitors_of_address(self, customer_id: str, email: str) -> list[str]:
        """The visitors who have given this address, which has been confirmed."""
        caller = Caller(service="gateway", role="service", customer_id=customer_id)
        found = self._service.post("/internal/v1/visitors-of-address", caller=caller, json={"email": email})
        return list(found["visitor_ids"])

    def record(self, caller: Caller, body: dict[str, Any]) -> Any:
        """Keep answers; None if nothing was answered."""
        return self._service.post("/internal/v1/responses", caller=caller, json=body)


def _survey_path(site_id: str, placement: str) -> str:
    return f"/internal/v1/surveys/{site_id}/{placement}"
