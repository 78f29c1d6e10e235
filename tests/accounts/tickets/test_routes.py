import pytest

from tests.accounts.conftest import callers

VISITOR = {"kind": "visitor", "customer_id": "c1", "subject": "v1", "name": "", "role": "visitor", "site_id": "site1"}


def as_visitor(customer_id="c1"):
    return callers.headers("accounts", "visitor", customer_id=customer_id, subject="v1")


def issue(client, claims, headers=None):
    return client.post("/internal/v1/tickets", json={"claims": claims}, headers=headers or as_visitor())


def redeem(client, edge, ticket):
    return client.post("/internal/v1/ticket-redemptions", json={"ticket": ticket}, headers=edge.as_public())


def test_a_visitors_ticket_is_redeemed_once(client, edge):
    issued = issue(client, VISITOR)
    assert issued.status_code == 201
    assert issued.json["expires_in"] == 60

    assert redeem(client, edge, issued.json["ticket"]).json == {"claims": VISITOR | {"session_id": None}}
    again = redeem(client, edge, issued.json["ticket"])
    assert (again.status_code, again.json["code"]) == (404, "not-found")


def test_an_operators_ticket_ends_with_the_session(client, edge, ann):
    _, headers = edge.signed_in(ann)
    session_id = client.get("/internal/v1/sessions/current", headers=headers).json["session_id"]
    claims = {
        "kind": "operator",
        "customer_id": "c1",
        "subject": ann.operator_id,
        "name": "Ann",
        "role": "operator",
        "session_id": session_id,
    }
    first, second = (issue(client, claims, headers).json["ticket"] for _ in range(2))

    assert redeem(client, edge, first).json["claims"]["subject"] == ann.operator_id
    client.delete("/internal/v1/sessions/current", headers=headers)
    assert redeem(client, edge, second).status_code == 404


def test_the_gateway_itself_may_ask_for_a_ticket(client):
    assert issue(client, VISITOR, callers.headers("accounts", "service")).status_code == 201


def test_a_ticket_for_another_customer_is_refused(client):
    reply = issue(client, VISITOR, as_visitor("c2"))

    assert (reply.status_code, reply.json["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    "changed",
    [
        {"customer_id": {"$ne": 1}},
        {"subject": {"$gt": ""}},
        {"name": ["x"]},
        {"role": "owner"},
        {"role": {"$in": []}},
        {"kind": "staff"},
        {"site_id": {"$exists": True}},
        {"extra": 1},
        {"subject": ""},
    ],
)
def test_claims_of_another_shape_are_refused(client, context, changed):
    reply = issue(client, VISITOR | changed)

    assert (reply.status_code, reply.json["code"]) == (422, "invalid")
    assert context.database["tickets"].count_documents({}) == 0


@pytest.mark.parametrize("ticket", [{"$ne": ""}, 1, None, "", [], "x" * 257])
def test_a_ticket_is_text(client, edge, ticket):
    issue(client, VISITOR)

    assert redeem(client, edge, ticket).status_code == 422
