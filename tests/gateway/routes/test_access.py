import pytest

from tests.gateway.builders import closed

CLOSE = "/api/v1/conversations/c-1/close"
SAME = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def signed_in(client):
    """A browser in which an operator is signed in."""
    client.here.accounts.add_operator("session-secret", role="owner")
    client.here.bus.answer = lambda command: closed(caused_by=command.command_id)
    client.set_cookie("session", "session-secret")
    return client


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "http://localhost:8080"}, 200),
        ({"Origin": "http://localhost:8080.evil.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost:8080"}, 403),
        ({}, 403),
    ],
)
def test_a_cookie_acts_only_for_our_own_pages(signed_in, headers, status):
    assert signed_in.post(CLOSE, headers=headers).status_code == status


def test_reading_with_a_cookie_needs_no_proof_of_origin(signed_in):
    assert signed_in.get("/api/v1/conversations").status_code == 200


def test_a_program_with_a_token_needs_no_proof_of_origin(client, operator):
    client.here.bus.answer = lambda command: closed(caused_by=command.command_id)
    assert client.post(CLOSE, headers=operator).status_code == 200


def test_a_session_is_no_token_and_a_token_no_session(client):
    client.here.accounts.add_operator("session-secret")
    client.here.accounts.add_operator("token-secret", kind="token")
    assert client.get("/api/v1/conversations", headers={"Authorization": "Bearer session-secret"}).status_code == 401
    client.set_cookie("session", "token-secret")
    assert client.get("/api/v1/conversations").status_code == 401


def test_forms_are_refused(signed_in):
    for content_type in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data"):
        answer = signed_in.post(CLOSE, data="a=1", content_type=content_type, headers=SAME)
        assert answer.status_code == 415


@pytest.mark.parametrize("token", ["", "nobody", "a" * 5000, "é", "Bearer", "0", "[]"])
def test_who_is_nobody_is_told_so(client, token):
    for path in ("/api/v1/conversations", "/api/v1/transcripts", "/api/v1/sites", "/api/v1/widget/conversations"):
        headers = {"Authorization": f"Bearer {token}".encode().decode("latin-1")}
        answer = client.get(path, headers=headers)
        assert (answer.status_code, answer.json["code"]) == (401, "not-authenticated")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        ("conversations", "/api/v1/conversations"),
        ("transcripts", "/api/v1/transcripts"),
        ("surveys", "/api/v1/sites"),
    ],
)
def test_a_token_reaches_as_far_as_its_scopes(client, scope, path):
    client.here.accounts.add_operator("narrow", kind="token", scopes=[scope])
    others = {"/api/v1/conversations", "/api/v1/transcripts", "/api/v1/sites", "/api/v1/tokens"} - {path}
    headers = {"Authorization": "Bearer narrow"}
    assert client.get(path, headers=headers).status_code == 200
    assert {client.get(other, headers=headers).status_code for other in others} == {403}


def test_an_analyst_reads_and_does_not_speak(client):
    client.here.accounts.add_operator("analyst", kind="token", role="analyst")
    headers = {"Authorization": "Bearer analyst"}
    assert client.get("/api/v1/conversations", headers=headers).status_code == 200
    for verb in ("accept", "close"):
        assert client.post(f"/api/v1/conversations/c-1/{verb}", headers=headers).status_code == 403
    said = {"client_id": "i", "text": "x"}
    assert client.post("/api/v1/conversations/c-1/messages", json=said, headers=headers).status_code == 403
    assert client.here.bus.sent == []
