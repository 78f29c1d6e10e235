"""What operators and staff do is noted before it is done, and what cannot be noted is not done."""

import pytest

from chassis.http import ServiceUnavailable
from services.gateway.routes.acts import ELSEWHERE, OPENINGS

OWN = {"Origin": "http://localhost:8080"}
QUESTIONS = {"questions": []}


@pytest.fixture
def owner(client):
    client.here.accounts.add_operator("owner-session", role="owner")
    client.set_cookie("session", "owner-session")
    return client


def acts(client):
    return [(one["act"], one.get("outcome")) for one in client.here.audit.noted]


def test_an_act_is_noted_by_its_endpoint_with_the_ids_of_its_path_and_who_did_it(owner):
    owner.delete("/api/v1/tokens/token-1", headers=OWN)

    [noted] = owner.here.audit.noted
    assert (noted["act"], noted["subject"]) == ("sessions.revoke_token", {"token_id": "token-1"})
    assert (noted["by"], noted["role"]) == ("operator-1", "owner")


def test_what_cannot_be_noted_is_not_done(owner):
    owner.here.audit.failure = ServiceUnavailable("accounts")

    answer = owner.delete("/api/v1/sessions/current", headers=OWN)

    assert answer.status_code == 503
    assert owner.here.accounts.signed_out == []


def test_an_act_that_is_refused_is_noted_as_that_under_the_same_id(owner):
    assert owner.delete("/api/v1/tokens/another", headers=OWN).status_code == 404

    begun, ended = owner.here.audit.noted
    assert (begun["act_id"], begun.get("outcome"), ended["outcome"]) == (ended["act_id"], None, "404")


def test_an_act_whose_end_nobody_knows_is_noted_as_that(owner):
    assert owner.post("/api/v1/conversations/c-1/close", json={}, headers=OWN).status_code == 202
    assert acts(owner) == [("conversations.close_conversation", None), ("conversations.close_conversation", "202")]


def test_an_outcome_that_cannot_be_noted_changes_no_answer(owner, monkeypatch):
    audit = owner.here.audit
    note = audit.note

    def note_and_fail(*of, **told):
        note(*of, **told)
        audit.failure = ServiceUnavailable("accounts")

    monkeypatch.setattr(audit, "note", note_and_fail)

    assert owner.delete("/api/v1/tokens/another", headers=OWN).status_code == 404


def test_who_may_not_do_it_and_who_only_looks_have_done_nothing(client, operator, visitor):
    client.post("/api/v1/conversations/c-1/close", json={})
    client.get("/api/v1/conversations", headers=operator)
    client.put("/api/v1/sites/site-1/surveys/pre-chat", json=QUESTIONS, headers=operator)
    client.post("/api/v1/widget/tickets", json={}, headers=visitor)

    assert acts(client) == []


def test_opening_the_record_is_an_act(client, operator):
    client.get("/api/v1/transcripts", headers=operator)
    client.get("/api/v1/transcripts/c-1", headers=operator)
    client.get("/api/v1/transcripts/c-1.txt", headers=operator)

    begun = [act for act, outcome in acts(client) if outcome is None]
    assert begun == ["transcripts.show_transcript", "transcripts.export_transcript"]
    assert client.here.audit.noted[-1]["subject"]["transcript_id"] == "c-1"


def test_looking_at_billing_details_and_at_an_identity_document_are_acts(client):
    client.here.accounts.add_operator("secret-of-olga", role="owner")
    client.set_cookie("session", "secret-of-olga")
    client.get("/api/v1/account/billing")
    client.here.staff.add("secret-of-rea", role="staff-reviewer")
    client.set_cookie("staff", "secret-of-rea")
    client.get("/api/v1/staff/identity/verifications/v-1/document")

    begun = [(noted["act"], noted["role"]) for noted in client.here.audit.noted if "outcome" not in noted]
    assert begun[0] == ("account_details.show_billing", "owner")
    assert begun[-1] == ("staff_identity.show_document", "staff-reviewer")


def test_staff_are_noted_without_a_customer(client):
    client.here.staff.add("secret-of-lea")
    client.set_cookie("staff", "secret-of-lea")

    client.delete("/api/v1/staff/sessions/current", headers=OWN)

    [noted] = client.here.audit.noted
    assert (noted["act"], noted["role"]) == ("staff_sessions.sign_out", "staff-legal")


def test_what_is_left_out_or_added_by_name_is_really_there(client):
    endpoints = {rule.endpoint for rule in client.application.url_map.iter_rules()}

    assert set(ELSEWHERE) <= endpoints
    assert endpoints >= OPENINGS
