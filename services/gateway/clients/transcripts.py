"""Closed conversations."""

from typing import Any

import msgspec

from chassis.auth import Caller
from chassis.http import ServiceClient
from services.gateway.clients.messages import History


class TranscriptsClient:
    """The record of closed conversations."""

    def __init__(self, service: ServiceClient) -> None:
        self._service = service

    def transcripts(self, caller: Caller, params: dict[str, Any]) -> Any:
        return self._service.get("/internal/v1/transcripts", caller=caller, params=params)

    def transcript(self, caller: Caller, transcript_id: str) -> Any:
        return self._service.get(f"/internal/v1/transcripts/{transcript_id}", caller=caller)

    def messages(self, caller: Caller, transcript_id: str, *, after: int, limit: int) -> History:
        path = f"/internal/v1/transcripts/{transcript_id}/messages"
        return msgspec.convert(self._service.get(path, caller=caller, params={"after": after, "limit": limit}), History)
