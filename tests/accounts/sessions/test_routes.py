import pytest

from services.accounts.sessions.model import SCOPES
from tests.accounts.builders import PASSWORD, outbox
from tests.accounts.conftest import callers


def test_signing_in_tells_token_and_operator(edge, ann):
    reply = edge.sign_in("ann@shop.example")

    assert reply.status_code == 201
    assert set(reply.json) == {"token", "session_id", "expires_at", "operator"}
    assert reply.json["expires_at"].endswith("Z")
    assert reply.json["operator"] == {
        "operator_id": ann.operator_id,
        "customer_id": "c1",
        "name": "Ann",
        "email": "ann@shop.example",
        "role": "operator",
    }


def test_a_wrong_address_and_a_wrong_password_get_the_same_answer(edge, ann):
    wrong_password = edge.sign_in("ann@shop.example", "wrong password")
    wrong_address = edge.sign_in("nobody@shop.example", PASSWORD)

    assert wrong_password.status_code == wrong_address.status_code == 401
    assert wrong_password.json["code"] == "wrong-credentials"
    assert wrong_password.json | {"request_id": ""} == wrong_address.json | {"request_id": ""}


@pytest.mark.parametrize("field", ["email", "password", "ip", "user_agent"])
@pytest.mark.parametrize("value", [{"$ne": 1}, {"$gt": ""}, ["a"], 1, None, True])
def test_operators_of_the_database_are_refused_in_every_field(edge, ann, client, field, value):
    body = {"email": ann.email, "password": PASSWORD, "ip": "", "user_agent": "", field: value}

    reply = client.post("/internal/v1/sessions", json=body, headers=edge.as_public())

    assert (reply.status_code, reply.json["code"]) == (422, "invalid")
    assert [error["field"] for error in reply.json["errors"]] == [field]


def test_a_password_is_never_repeated_in_an_answer(edge, client):
    body = {"email": "a@b", "password": "sesame " * 300, "extra": "sesame"}

    reply = client.post("/internal/v1/sessions", json=body, headers=edge.as_public())

    assert reply.status_code == 422
    assert "sesame" not in reply.get_data(as_text=True)


def test_introspection_tells_who_a_session_stands_for(edge, ann):
    signed_in = edge.sign_in("ann@shop.example").json

    reply = edge.introspect(signed_in["token"])

    assert reply.json == {
        "kind": "session",
        "session_id": signed_in["session_id"],
        "operator_id": ann.operator_id,
        "customer_id": "c1",
        "role": "operator",
        "name": "Ann",
        "scopes": list(SCOPES),
        "expires_at": signed_in["expires_at"],
    }


@pytest.mark.parametrize("token", ["velaro_session_x", "velaro_token_x", "anything"])
def test_introspection_of_an_unknown_token_finds_nothing(edge, token):
    reply = edge.introspect(token)

    assert (reply.status_code, reply.json["code"]) == (404, "not-found")


@pytest.mark.parametrize("token", [{"$ne": ""}, [], 1, None, "", "x" * 257])
def test_introspection_takes_a_token_and_nothing_else(edge, token):
    assert edge.introspect(token).status_code == 422


def test_signing_out_ends_the_session(edge, client, context, ann):
    token, headers = edge.signed_in(ann)
    assert client.get("/internal/v1/sessions/current", headers=headers).json["kind"] == "session"

    reply = client.delete("/internal/v1/sessions/current", headers=headers)

    assert (reply.status_code, reply.data) == (204, b"")
    assert edge.introspect(token).status_code == 404
    assert client.get("/internal/v1/sessions/current", headers=headers).status_code == 404
    assert [event["type"] for event in outbox(context)] == ["accounts.session.revoked.v1"]


