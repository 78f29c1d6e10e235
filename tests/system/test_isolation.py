"""Another customer's operator, and another visitor, find nothing."""

import pytest

from chassis.testing import eventually
from tests.edge.people import Operator, Visitor
from tests.system.conftest import Customer

OPERATOR_CALLS = [
    ("GET", "/api/v1/conversations/{id}", None),
    ("GET", "/api/v1/conversations/{id}/messages", None),
    ("POST", "/api/v1/conversations/{id}/accept", {}),
    ("POST", "/api/v1/conversations/{id}/messages", {"client_id": "x", "text": "intruder"}),
    ("POST", "/api/v1/conversations/{id}/close", {}),
    ("GET", "/api/v1/transcripts/{id}", None),
    ("GET", "/api/v1/transcripts/{id}.json", None),
    ("GET", "/api/v1/transcripts/{id}.txt", None),
    ("GET", "/api/v1/transcripts/{id}.html", None),
]
VISITOR_CALLS = [
    ("GET", "/api/v1/widget/conversations/{id}/messages", None),
    ("POST", "/api/v1/widget/conversations/{id}/messages", {"client_id": "x", "text": "intruder"}),
    ("POST", "/api/v1/widget/conversations/{id}/close", {}),
]


@pytest.fixture(scope="module")
def sealed(customer: Customer) -> str:
    visitor, operator = customer.visitor(), customer.operator()
    conversation_id = visitor.open("mine alone")
    operator.accept(conversation_id)
    operator.close(conversation_id)
    eventually(lambda: operator.transcript(conversation_id), timeout=20)
    return conversation_id


@pytest.fixture(scope="module")
def open_one(customer: Customer) -> str:
    return customer.visitor().open("mine alone")


@pytest.fixture(scope="module")
def intruder(neighbour: Customer) -> Operator:
    return neighbour.operator("owner")


@pytest.fixture(scope="module")
def strangers(customer: Customer, neighbour: Customer) -> list[Visitor]:
    return [customer.visitor(), neighbour.visitor()]


@pytest.mark.parametrize(("method", "path", "body"), OPERATOR_CALLS)
@pytest.mark.parametrize("which", ["sealed", "open_one"])
def test_a_foreign_operator_gets_404(
    request: pytest.FixtureRequest, intruder: Operator, which: str, method: str, path: str, body: dict | None
) -> None:
    conversation_id = request.getfixturevalue(which)
    answer = intruder.edge.call(method, path.format(id=conversation_id), body)
    nothing = intruder.edge.call(method, path.format(id="0" * len(conversation_id)), body)
    assert answer.status_code == nothing.status_code == 404
    assert answer.json() | {"request_id": ""} == nothing.json() | {"request_id": ""}
    assert "mine alone" not in answer.text


@pytest.mark.parametrize(("method", "path", "body"), VISITOR_CALLS)
@pytest.mark.parametrize("which", ["sealed", "open_one"])
def test_a_foreign_visitor_gets_404(
    request: pytest.FixtureRequest, strangers: list[Visitor], which: str, method: str, path: str, body: dict | None
) -> None:
    conversation_id = request.getfixturevalue(which)
    for stranger in strangers:
        assert stranger.edge.call(method, path.format(id=conversation_id), body).status_code == 404


def test_a_foreign_socket_can_neither_read_nor_write(
    customer: Customer, intruder: Operator, strangers: list[Visitor], open_one: str
) -> None:
    for person in (intruder, *strangers):
        with person.socket() as socket:
            socket.send(type="message", conversation_id=open_one, client_id="x", text="intruder")
            assert socket.until("rejected", client_id="x")["code"] == "not-found"
            socket.send(type="sync", conversation_id=open_one, after=0)
            assert socket.until("rejected")["code"] == "not-found"
    operator = customer.operator()
    answer = operator.edge.get(f"/api/v1/conversations/{open_one}/messages").json()
    assert [message["text"] for message in answer["messages"]] == ["mine alone"]


def test_lists_hold_own_conversations_only(intruder: Operator, sealed: str, open_one: str) -> None:
    for path in ("/api/v1/conversations?status=queued", "/api/v1/conversations?status=closed", "/api/v1/transcripts"):
        answer = intruder.edge.get(path)
        assert answer.status_code == 200
        assert sealed not in answer.text
        assert open_one not in answer.text
