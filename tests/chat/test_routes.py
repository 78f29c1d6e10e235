"""Chat over HTTP, and who gets to see what."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from chassis.clock import now
from chassis.testing import Callers, RecordingBus, a_delivery
from contracts.chat import FlagMinor
from services.chat.bootstrap import Context
from services.chat.model import PRESENCE_LASTS
from services.chat.relay import Relay
from tests.chat.builders import (
    CONVERSATION,
    CUSTOMER,
    NOON,
    OPERATOR,
    VISITOR,
    a_closing,
    a_conversation,
    a_dropping,
    a_post,
    an_acceptance,
    an_opening,
)

VISIT = {
    "site_id": "site-1",
    "page": {"url": "https://shop.example/", "title": "Shop", "referrer": ""},
    "ip": "192.0.2.0",
    "user_agent": "Mozilla/5.0",
    "language": "de-DE",
}
READ_PATHS = [
    f"/internal/v1/conversations/{CONVERSATION}",
    f"/internal/v1/conversations/{CONVERSATION}/messages",
    f"/internal/v1/conversations/{CONVERSATION}/messages?after=1&limit=1",
]


class Client:
    """Asks as somebody."""

    def __init__(self, client: FlaskClient, headers: dict[str, str]) -> None:
        self._client = client
        self._headers = headers

    def get(self, path: str):
        return self._client.get(path, headers=self._headers)

    def post(self, path: str, body):
        return self._client.post(path, json=body, headers=self._headers)

    def delete(self, path: str):
        return self._client.delete(path, headers=self._headers)


@pytest.fixture
def as_(client: FlaskClient, callers: Callers):
    def asks(role, *, customer_id: str | None = CUSTOMER, subject: str | None = None, **fields) -> Client:
        return Client(client, callers.headers("chat", role, customer_id=customer_id, subject=subject, **fields))

    return asks


@pytest.fixture
def do(context: Context):
    relay = Relay(conversations=context.conversations, visitors=context.visitors, bus=RecordingBus())
    return lambda *commands: relay.handle([a_delivery(command) for command in commands])


def test_a_first_visit_makes_a_visitor_with_a_token(as_):
    answer = as_("public").post("/internal/v1/visits", VISIT)
    assert answer.status_code == 201
    assert set(answer.json) == {"visitor_id", "visit_id", "visitor_token", "page_count", "is_known"}
    assert (answer.json["page_count"], answer.json["is_known"]) == (1, False)
    known = as_("service", customer_id=None).post(
        "/internal/v1/visitor-introspections", {"tokens": ["guessed", answer.json["visitor_token"]]}
    )
    stranger, visitor = known.json["visitors"]
    assert stranger is None
    assert visitor == {
        "visitor_id": answer.json["visitor_id"],
        "visit_id": answer.json["visit_id"],
        "customer_id": CUSTOMER,
        "site_id": "site-1",
        "name": f"Visitor {answer.json['visitor_id'][-4:].upper()}",
    }


def test_a_known_visitor_stays_the_same_and_the_visit_goes_on(as_, context: Context):
    first = as_("public").post("/internal/v1/visits", VISIT).json
    next_page = {**VISIT, "page": {"url": "https://shop.example/2"}, "visitor_token": first["visitor_token"]}
    second = as_("public").post("/internal/v1/visits", next_page).json
    assert second == {**first, "visitor_token": None, "page_count": 2, "is_known": True}
    visit = context.visitors.visit(CUSTOMER, first["visit_id"], visitor_id=first["visitor_id"])
    assert [page.url for page in visit.pages] == ["https://shop.example/", "https://shop.example/2"]


def test_a_known_visitor_who_comes_back_later_begins_a_new_visit(as_, context: Context):
    first = as_("public").post("/internal/v1/visits", VISIT).json
    context.database["visits"].update_one({}, {"$set": {"seen_at": NOON - timedelta(days=1)}})
    second = as_("public").post("/internal/v1/visits", {**VISIT, "visitor_token": first["visitor_token"]}).json
    assert second["visitor_id"] == first["visitor_id"]
    assert second["visit_id"] != first["visit_id"]


@pytest.mark.parametrize(
    ("customer_id", "change"),
    [("customer-2", {}), (CUSTOMER, {"site_id": "site-2"}), (CUSTOMER, {"visitor_token": "guessed"})],
)
def test_a_token_of_elsewhere_makes_a_new_visitor(as_, customer_id, change):
    first = as_("public").post("/internal/v1/visits", VISIT).json
    body = {**VISIT, "visitor_token": first["visitor_token"]} | change
    second = as_("public", customer_id=customer_id).post("/internal/v1/visits", body).json
    assert second["visitor_id"] != first["visitor_id"]
    assert second["visitor_token"]


def test_tokens_are_stored_as_hashes_only(as_, context: Context):
    token = as_("public").post("/internal/v1/visits", VISIT).json["visitor_token"]
    assert token not in str(list(context.database["visitors"].find()))


@pytest.mark.parametrize("token", ["guessed", "0", "true"])
def test_an_unknown_token_is_nobodys(as_, token):
    answer = as_("service").post("/internal/v1/visitor-introspections", {"tokens": [token]})
    assert (answer.status_code, answer.json) == (200, {"visitors": [None]})


@pytest.mark.parametrize(
    "body",
    [
        {},
        {**VISIT, "site_id": {"$ne": 1}},
        {**VISIT, "page": "https://shop.example/"},
        {**VISIT, "visitor_token": {"$gt": ""}},
        {**VISIT, "customer_id": "customer-2"},
        {**VISIT, "ip": ["192.0.2.1"]},
    ],
)
def test_a_visit_that_is_none_is_refused_and_not_stored(as_, context: Context, body):
    answer = as_("public").post("/internal/v1/visits", body)
    assert (answer.status_code, answer.json["code"]) == (422, "invalid")
    assert context.database["visits"].count_documents({}) == 0


@pytest.mark.parametrize("token", [{"$ne": 1}, None, 0, True, [], ""])
def test_a_token_that_is_no_text_is_refused(as_, token):
    assert as_("service").post("/internal/v1/visitor-introspections", {"tokens": [token]}).status_code == 422


def test_a_conversation_as_operators_see_it(as_, do):
    do(an_opening(text="Hi", department="sales"), an_acceptance())
    answer = as_("operator").get(f"/internal/v1/conversations/{CONVERSATION}")
    assert answer.status_code == 200
    shown = dict(answer.json)
    assert [shown.pop(name)[-1] for name in ("opened_at", "accepted_at")] == ["Z", "Z"]
    last = shown.pop("last_message")
    assert shown == {
        "conversation_id": CONVERSATION,
        "site_id": "site-1",
        "visitor_id": VISITOR.id,
        "visitor_name": "Ann",
        "status": "active",
        "operator": {"id": OPERATOR.id, "name": "Otto"},
        "department": "sales",
        "closed_at": None,
        "last_seq": 1,
        "position": None,
        "is_sealed": False,
        "acknowledged_policy_version": "1",
    }
    assert {**last, "sent_at": None} == {
        "seq": 1,
        "text": "Hi",
        "sender": {"kind": "visitor", "id": VISITOR.id, "name": "Ann"},
        "sent_at": None,
    }


def test_who_waits_knows_their_place_in_the_queue(as_, do):
    do(an_opening(), an_opening(conversation_id="second", visitor_id="visitor-2"))
    second = as_("visitor", subject="visitor-2").get("/internal/v1/conversations/second").json
    assert (second["status"], second["position"]) == ("queued", 2)
    do(an_acceptance())
    assert as_("visitor", subject="visitor-2").get("/internal/v1/conversations/second").json["position"] == 1


def test_lists_page_by_an_opaque_cursor(as_, do):
    do(*(an_opening(conversation_id=f"c{number}") for number in range(5)))
    first = path = "/internal/v1/conversations?status=queued&limit=2"
    seen = []
    while path:
        page = as_("operator").get(path).json
        seen += [(each["conversation_id"], each["position"]) for each in page["conversations"]]
        path = page["next"] and f"{first}&after={page['next']}"
    assert seen == [(f"c{number}", number + 1) for number in range(5)]


def test_lists_are_filtered_by_status(as_, do):
    do(an_opening(), an_opening(conversation_id="second"), an_acceptance(), a_post("1"), a_closing())
    for status, expected in [("queued", ["second"]), ("active", []), ("closed", [CONVERSATION])]:
        listed = as_("operator").get(f"/internal/v1/conversations?status={status}").json
        assert [each["conversation_id"] for each in listed["conversations"]] == expected
        assert listed["next"] is None


@pytest.mark.parametrize(
    "query",
    [
        "status=all",
        "limit=0",
        "limit=201",
        "limit=x",
        "after=%7B%7D",
        "after=bnVsbA==",
        "after=WyIyMDI2LTAxLTAxVDAwOjAwOjAwIiwiYyJd",
        "visitor_id=visitor-2",
        "customer_id=customer-2",
        "status[$ne]=queued",
    ],
)
def test_a_list_cannot_be_asked_for_anything_else(as_, query):
    answer = as_("operator").get(f"/internal/v1/conversations?{query}")
    assert (answer.status_code, answer.json["code"]) == (422, "invalid")


def test_messages_follow_the_place_asked_for(as_, do):
    do(an_opening(), *(a_post(f"{number}", client_id=f"{number}") for number in range(1, 6)))
    answer = as_("visitor", subject=VISITOR.id).get(
        f"/internal/v1/conversations/{CONVERSATION}/messages?after=2&limit=2"
    )
    assert [message["seq"] for message in answer.json["messages"]] == [3, 4]
    assert set(answer.json["messages"][0]) == {"seq", "message_id", "client_id", "sender", "text", "sent_at"}
    assert {name: answer.json[name] for name in ("last_seq", "status", "is_sealed")} == {
        "last_seq": 5,
        "status": "queued",
        "is_sealed": False,
    }


@pytest.mark.parametrize("after", [5, 99])
def test_nothing_follows_the_last_message(as_, do, after):
    do(an_opening(), *(a_post(f"{number}") for number in range(1, 6)))
    answer = as_("operator").get(f"/internal/v1/conversations/{CONVERSATION}/messages?after={after}")
    assert (answer.json["messages"], answer.json["last_seq"]) == ([], 5)


def test_a_sealed_conversation_says_so_and_shows_no_words(as_, do):
    do(an_opening(text="Hi"), an_acceptance(), a_closing(), a_dropping())
    history = as_("operator").get(f"/internal/v1/conversations/{CONVERSATION}/messages").json
    assert history == {"messages": [], "last_seq": 1, "status": "closed", "is_sealed": True}
    shown = as_("operator").get(f"/internal/v1/conversations/{CONVERSATION}").json
    assert (shown["is_sealed"], shown["last_message"], shown["last_seq"]) == (True, None, 1)


@pytest.mark.parametrize("path", READ_PATHS)
@pytest.mark.parametrize(
    ("role", "customer_id", "subject"),
    [
        ("operator", "customer-2", OPERATOR.id),
        ("owner", "customer-2", None),
        ("service", "customer-2", None),
        ("visitor", CUSTOMER, "visitor-2"),
        ("visitor", "customer-2", VISITOR.id),
        ("visitor", CUSTOMER, None),
    ],
)
def test_a_foreign_conversation_looks_like_none(as_, do, path, role, customer_id, subject):
    do(an_opening(text="Hi"))
    foreign = as_(role, customer_id=customer_id, subject=subject).get(path)
    unknown = as_(role, customer_id=customer_id, subject=subject).get(path.replace(CONVERSATION, "no-such"))
    assert (foreign.status_code, foreign.json["code"]) == (404, "not-found")
    assert {**foreign.json, "request_id": ""} == {**unknown.json, "request_id": ""}


@pytest.mark.parametrize("path", READ_PATHS)
@pytest.mark.parametrize("role", ["operator", "visitor"])
def test_what_is_erased_is_told_from_what_is_not_known_yet(as_, do, path, role):
    flag = FlagMinor(command_id="flag", customer_id=CUSTOMER, conversation_id=CONVERSATION, operator_id=OPERATOR.id)
    do(an_opening(text="Hi"), an_acceptance(), flag)
    answer = as_(role, subject=VISITOR.id).get(path)
    assert (answer.status_code, answer.json["code"]) == (404, "erased")


@pytest.mark.parametrize(
    ("role", "customer_id", "subject"),
    [("operator", "customer-2", None), ("visitor", CUSTOMER, "visitor-2"), ("visitor", CUSTOMER, None)],
)
def test_foreign_conversations_are_not_listed(as_, do, role, customer_id, subject):
    do(an_opening(text="Hi"))
    listed = as_(role, customer_id=customer_id, subject=subject).get("/internal/v1/conversations").json
    assert listed == {"conversations": [], "next": None}


def test_a_visitor_lists_their_own(as_, do):
    do(an_opening(), an_opening(conversation_id="other", visitor_id="visitor-2"))
    listed = as_("visitor", subject="visitor-2").get("/internal/v1/conversations").json
    assert [each["conversation_id"] for each in listed["conversations"]] == ["other"]


@pytest.mark.parametrize("path", ["/internal/v1/conversations", *READ_PATHS])
def test_nobody_reads_without_being_somebody(client: FlaskClient, as_, path):
    assert client.get(path).status_code == 401
    assert as_("public").get(path).status_code == 403
    assert as_("service", customer_id=None).get(path).status_code == 403


@pytest.mark.parametrize("role", ["operator", "service", "owner"])
def test_only_the_public_visits(as_, role):
    assert as_(role).post("/internal/v1/visits", VISIT).status_code == 403


@pytest.mark.parametrize("role", ["operator", "visitor"])
def test_only_services_ask_whose_token_it_is(as_, role):
    assert as_(role).post("/internal/v1/visitor-introspections", {"tokens": ["t"]}).status_code == 403
    assert as_(role).post("/internal/v1/admissions", {"tickets": ["t"]}).status_code == 403


@pytest.mark.parametrize("role", ["service", "public"])
def test_a_publisher_learns_how_many_partitions_there_are(as_, role):
    assert as_(role).get("/internal/v1/partitions").json == {"count": 8}


def test_the_service_is_alive_ready_and_says_what_it_offers(client: FlaskClient):
    assert client.get("/health").status_code == 200
    assert client.get("/ready").status_code == 200
    paths = client.get("/openapi.json").json["paths"]
    assert set(paths) == {
        "/internal/v1/visits",
        "/internal/v1/visitor-introspections",
        "/internal/v1/admissions",
        "/internal/v1/partitions",
        "/internal/v1/conversations",
        "/internal/v1/conversations/{conversation_id}",
        "/internal/v1/conversations/{conversation_id}/messages",
        "/internal/v1/conversations/{conversation_id}/visit",
        "/internal/v1/cookie-consents",
        "/internal/v1/cookie-withdrawals",
        "/internal/v1/invitations",
        "/internal/v1/presence",
        "/internal/v1/own-data",
        "/internal/v1/erasures",
        "/internal/v1/erasures/{erasure_id}",
        "/internal/v1/erasure-introspections",
        "/internal/v1/erased-counts",
        "/internal/v1/disclosed-conversations",
        "/internal/v1/disclosed-conversations/{conversation_id}",
    }


def test_a_conversation_without_words_has_no_last_message(as_, context: Context):
    context.conversations.open(a_conversation())
    shown = as_("analyst").get(f"/internal/v1/conversations/{CONVERSATION}").json
    assert (shown["last_message"], shown["last_seq"]) == (None, 0)


PRESENCE = "/internal/v1/presence"
CONVERSATIONS_LIST = "/internal/v1/conversations"


def is_online(as_, customer_id=CUSTOMER):
    return as_("public", customer_id=customer_id).get(PRESENCE).json["is_online"]


@pytest.mark.parametrize("role", ["owner", "admin", "operator"])
def test_who_can_answer_and_looks_at_the_conversations_is_there(as_, role):
    assert not is_online(as_)
    as_(role, session_id="session-1").get(CONVERSATIONS_LIST)
    as_(role, session_id="session-1").get(CONVERSATIONS_LIST)
    assert is_online(as_)
    assert not is_online(as_, customer_id="customer-2")


@pytest.mark.parametrize("role", ["analyst", "visitor", "service"])
def test_others_who_look_are_not_there_for_visitors(as_, role):
    as_(role, session_id="session-1", subject="somebody").get(CONVERSATIONS_LIST)
    assert not is_online(as_)


def test_who_signs_out_is_not_there_any_more_but_others_are(as_):
    for session_id in ("session-1", "session-2"):
        as_("operator", session_id=session_id).get(CONVERSATIONS_LIST)
    assert as_("operator", session_id="session-1").delete(PRESENCE).status_code == 204
    assert is_online(as_)
    as_("operator", session_id="session-2", customer_id="customer-2").delete(PRESENCE)
    assert is_online(as_)
    as_("operator", session_id="session-2").delete(PRESENCE)
    assert not is_online(as_)


def test_who_has_not_looked_for_a_while_is_not_there(context: Context):
    note, there = context.presence.note, context.presence.is_anybody_there
    present = now()
    note(CUSTOMER, "session-1", now=present - timedelta(seconds=60))
    note(CUSTOMER, "session-1", now=present - timedelta(seconds=160))
    assert there(CUSTOMER, since=present - PRESENCE_LASTS)
    assert not there(CUSTOMER, since=present)
