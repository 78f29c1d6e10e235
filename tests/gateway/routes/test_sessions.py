import pytest

from chassis.http import ServiceUnavailable
from services.accounts.operators.model import normalised

SIGN_IN = {"email": "olga@shop.example", "password": "right"}
SAME = {"Sec-Fetch-Site": "same-origin"}


def test_signing_in_sets_a_cookie_that_scripts_and_other_sites_cannot_use(client):
    answer = client.post("/api/v1/sessions", json=SIGN_IN)
    assert answer.status_code == 201
    assert answer.json["operator"]["email"] == "olga@shop.example"
    assert "secret-session" not in answer.text
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("session=secret-session;")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie


def test_over_tls_the_cookie_is_bound_to_this_host(make_client):
    client = make_client(public_url="https://chat.example.com")
    answer = client.post("/api/v1/sessions", json=SIGN_IN)
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-session=")
    assert "Secure" in cookie
    assert "Domain" not in cookie
    assert "max-age" in answer.headers["Strict-Transport-Security"]


def test_a_wrong_password_is_told_without_saying_what_was_wrong(client):
    answer = client.post("/api/v1/sessions", json=SIGN_IN | {"password": "wrong"})
    assert (answer.status_code, answer.json["code"]) == (401, "wrong-credentials")
    assert "Set-Cookie" not in answer.headers


def test_a_gateway_that_accounts_does_not_believe_does_not_call_the_password_wrong(client):
    client.here.accounts.is_distrustful = True
    answer = client.post("/api/v1/sessions", json=SIGN_IN)
    assert (answer.status_code, answer.json["code"]) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0


def test_another_site_cannot_sign_a_browser_in(client):
    answer = client.post("/api/v1/sessions", json=SIGN_IN, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


def test_guessing_has_to_wait_for_the_address_and_for_the_account(make_client):
    client = make_client(sign_ins_per_minute=3)
    guesses = [client.post("/api/v1/sessions", json=SIGN_IN | {"password": "x"}).status_code for _ in range(4)]
    assert guesses == [401, 401, 401, 429]
    elsewhere = {"REMOTE_ADDR": "203.0.113.1"}
    assert client.post("/api/v1/sessions", json=SIGN_IN, environ_base=elsewhere).status_code == 429


SPELLINGS = [
    "olga@shop.example",
    " Olga@SHOP.example",
    "olga\N{FULLWIDTH COMMERCIAL AT}shop.example",
    "\N{FULLWIDTH LATIN SMALL LETTER O}lga@shop.example",
    "olg\N{MATHEMATICAL BOLD SMALL A}@shop.example",
]


@pytest.mark.parametrize("path", ["/api/v1/sessions", "/api/v1/staff/sessions"])
def test_an_account_is_one_however_its_address_is_spelt(make_client, path):
    client = make_client(sign_ins_per_minute=len(SPELLINGS) - 1)
    guesses = [
        client.post(path, json={"email": spelling, "password": "x"}, environ_base={"REMOTE_ADDR": f"203.0.113.{index}"})
        for index, spelling in enumerate(SPELLINGS)
    ]
    assert [guess.status_code for guess in guesses] == [401] * (len(SPELLINGS) - 1) + [429]
    assert {normalised(spelling) for spelling in SPELLINGS} == {SPELLINGS[0]}


@pytest.mark.parametrize("body", [{}, {"email": {"$ne": 1}, "password": "x"}, SIGN_IN | {"more": 1}, [], "x", 7])
def test_odd_credentials_are_refused(client, body):
    assert client.post("/api/v1/sessions", json=body).status_code in (400, 422)


@pytest.fixture
def signed_in(client):
    client.here.accounts.add_operator("session-secret", role="owner")
    client.set_cookie("session", "session-secret")
    return client


def test_the_console_learns_who_is_signed_in(signed_in):
    assert signed_in.get("/api/v1/sessions/current").json["operator"]["role"] == "owner"


def test_signing_out_ends_the_session_and_the_cookie(signed_in):
    answer = signed_in.delete("/api/v1/sessions/current", headers=SAME)
    assert answer.status_code == 204
    assert "session=;" in answer.headers["Set-Cookie"]
    [caller] = signed_in.here.accounts.signed_out
    assert caller.session_id == "session-of-session-secret"
    assert signed_in.here.chat.left == [caller]


def test_signing_out_works_while_chat_does_not_answer(signed_in):
    signed_in.here.chat.failure = ServiceUnavailable("chat")
    assert signed_in.delete("/api/v1/sessions/current", headers=SAME).status_code == 204
    assert len(signed_in.here.accounts.signed_out) == 1


def test_a_token_is_shown_once_and_can_be_revoked(signed_in):
    made = signed_in.post("/api/v1/tokens", json={"name": "n", "scopes": ["transcripts"]}, headers=SAME)
    assert (made.status_code, made.json["token"]) == (201, "secret-token")
    assert signed_in.get("/api/v1/tokens").json == {"tokens": []}
    assert signed_in.delete("/api/v1/tokens/token-1", headers=SAME).status_code == 204
    assert signed_in.delete("/api/v1/tokens/other", headers=SAME).status_code == 404


@pytest.mark.parametrize("change", [{"scopes": ["everything"]}, {"scopes": []}, {"expires_at": 5}, {"name": ""}])
def test_odd_tokens_are_refused(signed_in, change):
    body = {"name": "n", "scopes": ["transcripts"]} | change
    assert signed_in.post("/api/v1/tokens", json=body, headers=SAME).status_code == 422


def test_a_ticket_names_the_session_with_which_it_ends(signed_in):
    answer = signed_in.post("/api/v1/tickets", headers=SAME)
    caller = signed_in.here.tickets.read(answer.json["ticket"])
    assert (caller.subject, caller.role) == ("operator-1", "owner")
    assert caller.session_id == "session-of-session-secret"
