"""Visitors and live conversations."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec

from chassis.auth import Caller
from chassis.http import RemoteProblem, ServiceClient
from chassis.problems import Unavailable
from contracts.chat import ErasureReason
from services.gateway import frames
from services.gateway.clients.accounts import LONGEST_TOKEN
from services.gateway.clients.asking import GATEWAY, Recent, fingerprint, found_or_none
from services.gateway.clients.messages import History, Status
from services.gateway.openings import Openings
from services.gateway.together import Together

CONVERSATIONS_PAGE = 200
MOST_AT_ONCE = 40
"""How many of the longest tickets and tokens fit into one question; chat would take more of them."""


class NotKnownYet(Unavailable):
    """Chat does not know the conversation, which may be about to open."""


class Visitor(msgspec.Struct, frozen=True):
    """What chat knows of a visitor's token."""

    visitor_id: str
    visit_id: str
    customer_id: str
    site_id: str
    name: str = ""


class Visit(msgspec.Struct, frozen=True):
    """A visit that was begun; the token is there for who did not bring it: a new visitor, or one with a cookie."""

    visitor_id: str
    visit_id: str
    visitor_token: str | None = None
    page_count: int = 1
    is_known: bool = False


class NewCookie(msgspec.Struct, frozen=True):
    """The secret of a visitor's cookie, and until when it is good."""

    secret: str
    expires_at: datetime


class Admission(msgspec.Struct, frozen=True):
    """Somebody whom a ticket admits."""

    standings: list[frames.Standing]


class ConversationState(msgspec.Struct, frozen=True):
    """What the sockets need of chat's answer about a conversation."""

    conversation_id: str
    status: Status
    last_seq: int = 0
    operator: frames.Person | None = None
    position: int | None = None
    is_sealed: bool = False
    visitor_id: str = ""
    visitor_name: str = ""
    site_id: str = ""


