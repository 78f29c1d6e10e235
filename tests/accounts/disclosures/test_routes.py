"""Disclosures over HTTP: roles, and what a customer gets to see."""

import base64

import pytest

from chassis.auth import STAFF
from services.accounts.app import create_app
from tests.accounts.conftest import callers
from tests.accounts.disclosures.words import MARKER, SomeWords, public_pem

DISCLOSURES = "/internal/v1/disclosures"
DECISION = {"outcome": "approved", "reason": "It fits."}


@pytest.fixture
def client(here):
    return create_app(here).test_client()


@pytest.fixture
def body(key):
    return {
        "customer_id": "c1",
        "ground": "legal-process",
        "explanation": "Order 12.",
        "scope": {"kind": "conversations", "conversation_ids": ["c-1", "c-1", "c-2"]},
        "recipient": "The court",
        "recipient_key": public_pem(key),
    }


def as_staff(role="staff-legal", subject="lea"):
    return callers.headers("accounts", role, subject=subject, name=subject.title())


def test_it_is_asked_for_and_decided_by_people_named_by_their_tokens(client, body):
    asked = client.post(DISCLOSURES, json=body, headers=as_staff())
    assert (asked.status_code, asked.json["state"]) == (201, "requested")
    assert asked.json["scope"] == {"kind": "conversations", "conversation_ids": ["c-1", "c-2"]}
    where = f"{DISCLOSURES}/{asked.json['disclosure_id']}"

    same = client.post(f"{where}/decision", json=DECISION, headers=as_staff())
    assert (same.status_code, same.json["code"]) == (403, "second-person-needed")
    other = client.post(f"{where}/decision", json=DECISION, headers=as_staff("staff-admin", "ada"))
    assert (other.status_code, other.json["decision"]["by"]["name"]) == (200, "Ada")
    again = client.post(f"{where}/decision", json=DECISION, headers=as_staff("staff-admin", "ada"))
    assert (again.status_code, again.json["code"]) == (409, "already-decided")
    assert client.get(where, headers=as_staff()).json["state"] == "approved"


@pytest.mark.parametrize(
    "role", ["owner", "admin", "operator", "analyst", "visitor", "service", "public", "disclosure"]
)
def test_nobody_but_staff_gets_near(client, body, role):
    headers = callers.headers("accounts", role, customer_id="c1", subject="x")

    assert client.post(DISCLOSURES, json=body, headers=headers).status_code == 403
    for path in ("", "/x", "/x/bundle"):
        assert client.get(f"{DISCLOSURES}{path}", headers=headers).status_code == 403
    assert client.post(f"{DISCLOSURES}/x/decision", json=DECISION, headers=headers).status_code == 403


@pytest.mark.parametrize("role", [role for role in STAFF if role != "staff-legal"])
def test_of_staff_only_legal_asks(client, body, role):
    assert client.post(DISCLOSURES, json=body, headers=as_staff(role)).status_code == 403


def test_what_does_not_exist_is_not_found(client, body):
    assert client.post(DISCLOSURES, json=body | {"customer_id": "c9"}, headers=as_staff()).status_code == 404
    assert client.get(f"{DISCLOSURES}/x", headers=as_staff()).status_code == 404
    assert client.get(f"{DISCLOSURES}/x/bundle", headers=as_staff()).status_code == 404
    assert client.post(f"{DISCLOSURES}/x/decision", json=DECISION, headers=as_staff()).status_code == 404


def test_the_bundle_comes_in_parts_that_nobody_here_can_read(client, request_one, decide, execute, sealed):
    disclosure = request_one()
    where = f"{DISCLOSURES}/{disclosure.disclosure_id}/bundle"
    assert client.get(where, headers=as_staff()).status_code == 410
    decide(disclosure)
    execute(disclosure)

    first = client.get(where, headers=as_staff()).json
    parts = [client.get(f"{where}?part={number}", headers=as_staff()) for number in range(first["parts"])]

    whole = b"".join(base64.b64decode(part.json["data"]) for part in parts)
    assert whole == sealed(disclosure)
    assert len(whole) == first["size"]
    assert MARKER.encode() not in whole
    assert client.get(f"{where}?part={first['parts']}", headers=as_staff()).status_code == 410


def test_a_customer_sees_its_own_and_not_who_of_us_it_was(client, request_one, decide, execute):
    disclosure = request_one()
    decide(disclosure)
    execute(disclosure, SomeWords({"c-1": 10}))

    def told(role="owner", customer_id="c1"):
        headers = callers.headers("accounts", role, customer_id=customer_id, subject="x")
        return client.get("/internal/v1/told-disclosures", headers=headers)

    [one] = told().json["disclosures"]
    assert (one["disclosure_id"], one["conversations"]) == (disclosure.disclosure_id, 1)
    assert "Lea" not in told().text
    assert "Leo" not in told().text
    assert told(customer_id="c2").json == {"disclosures": [], "next": None}
    for role in ("operator", "analyst", "visitor", *STAFF):
        assert told(role).status_code == 403
