"""Staff come in by a cookie of their own, and only to what is theirs."""

import re

import pytest

from services.gateway.routes.staff import BLUEPRINTS

STAFF = "/api/v1/staff"
OWN = {"Origin": "http://localhost:8080"}
ANSWER = {"client_id": "answer-0001", "text": "Words"}
DRAFT = {"summary": "Less.", "text": "We keep less."}
DISCLOSURE = {
    "customer_id": "customer-1",
    "ground": "emergency",
    "explanation": "A life is at stake.",
    "scope": {"kind": "visitor", "visitor_id": "visitor-1"},
    "recipient": "The police",
    "recipient_key": "x",
}
IDENTITY_DECISION = {"decision": "approved", "reason": "x"}
BODIES = {
    "draft": DRAFT,
    "disclosures": DISCLOSURE,
    "decision": {"outcome": "approved", "reason": "It fits."},
    "review": {"outcome": "upheld", "reason": "It was right."},
}


@pytest.fixture
def legal(client):
    client.here.staff.add("secret-of-lea")
    client.set_cookie("staff", "secret-of-lea")
    return client


def test_signing_in_sets_a_cookie_that_no_script_and_no_other_site_gets(client):
    body = {"email": "lea@velaro.example", "password": "right"}
    reply = client.post(f"{STAFF}/sessions", json=body)

    assert (reply.status_code, reply.json["staff"]["role"]) == (201, "legal")
    assert "token" not in reply.text
    cookie = reply.headers["Set-Cookie"]
    assert cookie.startswith("staff=staff-secret;")
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Strict", "Path=/"))


def test_over_tls_the_cookie_is_bound_to_this_host(make_client):
    client = make_client(public_url="https://chat.example.com")
    body = {"email": "lea@velaro.example", "password": "right"}
    cookie = client.post(f"{STAFF}/sessions", json=body).headers["Set-Cookie"]

    assert cookie.startswith("__Host-staff=")
    assert "Secure" in cookie


def test_wrong_credentials_are_told_as_such(client):
    reply = client.post(f"{STAFF}/sessions", json={"email": "lea@velaro.example", "password": "wrong"})

    assert (reply.status_code, reply.json["code"]) == (401, "wrong-credentials")


def test_signing_out_ends_the_session_and_takes_the_cookie_back(legal):
    reply = legal.delete(f"{STAFF}/sessions/current", headers=OWN)

    assert reply.status_code == 204
    assert [caller.session_id for caller in legal.here.staff.signed_out] == ["session-of-secret-of-lea"]
    assert "staff=;" in reply.headers["Set-Cookie"]


def test_every_call_of_staff_needs_a_session_of_staff(client):
    client.here.accounts.add_operator("secret-of-olga")
    client.set_cookie("session", "secret-of-olga")
    client.set_cookie("staff", "secret-of-olga")
    rules = [rule for rule in client.application.url_map.iter_rules() if rule.rule.startswith(STAFF)]

    assert {rule.endpoint.partition(".")[0] for rule in rules} == {blueprint.name for blueprint in BLUEPRINTS}
    for rule in rules:
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            if (method, rule.rule) != ("POST", f"{STAFF}/sessions"):
                path = re.sub("<[^>]+>", "1", rule.rule) + "?draft_id=x&revision=1" * (method == "DELETE")
                body = BODIES.get(rule.rule.rpartition("/")[2], {"draft_id": "x", "revision": 1})
                body = IDENTITY_DECISION if rule.endpoint == "staff_identity.decide" else body
                body = ANSWER if rule.rule.endswith("/answers") else body
                answer = client.open(
                    path, method=method, headers=OWN, json=None if method in ("GET", "DELETE") else body
                )
                assert answer.status_code == 401, (method, path)


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_another_site_cannot_use_the_browser_of_staff(legal, headers):
    reply = legal.put(f"{STAFF}/policy/draft", json=DRAFT, headers=headers)

    assert (reply.status_code, reply.json["code"]) == (403, "cross-site")
    assert legal.here.policy.saved == []


@pytest.mark.parametrize("role", ["staff-support", "staff-reviewer"])
def test_only_legal_and_admin_write_the_policy(client, role):
    client.here.staff.add("secret", role=role)
    client.set_cookie("staff", "secret")

    assert client.put(f"{STAFF}/policy/draft", json=DRAFT, headers=OWN).status_code == 403
    assert client.get(f"{STAFF}/policy/versions/3/notices").json == {"version": "3", "notices": []}


def test_what_is_written_is_asked_for_in_the_name_of_who_writes_and_of_no_customer(legal):
    assert legal.put(f"{STAFF}/policy/draft", json=DRAFT, headers=OWN).status_code == 200
    posted = legal.post(f"{STAFF}/policy/versions", json={"draft_id": "draft-1", "revision": 1}, headers=OWN)

    assert (posted.status_code, posted.json["version"]) == (201, "4")
    for caller, _ in legal.here.policy.saved:
        assert (caller.role, caller.subject, caller.customer_id) == ("staff-legal", "staff-1", None)


def test_the_public_page_has_no_script_and_shows_markup_as_text(client):
    page = client.get("/policy")

    assert page.status_code == 200
    assert "<em>promise</em>" in page.text
    assert "<script" not in page.text
    assert "&lt;script&gt;" in page.text
    assert "script-src" not in page.headers["Content-Security-Policy"]
    assert client.get("/policy/2").status_code == 404


def test_the_public_page_says_of_a_version_replaced_before_its_time_that_it_never_took_effect(client, monkeypatch):
    one = client.here.policy.versions()["versions"][0]
    days = {"3": ("in-force", "2026-02-01"), "2": ("past", "2026-03-01"), "1": ("past", "2026-01-01")}
    versions = [one | {"version": n, "state": s, "effective_at": f"{day}T00:00:00Z"} for n, (s, day) in days.items()]
    monkeypatch.setattr(client.here.policy, "versions", lambda: {"versions": versions})

    page = client.get("/policy").text

    assert "in force since 1 February 2026" in page
    assert "never took effect; it was to on 1 March 2026" in page
    assert "took effect on 1 January 2026" in page
