"""A document comes as a file, through memory, from who is signed in; only a reviewer gets one."""

import pytest

from services.gateway.routes.account.identity import LARGEST

UPLOAD = "/api/v1/identity/verifications?action=change-billing"
OWN = {"Origin": "http://localhost:8080"}
FILE = "application/octet-stream"
VERIFICATION = {
    "verification_id": "v1",
    "action": "change-billing",
    "state": "waiting",
    "uploaded_at": "2026-01-01T00:00:00Z",
    "decided_at": None,
    "reason": "",
    "granted_until": None,
    "receipt": None,
}


@pytest.fixture
def owner(client):
    client.here.accounts.add_operator("secret", role="owner")
    client.set_cookie("session", "secret")
    client.here.identity.answer = VERIFICATION
    return client


def test_the_file_goes_on_as_it_is(owner):
    made = owner.post(UPLOAD, data=b"\xff\xd8\xff picture", content_type=FILE, headers=OWN)

    assert (made.status_code, made.json["state"]) == (201, "waiting")
    [(action, caller, content)] = owner.here.identity.asked
    assert (action, caller.customer_id, content) == ("change-billing", "customer-1", b"\xff\xd8\xff picture")


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "image/jpeg", "text/plain", "application/json"])
def test_nothing_but_a_file_is_read(owner, kind):
    refused = owner.post(UPLOAD, data=b"--x\r\n", content_type=kind, headers=OWN)

    assert refused.status_code == 415
    assert owner.here.identity.asked == []


def test_what_is_too_large_is_not_read(owner):
    assert owner.post(UPLOAD, data=bytes(LARGEST + 1), content_type=FILE, headers=OWN).status_code == 413
    assert owner.here.identity.asked == []


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_another_site_cannot_use_the_browser_of_an_owner(owner, headers):
    assert owner.post(UPLOAD, data=b"x", content_type=FILE, headers=headers).status_code == 403


def test_nobody_uploads_without_end(make_client):
    client = make_client(uploads_per_minute=2)
    client.here.accounts.add_operator("secret", role="owner")
    client.set_cookie("session", "secret")
    client.here.identity.answer = VERIFICATION
    answers = [client.post(UPLOAD, data=b"x", content_type=FILE, headers=OWN).status_code for _ in range(3)]

    assert answers == [201, 201, 429]


@pytest.mark.parametrize(("media_type", "shown"), [("image/jpeg", "inline"), ("application/pdf", "attachment")])
def test_a_reviewer_gets_the_document_alone_and_to_look_at_once(client, media_type, shown):
    client.here.staff.add("secret", role="staff-reviewer")
    client.set_cookie("staff", "secret")
    client.here.identity.answer = (b"content", media_type)

    reply = client.get("/api/v1/staff/identity/verifications/v1/document")

    assert (reply.data, reply.mimetype) == (b"content", media_type)
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert reply.headers["Content-Disposition"].startswith(shown)


def test_what_is_neither_is_never_shown(client):
    client.here.staff.add("secret", role="staff-reviewer")
    client.set_cookie("staff", "secret")
    client.here.identity.answer = (b"<script>", "text/html")

    reply = client.get("/api/v1/staff/identity/verifications/v1/document")

    assert reply.mimetype == FILE
    assert reply.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize("role", ["staff-support", "staff-legal", "staff-admin"])
def test_no_other_role_of_staff_gets_near(client, role):
    client.here.staff.add("secret", role=role)
    client.set_cookie("staff", "secret")
    decision = {"decision": "approved", "reason": "x"}

    for path in ("", "/v1/document"):
        assert client.get(f"/api/v1/staff/identity/verifications{path}").status_code == 403
    path = "/api/v1/staff/identity/verifications/v1/decision"
    assert client.post(path, json=decision, headers=OWN).status_code == 403
    assert client.here.identity.asked == []
