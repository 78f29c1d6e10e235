"""Whatever arrives at the edge: a problem document or a close code, never a 500, and nothing stored."""

import json
from contextlib import suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from deploy.demo import DETAILS
from tests.edge.customers import Customer
from tests.edge.http import Edge
from tests.edge.people import ANSWERS, WIDGET, Operator, Visitor
from tests.edge.socket import Socket

REPLACED = ("/api/v1/account/contact", "/api/v1/account/billing", "/api/v1/identity/strictness")
"""What is put and not posted."""

OPERATORS = [{"$ne": 1}, {"$gt": ""}, {"$regex": "^a"}, [], ["x"], 7, True, None, {"a": {"b": {}}}]
OPENING = {"acknowledged_policy_version": "1", "answers": ANSWERS, "text": "hi", "department": "x"}
BODIES: list[tuple[str, dict[str, Any]]] = [
    ("/api/v1/sessions", {"email": "a@example.org", "password": "secret", "totp": "123456"}),
    (f"{WIDGET}/visits", {"site_key": "k", "page": {"url": "https://x.example/"}, "cookies_consent": False}),
    (f"{WIDGET}/conversations", OPENING),
    (f"{WIDGET}/conversations/ID/messages", {"client_id": "c", "text": "hi"}),
    (f"{WIDGET}/conversations/ID/acknowledgements", {"policy_version": "1"}),
    ("/api/v1/conversations/ID/messages", {"client_id": "c", "text": "hi"}),
    ("/api/v1/staff/sessions", {"email": "a@example.org", "password": "secret"}),
    ("/api/v1/account/contact", {"revision": 0, **DETAILS["contact"]}),
    ("/api/v1/account/billing", {"revision": 0, **DETAILS["billing"]}),
    ("/api/v1/account/confirmations", {"contact_revision": 1, "billing_revision": 1}),
    ("/api/v1/sites", {"name": "n", "origins": ["https://n.example"], "departments": ["d"], "ip_capture": "off"}),
    ("/api/v1/identity/strictness", {"strictness": "always"}),
    ("/api/v1/ownership", {"email": "a@example.org"}),
    ("/api/v1/tokens", {"name": "n", "scopes": ["transcripts"], "expires_at": "2027-01-01T00:00:00Z"}),
]
OPTIONAL = ("department", "text", "totp", "expires_at", "answers", "acknowledged_policy_version")
CASES = [
    (path, body | {field: value})
    for path, body in BODIES
    for field in body
    for value in OPERATORS
    if not (value is None and field in OPTIONAL) and type(value) is not type(body[field])
]


@pytest.fixture(scope="module")
def visitor(customer: Customer) -> Visitor:
    return customer.visitor()


@pytest.fixture(scope="module")
def operator(customer: Customer) -> Operator:
    return customer.operator("owner")


@pytest.fixture(scope="module")
def conversation_id(visitor: Visitor) -> str:
    return visitor.open("the only message")


def asked_by(path: str, visitor: Visitor, operator: Operator) -> Edge:
    return visitor.edge if path.startswith(WIDGET) else operator.edge


def method_of(path: str) -> str:
    return "PUT" if path in REPLACED else "POST"


def assert_refused(answer: Any, *statuses: int) -> None:
    assert answer.status_code in (statuses or (400, 404, 409, 422)), answer.text
    assert answer.headers["Content-Type"].startswith("application/problem+json"), answer.text


def test_values_of_the_wrong_type_are_refused_in_every_field(
    visitor: Visitor, operator: Operator, conversation_id: str
) -> None:
    for path, body in CASES:
        edge = asked_by(path, visitor, operator)
        answer = edge.call(method_of(path), path.replace("ID", conversation_id), body)
        assert answer.status_code == 422, f"{path} {body}: {answer.status_code} {answer.text}"
        assert_refused(answer)


def test_unknown_fields_are_refused(visitor: Visitor, operator: Operator, conversation_id: str) -> None:
    for path, body in BODIES:
        edge = asked_by(path, visitor, operator)
        answer = edge.call(method_of(path), path.replace("ID", conversation_id), body | {"$where": "1"})
        assert_refused(answer, 422)


@pytest.mark.parametrize(
    "raw", [b"{", b'{"text": "\xff\xfe"}', b"\x00", b"[1", b'"text"', b"", b"[" * 10_000, b'{"a": NaN}', b"nul"]
)
def test_broken_json_is_refused(visitor: Visitor, conversation_id: str, raw: bytes) -> None:
    path = f"{WIDGET}/conversations/{conversation_id}/messages"
    answer = visitor.edge.call("POST", path, data=raw, headers={"Content-Type": "application/json"})
    assert_refused(answer, 400, 422)


def test_another_content_type_is_refused(visitor: Visitor, operator: Operator, conversation_id: str) -> None:
    path = f"{WIDGET}/conversations/{conversation_id}/messages"
    assert_refused(visitor.edge.call("POST", path, data={"client_id": "c", "text": "hi"}), 415)
    path = f"/api/v1/conversations/{conversation_id}/close"
    assert_refused(operator.edge.call("POST", path, data="x", headers={"Content-Type": "text/plain"}), 415)


def test_a_megabyte_of_text_is_refused(visitor: Visitor, conversation_id: str) -> None:
    path = f"{WIDGET}/conversations/{conversation_id}/messages"
    assert_refused(visitor.edge.post(path, {"client_id": "big", "text": "x" * 1_000_000}), 413)
    assert_refused(visitor.edge.post(path, {"client_id": "big", "text": "x" * 10_000}), 422)
    assert_refused(visitor.edge.post(path, {"client_id": "none", "text": ""}), 422)


