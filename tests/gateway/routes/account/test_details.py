"""A customer's account is for people who are signed in, in the right role."""

import pytest

from chassis.http import RemoteProblem

ACCOUNT = "/api/v1/account"
OWN = {"Origin": "http://localhost:8080"}
ADDRESS = {"street": "1 Road", "city": "Town", "country": "GB"}
CONTACT = {"name": "A", "contact_person": "B", "email": "a@b.example", "telephone": "+44", "address": ADDRESS}
PART = {"state": "missing", "revision": 0, "confirmed_at": None, "due_at": None}
SITE = {"name": "Second", "origins": ["https://second.example"]}


@pytest.fixture
def signed_in(client):
    def sign_in(role="owner"):
        client.here.accounts.add_operator("secret", role=role)
        client.set_cookie("session", "secret")
        return client

    return sign_in


def test_an_owner_sees_how_the_account_stands(signed_in):
    client = signed_in()
    client.here.account.answer = {"is_complete": False, "contact": PART, "billing": PART}

    assert client.get(ACCOUNT).json["is_complete"] is False
    [(_, caller, _)] = client.here.account.asked
    assert (caller.customer_id, caller.subject, caller.session_id) == ("customer-1", "operator-1", "session-of-secret")


def test_what_is_given_goes_on_whole_and_what_is_refused_comes_back_as_it_is(signed_in):
    client = signed_in()
    errors = [{"field": "telephone", "detail": "looks like a card number"}]
    client.here.account.refusal = RemoteProblem(422, {"code": "card-number", "detail": "No.", "errors": errors})

    refused = client.put(f"{ACCOUNT}/contact", json=CONTACT, headers=OWN)

    assert (refused.status_code, refused.json["code"], refused.json["errors"]) == (422, "card-number", errors)
    [(what, _, body)] = client.here.account.asked
    assert (what, body) == (
        "change contact",
        CONTACT | {"revision": 0, "address": {**ADDRESS, "area": "", "postcode": ""}},
    )


@pytest.mark.parametrize("role", ["operator", "analyst"])
def test_others_may_read_the_contact_and_nothing_else(signed_in, role):
    client = signed_in(role)
    client.here.account.refusal = RemoteProblem(404, {"code": "not-found"})

    assert client.get(f"{ACCOUNT}/contact").status_code == 404
    for path in ("", "/billing", "/history"):
        assert client.get(f"{ACCOUNT}{path}").status_code == 403
    assert client.put(f"{ACCOUNT}/contact", json=CONTACT, headers=OWN).status_code == 403
    assert client.post("/api/v1/sites", json=SITE, headers=OWN).status_code == 403
    assert [what for what, _, _ in client.here.account.asked] == ["contact"]


def test_no_program_gets_there(client):
    client.here.accounts.add_operator("token", kind="token", role="owner")
    for path in (ACCOUNT, f"{ACCOUNT}/contact", f"{ACCOUNT}/billing", "/api/v1/identity"):
        assert client.get(path, headers={"Authorization": "Bearer token"}).status_code == 403


def test_an_owner_adds_a_site(signed_in):
    client = signed_in()

    made = client.post("/api/v1/sites", json=SITE, headers=OWN)

    assert (made.status_code, made.json["site_key"]) == (201, "key-2")
    assert client.post("/api/v1/sites", json=SITE | {"customer_id": "c2"}, headers=OWN).status_code == 422
