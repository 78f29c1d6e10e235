from chassis.testing import Callers
from tests.accounts.conftest import callers


def test_an_operator_learns_who_they_are(client, edge, ann):
    reply = client.get("/internal/v1/operators/me", headers=edge.as_operator(ann))

    assert reply.json == {
        "operator_id": ann.operator_id,
        "customer_id": "c1",
        "name": "Ann",
        "email": "ann@shop.example",
        "role": "operator",
    }


def test_an_operator_of_another_customer_is_not_found(client, ann):
    headers = callers.headers("accounts", "owner", customer_id="c2", subject=ann.operator_id)

    reply = client.get("/internal/v1/operators/me", headers=headers)

    assert (reply.status_code, reply.json["code"]) == (404, "not-found")


def test_a_service_unknown_here_is_not_believed(client):
    headers = Callers("gateway").headers("accounts", "owner", customer_id="c1", subject="o1")

    assert client.get("/internal/v1/operators/me", headers=headers).status_code == 401
