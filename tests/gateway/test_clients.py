import inspect
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from chassis.auth import Caller, new_key
from chassis.http import RemoteProblem
from chassis.ids import new_id
from chassis.web import MAX_BODY
from services.accounts.operators.passwords import Passwords
from services.gateway import frames
from services.gateway.clients import (
    AccountsClient,
    AuditClient,
    ChatClient,
    HistoryReader,
    Recent,
    StaffClient,
    SurveysClient,
    TranscriptsClient,
    Visitor,
    fingerprint,
)
from services.gateway.clients.chat import MOST_AT_ONCE, NotKnownYet
from services.gateway.openings import Openings
from services.gateway.routes.widget import NAME_LENGTH
from services.gateway.tickets import Tickets

CALLER = Caller(service="gateway", role="visitor", customer_id="customer-1", subject="visitor-1")


OPENINGS = Openings("secret")


def a_chat(service: "FakeService") -> ChatClient:
    return ChatClient(service, introspection_cache=4, openings=OPENINGS)  # type: ignore[arg-type]


class FakeService:
    """Answers by path, and remembers what it was asked; what it does not know is a 404."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str, Any]] = []
        self.timeouts: list[float | None] = []
        self.refusal = RemoteProblem(404, {"code": "not-found"})

    def get(self, path: str, *, caller: Caller, params: Any = None) -> Any:
        return self._answer("GET", path, params)

    def post(self, path: str, *, caller: Caller, json: Any = None, timeout: float | None = None) -> Any:
        self.timeouts.append(timeout)
        return self._answer("POST", path, json)

    def put(self, path: str, *, caller: Caller, json: Any = None) -> Any:
        return self._answer("PUT", path, json)

    def delete(self, path: str, *, caller: Caller) -> Any:
        return self._answer("DELETE", path, None)

    def _answer(self, method: str, path: str, what: Any) -> Any:
        self.asked.append((method, path, what))
        name = path.rsplit("/", 1)[-1].replace("-", "_")
        if name not in self.answers:
            raise self.refusal
        return self.answers[name]


CREDENTIAL = {
    "kind": "session",
    "session_id": "s-1",
    "operator_id": "operator-1",
    "customer_id": "customer-1",
    "role": "owner",
    "name": "Olga",
    "scopes": [],
    "expires_at": None,
    "added_later": 1,
}


def accounts(service: FakeService, cache: float = 4) -> AccountsClient:
    return AccountsClient(service, introspection_cache=cache, site_cache=cache)  # type: ignore[arg-type]


def test_an_introspection_is_asked_once_while_it_is_recent_and_again_when_the_session_ends():
    service = FakeService(introspections=CREDENTIAL)
    client = accounts(service)
    assert client.introspect("t") == client.introspect("t")
    assert len(service.asked) == 1
    client.forget_session("s-1")
    client.introspect("t")
    assert len(service.asked) == 2


@pytest.mark.parametrize("client", [AccountsClient, StaffClient])
def test_who_signs_in_is_waited_for_longer_than_accounts_has_them_wait_for_others(client):
    patience = inspect.signature(Passwords).parameters["patience"].default
    service = FakeService()
    caches = {name: 1 for name in inspect.signature(client).parameters if name.endswith("_cache")}
    with pytest.raises(RemoteProblem):
        client(service, **caches).sign_in(email="a@b.example", password="x", ip="127.0.0.1", user_agent="")
    [timeout] = service.timeouts
    assert timeout > patience + 3


def test_a_token_nobody_knows_is_nobody_s():
    assert accounts(FakeService()).introspect("t") is None


def test_a_refusal_that_is_not_about_the_token_is_not_taken_for_one():
    class Refusing(FakeService):
        def post(self, path: str, *, caller: Caller, json: Any = None) -> Any:
            raise RemoteProblem(403, {})

    with pytest.raises(RemoteProblem):
        accounts(Refusing()).introspect("t")


def visitor(name: str) -> dict[str, str]:
    return {"visitor_id": name, "visit_id": "w", "customer_id": "c", "site_id": "s", "name": name}


def test_a_visitor_is_asked_for_once_while_the_answer_is_recent():
    service = FakeService(visitor_introspections={"visitors": [visitor("v")]})
    chat = a_chat(service)
    assert chat.introspect("t") == chat.introspect("t") == Visitor(**visitor("v"))
    assert service.asked == [("POST", "/internal/v1/visitor-introspections", {"tokens": ["t"]})]


@pytest.mark.parametrize("token", ["t", "x" * 257])
def test_a_visitor_s_token_can_be_nobody_s(token):
    service = FakeService(visitor_introspections={"visitors": [None]})
    assert a_chat(service).introspect(token) is None


def test_who_is_admitted_learns_how_their_conversations_stand():
    standing = {"conversation_id": "c-1", "status": "queued", "last_seq": 3}
    service = FakeService(admissions={"admissions": [{"standings": [standing]}]})
    found = a_chat(service).admit("t")
    assert found == [frames.Standing(**standing)]


def test_nobody_is_admitted_on_a_used_ticket():
    service = FakeService(admissions={"admissions": [None]})
    assert a_chat(service).admit("t") is None


def test_as_many_tickets_as_are_shown_at_once_fit_into_one_question_however_long_the_names_are():
    tickets = Tickets("gateway", new_key("gateway"))
    longest = Caller(
        service="gateway",
        role="visitor",
        customer_id=new_id(),
        subject=new_id(),
        # Of all characters these take the most room where they are encoded.
        name="\x01" * NAME_LENGTH,
        site_id=new_id(),
    )
    shown = [tickets.issue(longest)["ticket"] for _ in range(MOST_AT_ONCE)]
    assert len(msgspec.json.encode({"tickets": shown})) < MAX_BODY


def test_history_is_with_transcripts_once_it_is_sealed():
    sealed = {"messages": [], "last_seq": 3, "status": "closed", "is_sealed": True}
    kept = {"messages": [], "last_seq": 3, "status": "closed"}
    chat, transcripts, accounts = FakeService(messages=sealed), FakeService(messages=kept), FakeService()
    reader = HistoryReader(
        chat=a_chat(chat),
        transcripts=TranscriptsClient(transcripts),  # type: ignore[arg-type]
        accounts=AccountsClient(accounts, introspection_cache=1, site_cache=1),  # type: ignore[arg-type]
        audit=AuditClient(accounts),  # type: ignore[arg-type]
    )
    reader.after(CALLER, "c-1", 1)
    assert transcripts.asked == [("GET", "/internal/v1/transcripts/c-1/messages", {"after": 1, "limit": 200})]
    assert accounts.asked == []


@pytest.mark.parametrize("ask", ["state", "conversation", "messages"])
def test_what_a_visitor_is_about_to_open_is_not_taken_for_gone(ask):
    chat, mine, erased = FakeService(), OPENINGS.new_id("visitor-1"), RemoteProblem(404, {"code": "erased"})
    asks = {"messages": {"after": 0, "limit": 1}}.get(ask, {})
    with pytest.raises(NotKnownYet):
        getattr(a_chat(chat), ask)(CALLER, mine, **asks)
    chat.refusal = erased
    with suppress(RemoteProblem):
        assert getattr(a_chat(chat), ask)(CALLER, mine, **asks) is None


def test_what_somebody_else_is_about_to_open_is_not_there():
    for stranger in ("visitor-2", "operator-1"):
        caller = Caller(service="gateway", role="visitor", customer_id="customer-1", subject=stranger)
        assert a_chat(FakeService()).state(caller, OPENINGS.new_id("visitor-1")) is None


def test_a_site_without_a_survey_is_remembered_as_well():
    service = FakeService()
    surveys = SurveysClient(service, site_cache=30)  # type: ignore[arg-type]
    assert surveys.recent_survey(CALLER, "s", "pre-chat") is None
    assert surveys.recent_survey(CALLER, "s", "pre-chat") is None
    assert len(service.asked) == 1


def test_a_survey_that_asks_nothing_is_none_to_the_widget():
    service = FakeService(**{"pre-chat": {"version": 2, "questions": []}})
    assert SurveysClient(service, site_cache=30).recent_survey(CALLER, "s", "pre-chat") is None  # type: ignore[arg-type]


def test_whether_somebody_is_there_is_asked_once_in_a_while():
    service = FakeService(presence={"is_online": False})
    chat = a_chat(service)
    assert [chat.is_online(CALLER), chat.is_online(CALLER)] == [False, False]
    assert service.asked == [("GET", "/internal/v1/presence", None)]


def test_recent_answers_expire_and_the_oldest_make_room():
    present = [0.0]
    recent: Recent[int] = Recent(10, size=2, clock=lambda: present[0])
    for number, key in enumerate("abc"):
        recent.put(key, number)
    assert [recent.get(key) for key in "abc"] == [None, 1, 2]
    present[0] = 10.0
    assert recent.get("c") is None


def test_what_is_not_recent_any_more_is_not_kept():
    present = [0.0]
    recent: Recent[int] = Recent(10, clock=lambda: present[0])
    for number in range(5):
        recent.put(f"then-{number}", number)
    present[0] = 11.0
    recent.put("now", 6)
    assert len(recent) == 1


def test_a_cache_holds_no_secret():
    assert "secret" not in fingerprint("secret")