@pytest.mark.parametrize("text", ["\x00", "\ud800", "a\u0000b"])
def test_text_that_is_not_text_is_refused_or_stored_whole(visitor: Visitor, conversation_id: str, text: str) -> None:
    path = f"{WIDGET}/conversations/{conversation_id}/messages"
    raw = json.dumps({"client_id": "odd", "text": text}).encode()
    answer = visitor.edge.call("POST", path, data=raw, headers={"Content-Type": "application/json"})
    assert_refused(answer, 400, 422)


@pytest.mark.parametrize("odd", ["x", "..%2f..", "%00", "%ff", "{}", "a" * 2000, "0190-'--", "%24ne"])
def test_odd_ids_are_not_found(visitor: Visitor, operator: Operator, odd: str) -> None:
    for edge, path in [
        (visitor.edge, f"{WIDGET}/conversations/{odd}/messages"),
        (operator.edge, f"/api/v1/conversations/{odd}"),
        (operator.edge, f"/api/v1/transcripts/{odd}"),
    ]:
        assert_refused(edge.get(path), 404, 422)


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "wait=9999", "after=1e9", "after[$ne]=1", "limit=0", "nonsense=1"]
)
def test_odd_queries_are_refused(visitor: Visitor, conversation_id: str, query: str) -> None:
    assert_refused(visitor.edge.get(f"{WIDGET}/conversations/{conversation_id}/messages?{query}"), 422)


def test_no_credential_or_a_wrong_one_is_refused(customer: Customer, conversation_id: str) -> None:
    stranger = Edge(customer.base_url)
    for token in (None, "x", "", "a" * 5000, "0", "true"):
        if token is not None:
            stranger.bear(token)
        for path in (
            f"{WIDGET}/conversations/{conversation_id}/messages",
            "/api/v1/conversations",
            "/api/v1/transcripts",
        ):
            assert_refused(stranger.get(path), 401)


def test_a_cookie_alone_does_not_act_for_another_page(operator: Operator, conversation_id: str) -> None:
    path = f"/api/v1/conversations/{conversation_id}/close"
    for headers in (
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    ):
        assert_refused(operator.edge.call("POST", path, {}, headers=headers), 403)


class TestSocket:
    def test_no_auth_frame_in_time_is_closed(self, customer: Customer) -> None:
        with Socket.bare(Edge(customer.base_url).websocket_url) as connection:
            assert Socket.close_code(connection) == 4401

    @pytest.mark.parametrize(
        "first",
        [
            '{"type":"auth","ticket":"wrong"}',
            '{"type":"auth","ticket":{"$ne":1}}',
            "{",
            '{"type":"message"}',
            "[]",
            "\x00",
        ],
    )
    def test_a_wrong_first_frame_is_closed(self, customer: Customer, first: str) -> None:
        with Socket.bare(Edge(customer.base_url).websocket_url) as connection:
            connection.send(first)
            assert Socket.close_code(connection) == 4401

    def test_a_ticket_is_good_once(self, visitor: Visitor) -> None:
        ticket = visitor.edge.post(f"{WIDGET}/tickets").json()["ticket"]
        url = visitor.edge.websocket_url
        with Socket(url, lambda: ticket), Socket.bare(url) as connection:
            connection.send(json.dumps({"type": "auth", "ticket": ticket}))
            assert Socket.close_code(connection) == 4401

    @pytest.mark.parametrize(
        "frame",
        [
            "{",
            "[]",
            '"message"',
            '{"type":"nonsense"}',
            '{"type":"message"}',
            '{"type":"message","conversation_id":{"$ne":1},"client_id":"c","text":"x"}',
            '{"type":"message","conversation_id":"c","client_id":["c"],"text":"x"}',
            '{"type":"message","conversation_id":"c","client_id":"c","text":"x","$where":"1"}',
            '{"type":"sync","conversation_id":"c","after":-1}',
            '{"type":"sync","conversation_id":"c","after":"1"}',
        ],
    )
    def test_a_malformed_frame_is_rejected(self, visitor: Visitor, frame: str) -> None:
        with visitor.socket() as socket:
            socket.connection.send(frame)
            assert socket.until("rejected")["code"] in ("malformed", "not-found")

    def test_a_frame_over_64_kib_closes_the_socket(self, visitor: Visitor) -> None:
        with visitor.socket() as socket:
            socket.connection.send("x" * 70_000)
            assert Socket.close_code(socket.connection) == 1009

    def test_broken_utf8_closes_the_socket(self, visitor: Visitor) -> None:
        with visitor.socket() as socket:
            socket.connection.send(b"\xff\xfe", text=True)
            assert Socket.close_code(socket.connection) == 1007

    def test_who_sends_far_too_fast_is_closed(self, customer: Customer) -> None:
        with customer.visitor().socket() as socket:
            with suppress(ConnectionClosed):
                for number in range(5000):
                    socket.send(type="sync", conversation_id="x", after=number)
            assert Socket.close_code(socket.connection) == 4429


def test_nothing_of_all_this_was_stored(visitor: Visitor, conversation_id: str) -> None:
    history = visitor.history(conversation_id)
    assert [message["text"] for message in history["messages"]] == ["the only message"]
