from datetime import timedelta

import pytest

from chassis.auth import STAFF
from chassis.clock import now
from tests.accounts.builders import a_posted_version
from tests.accounts.conftest import callers

POLICY = "/internal/v1/policy"
DRAFT = {"summary": "Less.", "text": "We keep less."}


def headers(role):
    return callers.headers("accounts", role, subject="lea")


@pytest.fixture
def legal():
    return headers("staff-legal")


@pytest.mark.parametrize("role", ["public", "visitor", "operator", "staff-support"])
def test_everybody_may_read_the_policy_in_force_the_one_to_come_and_all_others(client, context, role):
    a_posted_version(context.database["policy_versions"], 2, posted_at=now())

    reply = client.get(POLICY, headers=headers(role)).json

    assert reply["in_force"]["version"] == "1"
    assert set(reply["in_force"]) == {"version", "effective_at", "posted_at", "summary", "text"}
    assert (reply["upcoming"]["version"], reply["upcoming"]["text"]) == ("2", "Text 2.")
    listed = client.get(f"{POLICY}/versions", headers=headers(role)).json["versions"]
    assert [(one["version"], one["state"]) for one in listed] == [("2", "upcoming"), ("1", "in-force")]
    assert client.get(f"{POLICY}/versions/2", headers=headers(role)).json["text"] == "Text 2."
    assert client.get(f"{POLICY}/versions/9", headers=headers(role)).status_code == 404


def test_nothing_may_be_to_come(client):
    assert client.get(POLICY, headers=headers("public")).json["upcoming"] is None


def test_a_draft_is_saved_looked_at_changed_and_posted(client, legal):
    saved = client.put(f"{POLICY}/draft", json=DRAFT, headers=legal).json
    again = {**DRAFT, "text": "We keep nothing.", "draft_id": saved["draft_id"], "revision": saved["revision"]}
    assert client.put(f"{POLICY}/draft", json=again, headers=legal).json["revision"] == 2
    assert client.put(f"{POLICY}/draft", json=again, headers=legal).status_code == 409
    assert client.get(f"{POLICY}/draft", headers=legal).json["text"] == "We keep nothing."

    which = {"draft_id": saved["draft_id"], "revision": 2}
    posted = client.post(f"{POLICY}/versions", json=which, headers=legal)

    assert (posted.status_code, posted.json["version"], posted.json["text"]) == (201, "2", "We keep nothing.")
    assert client.get(f"{POLICY}/draft", headers=legal).status_code == 404


def test_a_draft_can_be_dropped(client, legal):
    saved = client.put(f"{POLICY}/draft", json=DRAFT, headers=legal).json
    which = {"draft_id": saved["draft_id"], "revision": 1}

    assert client.delete(f"{POLICY}/draft", query_string=which, headers=legal).status_code == 204
    assert client.delete(f"{POLICY}/draft", query_string=which, headers=legal).status_code == 409


@pytest.mark.parametrize("early", [timedelta(days=14, hours=23), timedelta(0), timedelta(days=-400)])
def test_a_direct_call_cannot_make_it_take_effect_earlier(client, legal, early):
    saved = client.put(f"{POLICY}/draft", json=DRAFT, headers=legal).json
    which = {"draft_id": saved["draft_id"], "revision": 1, "effective_at": (now() + early).isoformat()}

    reply = client.post(f"{POLICY}/versions", json=which, headers=legal)

    assert (reply.status_code, reply.json["errors"][0]["field"]) == (422, "effective_at")
    assert len(client.get(f"{POLICY}/versions", headers=legal).json["versions"]) == 1


@pytest.mark.parametrize("role", ["public", "visitor", "service", "owner", "admin", "staff-support", "staff-reviewer"])
def test_only_legal_and_admin_of_our_staff_may_draft_and_post(client, role):
    for method, path in (("GET", "draft"), ("PUT", "draft"), ("POST", "versions")):
        body = DRAFT if method == "PUT" else {"draft_id": "x", "revision": 1}
        assert client.open(f"{POLICY}/{path}", method=method, json=body, headers=headers(role)).status_code == 403


@pytest.mark.parametrize("role", STAFF)
def test_all_staff_may_see_how_far_the_notices_are(client, role):
    assert client.get(f"{POLICY}/versions/1/notices", headers=headers(role)).json == {"version": "1", "notices": []}
    assert client.get(f"{POLICY}/versions/1/notices", headers=headers("owner")).status_code == 403
