"""Where a disclosure gets the words: from transcripts what is sealed, from chat what is not, in its own name alone."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from chassis.auth import Caller
from chassis.http import RemoteProblem, ServiceClient
from contracts.disclosures import GRANTER, ConversationsScope, Scope, granted, is_within
from services.accounts.disclosures.model import Disclosure

IDS = 1000
MESSAGES = 200


class OutOfScope(Exception):
    """Something was given that the disclosure does not name: it must go no further."""


class WordKeepers:
    """Transcripts and chat, as a disclosure sees them."""

    def __init__(self, *, transcripts: ServiceClient, chat: ServiceClient) -> None:
        self._transcripts = transcripts
        self._chat = chat

    def ids(self, disclosure: Disclosure) -> Iterator[str]:
        """The conversations within the scope; of those it names, also such as are not there."""
        if isinstance(disclosure.scope, ConversationsScope):
            yield from dict.fromkeys(disclosure.scope.conversation_ids)
            return
        caller = _caller(disclosure, disclosure.scope)
        # Chat first: what is sealed meanwhile, and gone there, is found with transcripts afterwards.
        live = set(self._listed(self._chat, "disclosed-conversations", "conversation_ids", caller))
        yield from sorted(live)
        for transcript_id in self._listed(self._transcripts, "disclosed-transcripts", "transcript_ids", caller):
            if transcript_id not in live:
                yield transcript_id

    def _listed(self, service: ServiceClient, path: str, name: str, caller: Caller) -> Iterator[str]:
        after: str | None = None
        while True:
            found = service.get(f"/internal/v1/{path}", caller=caller, params={"after": after, "limit": IDS})
            yield from found[name]
            after = found["next"]
            if after is None:
                return

    def conversation(self, disclosure: Disclosure, conversation_id: str) -> dict[str, Any] | None:
        """All there is of one conversation; None if this customer has none of that id. Raises ``OutOfScope``."""
        # The right names this conversation alone, where the scope does.
        is_named = isinstance(disclosure.scope, ConversationsScope)
        scope = ConversationsScope(conversation_ids=(conversation_id,)) if is_named else disclosure.scope
        caller = _caller(disclosure, scope)
        for _ in range(2):
            # It may be sealed between the two questions: then the second round finds it.
            found = self._sealed(caller, conversation_id) or self._unsealed(caller, conversation_id)
            if found is not None:
                _check(disclosure, conversation_id, found)
                return found
        return None

    def _sealed(self, caller: Caller, conversation_id: str) -> dict[str, Any] | None:
        path = f"/internal/v1/disclosed-transcripts/{conversation_id}"
        found = _or_none(self._transcripts, path, caller, {})
        return None if found is None else {"is_sealed": True, "conversation_id": conversation_id, **found}

    def _unsealed(self, caller: Caller, conversation_id: str) -> dict[str, Any] | None:
        path = f"/internal/v1/disclosed-conversations/{conversation_id}"
        messages: list[dict[str, Any]] = []
        while True:
            after = messages[-1]["seq"] if messages else 0
            page = _or_none(self._chat, path, caller, {"after": after, "limit": MESSAGES})
            if page is None:
                return None
            messages += page["messages"]
            if len(page["messages"]) < MESSAGES:
                return {"is_sealed": False, **page, "messages": messages}

    def close(self) -> None:
        self._transcripts.close()
        self._chat.close()


def _caller(disclosure: Disclosure, scope: Scope) -> Caller:
    return Caller(
        service=GRANTER,
        role="disclosure",
        customer_id=disclosure.customer_id,
        subject=disclosure.disclosure_id,
        grant=granted(scope),
    )


def _or_none(service: ServiceClient, path: str, caller: Caller, params: dict[str, Any]) -> Any:
    try:
        return service.get(path, caller=caller, params=params)
    except RemoteProblem as problem:
        if problem.status == 404:
            return None
        raise


def _check(disclosure: Disclosure, conversation_id: str, found: dict[str, Any]) -> None:
    # They check it too; but what leaves the house is checked where it leaves.
    opened_at = msgspec.convert(found["opened_at"], datetime | None)
    is_inside = is_within(
        disclosure.scope, conversation_id=conversation_id, visitor_id=found["visitor_id"], opened_at=opened_at
    )
    if not is_inside:
        raise OutOfScope(conversation_id)