def test_a_token_is_issued_listed_used_and_revoked(edge, client, ann):
    _, headers = edge.signed_in(ann)
    body = {"name": " export ", "scopes": ["transcripts", "transcripts"], "expires_at": "2999-01-01T00:00:00+01:00"}

    issued = client.post("/internal/v1/tokens", json=body, headers=headers)
    assert issued.status_code == 201
    secret = issued.json.pop("token")
    assert (issued.json["name"], issued.json["scopes"]) == ("export", ["transcripts"])
    assert issued.json["expires_at"] == "2998-12-31T23:00:00Z"

    [listed] = client.get("/internal/v1/tokens", headers=headers).json["tokens"]
    assert "token" not in listed
    assert listed["token_id"] == issued.json["token_id"]

    found = edge.introspect(secret).json
    assert (found["kind"], found["session_id"], found["scopes"]) == ("token", listed["token_id"], ["transcripts"])

    assert client.delete(f"/internal/v1/tokens/{listed['token_id']}", headers=headers).status_code == 204
    assert edge.introspect(secret).status_code == 404
    assert client.delete(f"/internal/v1/tokens/{listed['token_id']}", headers=headers).status_code == 404


@pytest.mark.parametrize(
    "changed",
    [
        {"name": {"$ne": 1}},
        {"name": "  "},
        {"name": "x" * 101},
        {"scopes": []},
        {"scopes": ["everything"]},
        {"scopes": {"$in": []}},
        {"expires_at": 4102444800},
        {"expires_at": {"$gt": 0}},
        {"expires_at": "2001-01-01T00:00:00Z"},
        {"operator_id": "somebody"},
        {"customer_id": "c2"},
    ],
)
def test_a_token_is_not_issued_on_bad_terms(edge, client, context, ann, changed):
    _, headers = edge.signed_in(ann)
    body = {"name": "export", "scopes": ["transcripts"]} | changed

    reply = client.post("/internal/v1/tokens", json=body, headers=headers)

    assert (reply.status_code, reply.json["code"]) == (422, "invalid")
    assert reply.json["errors"]
    assert context.database["tokens"].count_documents({}) == 0


def test_a_token_cannot_be_issued_with_a_token(edge, client, ann):
    _, headers = edge.signed_in(ann)
    body = {"name": "export", "scopes": ["transcripts"]}
    token_id = client.post("/internal/v1/tokens", json=body, headers=headers).json["token_id"]

    reply = client.post("/internal/v1/tokens", json=body, headers=edge.as_operator(ann, token_id))

    assert (reply.status_code, reply.json["code"]) == (403, "session-needed")


def test_owners_see_and_revoke_their_customers_tokens_and_no_others(edge, client, context, ann, eve):
    _, headers = edge.signed_in(ann)
    body = {"name": "export", "scopes": ["transcripts"]}
    token_id = client.post("/internal/v1/tokens", json=body, headers=headers).json["token_id"]
    colleague = callers.headers("accounts", "operator", customer_id="c1", subject="colleague")
    owner = callers.headers("accounts", "owner", customer_id="c1", subject="boss")

    for stranger in (colleague, edge.as_operator(eve)):
        assert client.get("/internal/v1/tokens", headers=stranger).json == {"tokens": []}
        unknown = client.delete("/internal/v1/tokens/unknown", headers=stranger)
        foreign = client.delete(f"/internal/v1/tokens/{token_id}", headers=stranger)
        assert foreign.status_code == unknown.status_code == 404
        assert foreign.json | {"request_id": ""} == unknown.json | {"request_id": ""}

    assert len(client.get("/internal/v1/tokens", headers=owner).json["tokens"]) == 1
    assert client.delete(f"/internal/v1/tokens/{token_id}", headers=owner).status_code == 204
    assert outbox(context)[0]["operator_id"] == ann.operator_id


@pytest.mark.parametrize("role", ["public", "visitor", "service"])
def test_only_operators_have_sessions_and_tokens(client, role):
    headers = callers.headers("accounts", role, customer_id="c1", subject="v1", session_id="s1")

    assert client.get("/internal/v1/tokens", headers=headers).status_code == 403
    assert (
        client.post("/internal/v1/tokens", json={"name": "x", "scopes": ["surveys"]}, headers=headers).status_code
        == 403
    )
    assert client.delete("/internal/v1/tokens/t1", headers=headers).status_code == 403
    assert client.delete("/internal/v1/sessions/current", headers=headers).status_code == 403
