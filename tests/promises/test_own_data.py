"""Promise 4, own data only: another customer's operator, and another visitor, find nothing."""

from dataclasses import dataclass

import pytest
import requests

from chassis.testing import eventually
from tests.edge.customers import Customer
from tests.edge.http import Edge, made
from tests.edge.people import WIDGET, Operator, Visitor

QUESTIONS = {"questions": [{"question_id": "q", "kind": "text", "label": "Intruder?", "is_required": False}]}
OTHERS = ("/api/v1/staff", "/api/v1/policy")
"""What is for staff, who have a test of their own, and what is everybody's."""

CHOICES = {
    "ip_capture": "off",
    "has_browser": False,
    "has_language": False,
    "page_capture": "off",
    "has_trail": False,
    "has_cookies": True,
    "invitation": None,
}

BODIES = {
    "choices": CHOICES,
    "acknowledgements": {"policy_version": "1"},
    "messages": {"client_id": "x", "text": "intruder"},
    "responses": {"answers": {"q": "intruder"}},
    "{placement}": QUESTIONS,
    "draft": QUESTIONS,
}
FORMS = ("json", "txt", "html")


@dataclass(frozen=True)
class Call:
    """One operation of the OpenAPI document that names a thing by its id."""

    method: str
    path: str

    @property
    def is_a_visitors(self) -> bool:
        return self.path.startswith(WIDGET)

    def by(self, edge: Edge, ids: dict[str, str]) -> requests.Response:
        body = BODIES.get(self.path.rpartition("/")[2], {}) if self.method != "GET" else None
        return edge.call(self.method, self.path.format(**ids), body)


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


@pytest.fixture(scope="module")
def calls(customer: Customer) -> list[Call]:
    """Every call there is that names something by its id, so that a new one cannot be forgotten here."""
    paths = Edge(customer.base_url).get("/api/v1/openapi.json").json()["paths"]
    return [
        Call(method.upper(), path.replace("{form}", form))
        for path, methods in paths.items()
        if "{" in path and not path.startswith(OTHERS)
        for method in methods
        for form in (FORMS if "{form}" in path else ("",))
    ]


@pytest.fixture(scope="module")
def token_id(customer: Customer) -> str:
    owner = customer.operator("owner")
    return str(made(owner.edge.post("/api/v1/tokens", {"name": "mine", "scopes": ["transcripts"]}))["token_id"])


@pytest.fixture(params=["sealed", "open_one"])
def ids(request: pytest.FixtureRequest, customer: Customer, token_id: str) -> dict[str, str]:
    """What really exists and is not the caller's."""
    conversation_id = request.getfixturevalue(request.param)
    return {
        "conversation_id": conversation_id,
        "transcript_id": conversation_id,
        "site_id": customer.site_id,
        "token_id": token_id,
        "placement": "pre-chat",
        "version": "1",
    }


def test_the_calls_to_cross_are_really_there(calls: list[Call]) -> None:
    assert len([call for call in calls if call.is_a_visitors]) >= 4
    assert len([call for call in calls if not call.is_a_visitors]) >= 12


def test_a_foreign_operator_gets_404(calls: list[Call], intruder: Operator, ids: dict[str, str]) -> None:
    for call in (call for call in calls if not call.is_a_visitors):
        answer = call.by(intruder.edge, ids)
        nothing = call.by(intruder.edge, {name: "0" * len(value) for name, value in ids.items()})
        assert (call, answer.status_code, nothing.status_code) == (call, 404, 404), answer.text
        assert answer.json() | {"request_id": ""} == nothing.json() | {"request_id": ""}


def test_a_foreign_visitor_gets_404(calls: list[Call], strangers: list[Visitor], ids: dict[str, str]) -> None:
    for call in (call for call in calls if call.is_a_visitors):
        for stranger in strangers:
            assert (call, call.by(stranger.edge, ids).status_code) == (call, 404)


def test_nothing_was_changed_by_the_attempts(customer: Customer, token_id: str, sealed: str, open_one: str) -> None:
    owner = customer.operator("owner")
    assert token_id in [token["token_id"] for token in made(owner.edge.get("/api/v1/tokens"), 200)["tokens"]]
    survey = made(owner.edge.get(f"/api/v1/sites/{customer.site_id}/surveys/pre-chat"), 200)
    assert "Intruder?" not in [question["label"] for question in survey["questions"]]
    assert [message["text"] for message in owner.transcript(sealed)["messages"]] == ["mine alone"]
    assert made(owner.edge.get(f"/api/v1/conversations/{open_one}"), 200)["status"] == "queued"


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


def test_no_frame_of_a_foreign_socket_reaches_a_conversation(
    customer: Customer, intruder: Operator, strangers: list[Visitor]
) -> None:
    visitor = customer.visitor()
    conversation_id = visitor.open("mine alone")
    with visitor.socket() as mine:
        for person in (intruder, *strangers):
            with person.socket() as socket:
                socket.send(type="typing", conversation_id=conversation_id)
                socket.send(type="read", conversation_id=conversation_id, seq=1)
                # Frames are heard in their order, so those before it are dealt with when this one is refused.
                socket.send(type="message", conversation_id=conversation_id, client_id="x", text="intruder")
                assert socket.until("rejected", client_id="x")["code"] == "not-found"
        mine.send(type="message", conversation_id=conversation_id, client_id="last", text="still alone")
        told = []
        while not told or told[-1].get("client_id") != "last":
            told.append(mine.receive())
    assert {frame["type"] for frame in told} <= {"message", "conversation"}
    assert {frame["text"] for frame in told if frame["type"] == "message"} <= {"mine alone", "still alone"}


def test_the_frames_that_were_tried_are_all_that_name_a_conversation(customer: Customer) -> None:
    document = requests.get(f"{customer.base_url}/api/v1/asyncapi.json", timeout=10).json()
    components = document["components"]
    names = [frame["$ref"].rpartition("/")[2] for frame in document["operations"]["fromClients"]["messages"]]
    named = {
        components["messages"][name]["name"]
        for name in names
        if "conversation_id" in components["schemas"][name]["properties"]
    }
    assert named == {"message", "sync", "typing", "read"}


def test_lists_hold_own_conversations_only(intruder: Operator, sealed: str, open_one: str) -> None:
    for path in ("/api/v1/conversations?status=queued", "/api/v1/conversations?status=closed", "/api/v1/transcripts"):
        answer = intruder.edge.get(path)
        assert answer.status_code == 200
        assert sealed not in answer.text
        assert open_one not in answer.text
