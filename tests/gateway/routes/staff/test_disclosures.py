"""Disclosures at the desk: who may ask, and the sealed bundle as it is."""

import pytest

DISCLOSURES = "/api/v1/staff/disclosures"
OWN = {"Origin": "http://localhost:8080"}
ASKED = {
    "customer_id": "customer-1",
    "ground": "legal-process",
    "explanation": "Order 1.",
    "scope": {"kind": "conversations", "conversation_ids": ["c-1"]},
    "recipient": "A court",
    "recipient_key": "x",
}


@pytest.fixture
def as_staff(client):
    def sign_in(role):
        client.here.staff.add(f"secret-{role}", role=role)
        client.set_cookie("staff", f"secret-{role}")
        return client

    return sign_in


@pytest.mark.parametrize("role", ["staff-support", "staff-reviewer", "staff-admin"])
def test_only_legal_asks(as_staff, role):
    assert as_staff(role).post(DISCLOSURES, json=ASKED, headers=OWN).status_code == 403


@pytest.mark.parametrize("role", ["staff-support", "staff-reviewer"])
def test_only_legal_and_admin_decide_and_look(as_staff, role):
    client = as_staff(role)

    assert client.get(DISCLOSURES).status_code == 403
    assert client.get(f"{DISCLOSURES}/disclosure-1/bundle").status_code == 403
    decision = {"outcome": "approved", "reason": "Fine."}
    assert client.post(f"{DISCLOSURES}/d/decision", json=decision, headers=OWN).status_code == 403


def test_what_is_asked_is_passed_on_in_the_name_of_who_asks(as_staff):
    client = as_staff("staff-legal")

    assert client.post(DISCLOSURES, json=ASKED, headers=OWN).status_code == 404

    [(name, caller, (body,))] = client.here.disclosures.asked
    assert (name, caller.role, caller.subject, caller.customer_id) == ("request", "staff-legal", "staff-1", None)
    assert body == ASKED | {"gag_reference": ""}


@pytest.mark.parametrize(
    "changes",
    [
        {"ground": "curiosity"},
        {"scope": {"kind": "everything"}},
        {"scope": {"kind": "conversations", "conversation_ids": []}},
        {"scope": {"kind": "period", "since": "2026-01-01T00:00:00Z"}},
        {"explanation": " "},
        {"scope": {"kind": "visitor", "visitor_id": {"$ne": 1}}},
        {"gag_until": 5},
    ],
)
def test_what_does_not_fit_is_refused(as_staff, changes):
    answer = as_staff("staff-legal").post(DISCLOSURES, json=ASKED | changes, headers=OWN)

    assert (answer.status_code, answer.json["code"]) == (422, "invalid")


def test_the_bundle_is_given_whole_and_as_it_is_and_that_is_noted(as_staff):
    client = as_staff("staff-admin")

    answer = client.get(f"{DISCLOSURES}/disclosure-1/bundle")

    assert answer.data == b"part 0;part 1;part 2;"
    assert answer.headers["Content-Length"] == "21"
    assert "attachment" in answer.headers["Content-Disposition"]
    assert [one["act"] for one in client.here.audit.noted] == ["staff_disclosures.download"]
    assert client.get(f"{DISCLOSURES}/another/bundle").status_code == 404