class ChatClient:
    """Visits and live conversations."""

    def __init__(self, service: ServiceClient, *, introspection_cache: float, openings: Openings) -> None:
        self._service = service
        self._openings = openings
        self._introspections = Together(self._introspect, most=MOST_AT_ONCE)
        self._admissions = Together(self._admit, most=MOST_AT_ONCE)
        self._visitors: Recent[Visitor] = Recent(introspection_cache)
        self._presence: Recent[dict[str, bool]] = Recent(introspection_cache)

    def is_online(self, caller: Caller) -> bool:
        """Whether somebody was there a moment ago to answer the customer's visitors."""
        key = caller.customer_id or ""
        known = self._presence.get(key)
        if known is None:
            known = self._service.get("/internal/v1/presence", caller=caller)
            self._presence.put(key, known)
        return known["is_online"]

    def leave(self, caller: Caller) -> None:
        """The caller's session is not there for visitors any more."""
        self._service.delete("/internal/v1/presence", caller=caller)

    def begin_visit(self, caller: Caller, body: dict[str, Any]) -> Visit:
        return msgspec.convert(self._service.post("/internal/v1/visits", caller=caller, json=body), Visit)

    def give_consent(self, caller: Caller, body: dict[str, Any]) -> NewCookie:
        """A new cookie for the visitor whose token is in the body."""
        return msgspec.convert(self._service.post("/internal/v1/cookie-consents", caller=caller, json=body), NewCookie)

    def withdraw_consent(self, caller: Caller, body: dict[str, Any]) -> None:
        self._service.post("/internal/v1/cookie-withdrawals", caller=caller, json=body)

    def invite(self, caller: Caller, every_hours: int) -> bool:
        """Whether the visitor may be invited now; if so, they count as invited."""
        asked = {"every_hours": every_hours}
        return bool(self._service.post("/internal/v1/invitations", caller=caller, json=asked)["is_due"])

    def visit(self, caller: Caller, conversation_id: str) -> Any:
        """What is known of the visitor of a conversation that is not sealed."""
        return self._service.get(f"/internal/v1/conversations/{conversation_id}/visit", caller=caller)

    def introspect(self, token: str) -> Visitor | None:
        """Whose visitor token this is; None if nobody's."""
        key = fingerprint(token)
        if known := self._visitors.get(key):
            return known
        found = self._introspections(token) if len(token) <= LONGEST_TOKEN else None
        if found is not None:
            self._visitors.put(key, found)
        return found

    def _introspect(self, tokens: list[str]) -> list[Visitor | None]:
        asked = {"tokens": tokens}
        found = self._service.post("/internal/v1/visitor-introspections", caller=GATEWAY, json=asked)
        return msgspec.convert(found["visitors"], list[Visitor | None])

    def admit(self, ticket: str) -> list[frames.Standing] | None:
        """Use up a ticket: how the conversations stand of whom it admits; None if it was used, or they are erased."""
        return self._admissions(ticket)

    def _admit(self, tickets: list[str]) -> list[list[frames.Standing] | None]:
        found = self._service.post("/internal/v1/admissions", caller=GATEWAY, json={"tickets": tickets})
        admissions = msgspec.convert(found["admissions"], list[Admission | None])
        return [one.standings if one else None for one in admissions]

    def partitions(self) -> int:
        """How many partitions are in force."""
        return int(self._service.get("/internal/v1/partitions", caller=GATEWAY)["count"])

    def forget_visitor(self, visitor_id: str) -> None:
        """The visitor is erased: ask again the next time."""
        self._visitors.drop(lambda visitor: visitor.visitor_id == visitor_id)

    def own_data(self, caller: Caller) -> Any:
        return self._service.get("/internal/v1/own-data", caller=caller)

    def ask_erasure(self, caller: Caller, reason: ErasureReason) -> Any:
        """Begin to erase the visitor who asks; from here on their token is good for ``erasure`` alone."""
        begun = self._service.post("/internal/v1/erasures", caller=caller, json={"reason": reason})
        self.forget_visitor(caller.subject or "")
        return begun

    def erasure(self, token: str) -> Any:
        """How the erasure stands of the visitor whose token this was; None if it was nobody's."""
        asked = {"token": token}
        return found_or_none(
            lambda: self._service.post("/internal/v1/erasure-introspections", caller=GATEWAY, json=asked)
        )

    def erasure_known(self, customer_id: str, erasure_id: str) -> Any:
        """How an erasure stands; None if it was long ago."""
        caller = Caller(service="gateway", role="service", customer_id=customer_id)
        return found_or_none(lambda: self._service.get(f"/internal/v1/erasures/{erasure_id}", caller=caller))

    def erased_counts(self, caller: Caller, *, before: str | None, limit: int) -> Any:
        params = {"before": before, "limit": limit}
        return self._service.get("/internal/v1/erased-counts", caller=caller, params=params)

    def conversations(
        self, caller: Caller, *, status: str | None = None, after: str | None = None, limit: int | None = None
    ) -> Any:
        params = {"status": status, "after": after, "limit": limit}
        return self._service.get("/internal/v1/conversations", caller=caller, params=params)

    def conversation(self, caller: Caller, conversation_id: str) -> Any:
        """How a conversation stands, in full. Raises ``NotKnownYet``, as whatever asks after one does."""
        with self._perhaps_opening(caller, conversation_id):
            return self._service.get(f"/internal/v1/conversations/{conversation_id}", caller=caller)

    def state(self, caller: Caller, conversation_id: str) -> ConversationState | None:
        """How a conversation stands; None if there is none, or not for this caller."""
        found = found_or_none(lambda: self.conversation(caller, conversation_id))
        return None if found is None else msgspec.convert(found, ConversationState)

    def queued(self, customer_id: str) -> list[ConversationState]:
        """Who waits in a customer's queue, and where; those who wait longest, if there are very many."""
        caller = Caller(service="gateway", role="service", customer_id=customer_id)
        found = self.conversations(caller, status="queued", limit=CONVERSATIONS_PAGE)
        return msgspec.convert(found["conversations"], list[ConversationState])

    def messages(self, caller: Caller, conversation_id: str, *, after: int, limit: int) -> History:
        path = f"/internal/v1/conversations/{conversation_id}/messages"
        with self._perhaps_opening(caller, conversation_id):
            found = self._service.get(path, caller=caller, params={"after": after, "limit": limit})
        return msgspec.convert(found, History)

    @contextmanager
    def _perhaps_opening(self, caller: Caller, conversation_id: str) -> Iterator[None]:
        """Inside, a visitor is asked after one that they may be about to open. What is erased chat knows."""
        try:
            yield
        except RemoteProblem as problem:
            is_unknown = problem.status == 404 and problem.code != "erased"
            if is_unknown and self._openings.is_under_way(conversation_id, caller.subject or ""):
                raise NotKnownYet(conversation_id) from problem
            raise
