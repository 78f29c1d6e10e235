"""The details that a customer keeps with us."""

from typing import Any

from chassis.auth import Caller
from chassis.http import ServiceClient


class AccountClient:
    """Contact and billing details of a customer, at accounts."""

    def __init__(self, service: ServiceClient) -> None:
        self._service = service

    def state(self, caller: Caller) -> Any:
        return self._service.get("/internal/v1/account", caller=caller)

    def part(self, caller: Caller, part: str) -> Any:
        return self._service.get(f"/internal/v1/account/{part}", caller=caller)

    def change(self, caller: Caller, part: str, body: dict[str, Any]) -> Any:
        return self._service.put(f"/internal/v1/account/{part}", caller=caller, json=body)

    def confirm(self, caller: Caller, body: dict[str, Any]) -> Any:
        return self._service.post("/internal/v1/account/confirmations", caller=caller, json=body)

    def history(self, caller: Caller, params: dict[str, Any]) -> Any:
        return self._service.get("/internal/v1/account/history", caller=caller, params=params)
