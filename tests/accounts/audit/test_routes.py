"""The audit over HTTP."""

import hashlib
import json

import pytest

from services.accounts.audit import model
from tests.accounts.builders import an_operator
from tests.accounts.conftest import callers

AUDIT = "/internal/v1/audit"
ACT = {"act_id": "act-1", "act": "sessions.issue_token", "subject": {"token_id": "t"}}


@pytest.fixture
def olivia(context):
    return an_operator(context, "c1", email="olivia@shop.example", role="owner")


@pytest.fixture
def note(client):
    def noted(role="operator", service="gateway", body=ACT, **claims):
        headers = callers.headers(
            "accounts", role, service=service, **{"customer_id": "c1", "subject": "ann", **claims}
        )
        return client.post(f"{AUDIT}/acts", json=body, headers=headers)

    return noted


@pytest.fixture
def read(client):
    def read_all(role="owner", customer_id="c1", query=""):
        headers = callers.headers("accounts", role, customer_id=customer_id, subject="olivia")
        return client.get(f"{AUDIT}/entries{query}", headers=headers)

    return read_all


def test_an_act_is_in_the_chain_of_the_callers_customer(note, read):
    assert [note().status_code, note().status_code] == [204, 204]

    [entry] = read().json["entries"]
    assert (entry["act"], entry["subject"], entry["number"]) == ("sessions.issue_token", {"token_id": "t"}, 1)
    assert entry["actor"] == {"kind": "operator", "id": "ann", "role": "operator"}
    assert read(customer_id="c2").json["entries"] == []


def test_the_entry_is_told_in_the_form_that_its_hash_is_over(note, read):
    note()

    [entry] = read().json["entries"]
    said = {name: value for name, value in entry.items() if name != "hash"}
    assert hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest() == entry["hash"]


def test_an_outcome_follows_its_act(note, read):
    note()
    note(body=ACT | {"outcome": "409"})
    note(body=ACT | {"outcome": "409"})

    outcome, _ = read().json["entries"]
    assert outcome["details"] == {"outcome": "409", "of": "act-1"}


def test_staff_have_a_chain_of_their_own_even_if_a_customer_is_named(note, read, context):
    assert note(role="staff-legal").status_code == 204

    assert read().json["entries"] == []
    assert [entry.actor.kind for entry in context.audit.newest(model.STAFF_CHAIN, before=None, limit=5)] == ["staff"]


def test_nobody_but_the_gateway_notes_for_people(note):
    assert note(service="chat").status_code == 403
    assert note(role="visitor").status_code == 403
    assert note(role="service").status_code == 403


@pytest.mark.parametrize("role", ["operator", "analyst", "visitor", "staff-legal", "staff-admin", "service"])
def test_nobody_but_owners_and_admins_reads(client, read, role):
    assert read(role=role).status_code == 403
    headers = callers.headers("accounts", role, customer_id="c1", subject="x")
    assert client.get(f"{AUDIT}/head", headers=headers).status_code == 403
    assert client.post(f"{AUDIT}/heads", headers=headers).status_code == 403


@pytest.mark.parametrize("body", [{"act": {"$ne": 1}}, {"subject": {"$where": "x"}}, {"subject": "x"}, {"act_id": ""}])
def test_what_is_no_act_is_refused(note, body):
    assert note(body=ACT | body).status_code == 422


@pytest.mark.parametrize("after", ["x", "-1", "1e3", "9" * 18])
def test_what_is_no_cursor_is_refused(read, after):
    assert read(query=f"?after={after}").status_code == 422


def test_pages_are_linked(note, read):
    for number in range(3):
        note(body=ACT | {"act_id": f"act-{number}"})

    first = read(query="?limit=2").json
    second = read(query=f"?limit=2&after={first['next']}").json
    assert [entry["number"] for page in (first, second) for entry in page["entries"]] == [3, 2, 1]
    assert second["next"] is None


def test_a_head_is_signed_when_it_is_wanted(client, note):
    headers = callers.headers("accounts", "owner", customer_id="c1", subject="olivia")
    assert client.get(f"{AUDIT}/head", headers=headers).json == {"head": None}
    note()

    made = client.post(f"{AUDIT}/heads", headers=headers)

    assert made.status_code == 201
    head = model.read_head(made.json["head"]["certificate"], jwks=callers.jwks)
    assert (head.chain, head.number) == ("c1", 1)
    assert client.get(f"{AUDIT}/head", headers=headers).json == made.json


def test_signing_in_is_noted_before_there_is_a_session(edge, olivia, read, context):
    made = edge.sign_in(olivia.email).json

    [entry] = read().json["entries"]
    assert (entry["act"], entry["subject"]) == ("sessions.sign_in", {"session_id": made["session_id"]})
    assert entry["actor"] == {"kind": "operator", "id": olivia.operator_id, "role": "owner"}


def test_a_wrong_password_is_no_act(edge, olivia, read):
    edge.sign_in(olivia.email, "wrong")

    assert read().json["entries"] == []
