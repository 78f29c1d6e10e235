import pytest

from services.gateway.captures import Choices, Invitation
from tests.gateway.fakes import SOME_CHOICES, a_site
from tests.gateway.routes.test_widget import VISIT, a_problem

AGREEING = VISIT | {"cookies_consent": True}
OURS = {"Sec-Fetch-Site": "same-origin"}
NAME = "visitor-key-1"


@pytest.fixture
def willing(client):
    """A gateway whose site wants cookies and invites."""
    invitation = Invitation(text="Hello?", after_seconds=5, after_pages=1, every_hours=24)
    choices = Choices(has_cookies=True, invitation=invitation)
    client.here.accounts.sites_by_key["key-1"] = a_site(choices=choices)
    return client


def test_a_site_that_wants_none_sets_none(client):
    assert "Set-Cookie" not in client.post("/api/v1/widget/visits", json=AGREEING, headers=OURS).headers
    assert client.get("/api/v1/widget/config?site=key-1").json["cookies"]["enabled"] is False
    assert client.here.chat.consents == []


def test_consent_gives_a_cookie_that_browsers_guard(make_client):
    client = make_client(public_url="https://chat.example.com")
    client.here.accounts.sites_by_key["key-1"] = a_site(choices=Choices(has_cookies=True))

    answer = client.post("/api/v1/widget/visits", json=AGREEING, headers=OURS)

    assert answer.json["has_cookie"] is True
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-visitor-key-1=new-secret;")
    for attribute in ("Secure", "HttpOnly", "SameSite=None", "Partitioned", "Path=/", "Expires="):
        assert attribute in cookie
    assert "Domain" not in cookie
    [(caller, body)] = client.here.chat.consents
    assert (caller.customer_id, caller.site_id) == ("customer-1", "site-1")
    assert body == {"visitor_token": "new-token", "policy_version": "3", "lasts_days": 180}


def test_without_consent_there_is_none(willing):
    assert "Set-Cookie" not in willing.post("/api/v1/widget/visits", json=VISIT, headers=OURS).headers
    assert willing.here.chat.consents == []


def test_the_cookie_stands_for_the_token(willing):
    willing.post("/api/v1/widget/visits", json=AGREEING, headers=OURS)

    config = willing.get("/api/v1/widget/config?site=key-1").json
    answer = willing.post("/api/v1/widget/visits", json=VISIT, headers=OURS)

    assert config["cookies"] == {"enabled": True, "is_set": True, "lasts_days": 180}
    assert answer.json["visitor_token"] == "new-token"
    assert willing.here.chat.visits[-1][1]["cookie_secret"] == "new-secret"


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {}])
def test_from_other_pages_it_is_not_taken_and_not_given(willing, headers):
    a_problem(willing.post("/api/v1/widget/visits", json=AGREEING, headers=headers), 403, "cross-site")
    willing.set_cookie(NAME, "new-secret")
    a_problem(willing.post("/api/v1/widget/visits", json=VISIT, headers=headers), 403, "cross-site")
    a_problem(willing.delete("/api/v1/widget/cookie?site=key-1", headers=headers), 403, "cross-site")
    assert willing.here.chat.withdrawals == []


def test_a_privacy_signal_sets_none_and_ends_one(willing):
    signal = OURS | {"Sec-GPC": "1"}
    assert "Set-Cookie" not in willing.post("/api/v1/widget/visits", json=AGREEING, headers=signal).headers
    willing.set_cookie(NAME, "new-secret")

    answer = willing.post("/api/v1/widget/visits", json=AGREEING, headers=signal)

    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert "cookie_secret" not in willing.here.chat.visits[-1][1]
    assert [body["because"] for _, body in willing.here.chat.withdrawals] == ["privacy-signal"]
    assert willing.get("/api/v1/widget/config?site=key-1", headers=signal).json["cookies"]["enabled"] is False


def test_a_site_that_changed_its_mind_ends_it(client):
    client.set_cookie(NAME, "old")

    answer = client.post("/api/v1/widget/visits", json=VISIT, headers=OURS)

    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert [body["because"] for _, body in client.here.chat.withdrawals] == ["site"]


def test_a_dead_cookie_is_deleted_and_its_bearer_is_somebody_new(willing):
    willing.set_cookie(NAME, "made-up")

    answer = willing.post("/api/v1/widget/visits", json=VISIT, headers=OURS)

    assert answer.json["visitor_token"] == "new-token"
    assert "Max-Age=0" in answer.headers["Set-Cookie"]


def test_a_new_consent_takes_the_place_of_the_old_one(willing):
    willing.set_cookie(NAME, "planted")

    answer = willing.post("/api/v1/widget/visits", json=AGREEING, headers=OURS)

    assert "visitor-key-1=new-secret" in answer.headers["Set-Cookie"]
    assert [body["secret"] for _, body in willing.here.chat.withdrawals] == ["planted"]


def test_a_withdrawal_deletes_it_and_tells_chat(willing):
    willing.set_cookie(NAME, "new-secret")

    answer = willing.delete("/api/v1/widget/cookie?site=key-1", headers=OURS)

    assert answer.status_code == 204
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert [(body["secret"], body["because"]) for _, body in willing.here.chat.withdrawals] == [("new-secret", "asked")]
    a_problem(willing.delete("/api/v1/widget/cookie?site=nothing", headers=OURS), 404, "not-found")


def test_an_erasure_deletes_the_cookie_of_its_site_alone(willing, visitor):
    willing.here.accounts.sites_by_key["key-2"] = a_site(site_key="key-2", site_id="site-2", choices=SOME_CHOICES)
    for key in ("key-1", "key-2", "no-such-key"):
        willing.set_cookie(f"visitor-{key}", "x")

    answer = willing.post("/api/v1/widget/erasure", headers=visitor)

    [deleted] = answer.headers.getlist("Set-Cookie")
    assert deleted.startswith("visitor-key-1=;")


def test_chat_is_asked_whether_a_visitor_is_to_be_invited(willing, visitor):
    path = "/api/v1/widget/invitations?site=key-1"

    assert [willing.post(path, headers=visitor).json["is_due"] for _ in range(2)] == [True, False]
    assert willing.here.chat.invited == [24, 24]
    a_problem(willing.post(path), 401, "not-authenticated")
    willing.here.chat.add_visitor("other", "visitor-2", "customer-2")
    a_problem(willing.post(path, headers={"Authorization": "Bearer other"}), 404, "not-found")


def test_the_config_says_what_the_widget_is_to_do(willing):
    config = willing.get("/api/v1/widget/config?site=key-1").json

    assert config["invitation"] == {"text": "Hello?", "after_seconds": 5, "after_pages": 1}
    assert config["has_trail"] is False
