"""How the words are asked for: narrowly, from both who may have them, and checked before they go on."""

from datetime import UTC, datetime
from typing import Any

import pytest

from chassis.http import RemoteProblem
from contracts.disclosures import ConversationsScope, PeriodScope, VisitorScope, scope_of
from services.accounts.disclosures.clients import OutOfScope, WordKeepers

OPENED = "2026-01-02T00:00:00Z"


class Service:
    """Answers as told, and remembers who asked for what."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, Any]] = []

    def get(self, path: str, *, caller: Any, params: Any = None) -> Any:
        name = path.removeprefix("/internal/v1/")
        self.asked.append((name, caller))
        answer = self.answers.get(name)
        answer = answer(params) if callable(answer) else answer
        if answer is None:
            raise RemoteProblem(404, {"code": "not-found"})
        return answer


def words(transcripts: dict[str, Any], chat: dict[str, Any]) -> tuple[WordKeepers, Service, Service]:
    sealed, live = Service(transcripts), Service(chat)
    return WordKeepers(transcripts=sealed, chat=live), sealed, live  # type: ignore[arg-type]


def of(visitor_id: str = "v", opened_at: str = OPENED, **more: Any) -> dict[str, Any]:
    return {"visitor_id": visitor_id, "opened_at": opened_at, **more}


def test_the_conversations_that_are_named_are_asked_for_one_by_one(request_one):
    disclosure = request_one(scope=ConversationsScope(conversation_ids=("a", "b")))
    keepers, sealed, live = words({"disclosed-transcripts/a": of(messages=[])}, {})

    assert list(keepers.ids(disclosure)) == ["a", "b"]
    assert keepers.conversation(disclosure, "a")["is_sealed"]
    assert keepers.conversation(disclosure, "b") is None
    for name, caller in (*sealed.asked, *live.asked):
        assert (caller.role, caller.customer_id, caller.subject) == ("disclosure", "c1", disclosure.disclosure_id)
        assert scope_of(caller.grant, by="accounts") == ConversationsScope(conversation_ids=(name.rpartition("/")[2],))


def test_what_is_live_and_what_is_sealed_is_found_once_each(request_one):
    disclosure = request_one(scope=VisitorScope(visitor_id="v"))
    pages = {None: {"transcript_ids": ["b"], "next": "b"}, "b": {"transcript_ids": ["c"], "next": None}}
    live = {"disclosed-conversations": {"conversation_ids": ["a", "b"], "next": None}}
    keepers, _, _ = words({"disclosed-transcripts": lambda params: pages[params["after"]]}, live)

    assert list(keepers.ids(disclosure)) == ["a", "b", "c"]


def test_a_live_conversation_is_read_to_its_end(request_one):
    disclosure = request_one(scope=VisitorScope(visitor_id="v"))

    def page(params: Any) -> Any:
        following = range(params["after"] + 1, min(params["after"] + 200, 450) + 1)
        return of(messages=[{"seq": seq} for seq in following])

    keepers, _, _ = words({}, {"disclosed-conversations/a": page})

    found = keepers.conversation(disclosure, "a")
    assert [message["seq"] for message in found["messages"]] == list(range(1, 451))
    assert not found["is_sealed"]


def test_what_is_sealed_while_it_is_asked_for_is_found(request_one):
    disclosure = request_one(scope=VisitorScope(visitor_id="v"))
    answers = iter([None, of(messages=[])])
    keepers, _, _ = words({"disclosed-transcripts/a": lambda _: next(answers)}, {})

    assert keepers.conversation(disclosure, "a")["is_sealed"]


@pytest.mark.parametrize(
    ("scope", "given"),
    [
        (VisitorScope(visitor_id="v"), of("another")),
        (
            PeriodScope(since=datetime(2026, 1, 1, tzinfo=UTC), until=datetime(2026, 1, 2, tzinfo=UTC)),
            of(opened_at=OPENED),
        ),
        (
            PeriodScope(since=datetime(2026, 1, 1, tzinfo=UTC), until=datetime(2026, 1, 2, tzinfo=UTC)),
            of(opened_at=None),
        ),
    ],
)
def test_what_is_given_beyond_the_scope_goes_no_further(request_one, scope, given):
    disclosure = request_one(scope=scope)
    keepers, _, _ = words({"disclosed-transcripts/a": given}, {})

    with pytest.raises(OutOfScope):
        keepers.conversation(disclosure, "a")
