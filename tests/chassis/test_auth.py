import json
import time

import pytest
from apiflask import APIBlueprint
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey
from joserfc.jws import JWSRegistry

from chassis import auth, web
from chassis.auth import (
    LEEWAY_SECONDS,
    LIFE_SECONDS,
    Caller,
    NotAuthenticated,
    TokenIssuer,
    TokenVerifier,
    new_key,
    public_keys,
)

GATEWAY = new_key("gateway")
SHOP = new_key("shop")
KEYS = public_keys([GATEWAY, SHOP])
OPERATOR = Caller(service="gateway", role="operator", customer_id="c1", subject="o1", name="Ann", session_id="s1")


@pytest.fixture
def issuer():
    return TokenIssuer("gateway", GATEWAY)


@pytest.fixture
def verifier():
    return TokenVerifier("shop", KEYS)


def forged(key=GATEWAY, kid="gateway", alg="Ed25519", **changed):
    present = int(time.time())
    claims = {
        "iss": "gateway",
        "sub": "gateway",
        "aud": "shop",
        "iat": present,
        "exp": present + 60,
        "jti": "j1",
        "caller": {"service": "gateway", "role": "operator", "customer_id": "c1"},
    }
    claims = {name: value for name, value in (claims | changed).items() if value is not None}
    imported = OKPKey.import_key(json.loads(key)) if isinstance(key, str) else key
    return jwt.encode({"alg": alg, "kid": kid}, claims, imported, registry=JWSRegistry(algorithms=[alg]))


def test_a_caller_arrives_as_it_was_sent(issuer, verifier):
    assert verifier.verify(issuer.token_for(OPERATOR, "shop")) == OPERATOR


def test_no_service_can_speak_as_another(issuer, verifier):
    impostor = Caller(service="chat", role="owner", customer_id="c1")

    assert verifier.verify(issuer.token_for(impostor, "shop")).service == "gateway"


def test_the_forging_here_would_succeed_if_nothing_were_wrong(verifier):
    assert verifier.verify(forged()).customer_id == "c1"


PAST = int(time.time()) - 3600


NOT_GOOD = {
    "nothing": "",
    "one letter": "x",
    "three letters": "a.b.c",
    "not ASCII": "é.é.é",
    "empty parts": "e30.e30.e30",
    "another audience": forged(aud="chat"),
    "two audiences": forged(aud=["shop", "chat"]),
    "no audience": forged(aud=None),
    "another issuer": forged(iss="shop"),
    "another subject": forged(sub="shop"),
    "no id": forged(jti=None),
    "no expiry": forged(exp=None),
    "no time of issue": forged(iat=None),
    "expired": forged(iat=PAST, exp=PAST + 60),
    "from the future": forged(iat=PAST + 7200, exp=PAST + 7260),
    "good for an hour": forged(exp=int(time.time()) + 3600),
    "no caller": forged(caller=None),
    "unknown role": forged(caller={"service": "gateway", "role": "emperor"}),
    "an operator for a customer": forged(caller={"service": "gateway", "role": "operator", "customer_id": {"$ne": 1}}),
    "another service's caller": forged(caller={"service": "shop", "role": "operator"}),
    "a new key": forged(key=new_key("gateway")),
    "another's key": forged(key=SHOP),
    "another's key id": forged(kid="shop"),
    "unknown key id": forged(kid="nobody"),
    "another's key and id": forged(key=SHOP, kid="shop"),
    "the public key as a secret": forged(key=OctKey.import_key(json.loads(KEYS)["keys"][0]["x"].encode()), alg="HS256"),
}


@pytest.mark.parametrize("token", NOT_GOOD.values(), ids=NOT_GOOD)
def test_anything_less_than_a_good_token_counts_for_nothing(verifier, token):
    with pytest.raises(NotAuthenticated):
        verifier.verify(token)


def test_a_token_without_signature_counts_for_nothing(verifier):
    head = "eyJhbGciOiJub25lIiwia2lkIjoiZ2F0ZXdheSJ9"
    body = forged().split(".")[1]

    with pytest.raises(NotAuthenticated):
        verifier.verify(f"{head}.{body}.")


def test_a_changed_token_counts_for_nothing(issuer, verifier):
    head, _, signature = issuer.token_for(OPERATOR, "shop").split(".")
    other = forged(caller={"service": "gateway", "role": "owner", "customer_id": "c2"}).split(".")[1]

    with pytest.raises(NotAuthenticated):
        verifier.verify(f"{head}.{other}.{signature}")


def test_the_same_token_is_used_again_for_a_while(issuer, monkeypatch):
    present = time.time()
    monkeypatch.setattr(auth.time, "time", lambda: present)
    first = issuer.token_for(OPERATOR, "shop")
    assert issuer.token_for(OPERATOR, "shop") == first
    assert issuer.token_for(OPERATOR, "chat") != first

    monkeypatch.setattr(auth.time, "time", lambda: present + 31)
    assert issuer.token_for(OPERATOR, "shop") != first


@pytest.mark.parametrize("seconds", [31, -600])
def test_a_token_that_will_not_be_used_again_is_not_kept(issuer, monkeypatch, seconds):
    present = time.time()
    monkeypatch.setattr(auth.time, "time", lambda: present)
    for audience in ("shop", "chat"):
        issuer.token_for(OPERATOR, audience)
    monkeypatch.setattr(auth.time, "time", lambda: present + seconds)
    issuer.token_for(OPERATOR, "surveys")
    assert len(issuer._cache) == 1


def test_a_ticket_says_who_comes_and_is_another_each_time(issuer, verifier):
    tickets = [verifier.verify_ticket(issuer.ticket_for(OPERATOR, "shop")) for _ in range(2)]
    assert [ticket.caller for ticket in tickets] == [OPERATOR, OPERATOR]
    assert tickets[0].ticket_id != tickets[1].ticket_id
    assert 55 < tickets[0].expires_at - time.time() <= 60


def test_a_ticket_is_no_token_and_a_token_no_ticket(issuer, verifier):
    with pytest.raises(NotAuthenticated):
        verifier.verify(issuer.ticket_for(OPERATOR, "shop"))
    with pytest.raises(NotAuthenticated):
        verifier.verify_ticket(issuer.token_for(OPERATOR, "shop"))


def test_a_ticket_ends_with_its_minute(issuer, verifier, monkeypatch):
    ticket = issuer.ticket_for(OPERATOR, "shop")
    present = time.time()
    monkeypatch.setattr(time, "time", lambda: present + LIFE_SECONDS + LEEWAY_SECONDS)
    with pytest.raises(NotAuthenticated):
        verifier.verify_ticket(ticket)


def test_a_service_may_have_two_keys_while_it_changes_them():
    new = new_key("gateway")
    verifier = TokenVerifier("shop", public_keys([GATEWAY, new]))

    for key in (GATEWAY, new):
        assert verifier.verify(TokenIssuer("gateway", key).token_for(OPERATOR, "shop")) == OPERATOR


def test_public_keys_hold_no_secret():
    assert all("d" not in key for key in json.loads(KEYS)["keys"])
    assert [key["kid"] for key in json.loads(KEYS)["keys"]] == ["gateway", "shop"]


@pytest.fixture
def client(verifier):
    app = web.service_app("shop", title="Shop", readiness={}, problems={})
    blueprint = APIBlueprint("things", __name__)

    @blueprint.get("/whoami")
    def whoami():
        return {"subject": auth.caller().subject, "customer_id": auth.customer()}

    @blueprint.post("/prices")
    @auth.require_role("owner", "admin")
    def prices():
        return {}

    auth.require_token(app, verifier)
    app.register_blueprint(blueprint)
    return app.test_client()


def bearer(issuer, **changed):
    caller = Caller(**{"service": "gateway", "role": "operator", "customer_id": "c1", "subject": "o1"} | changed)
    return {"Authorization": f"Bearer {issuer.token_for(caller, 'shop')}"}


def test_a_route_knows_its_caller(client, issuer):
    assert client.get("/whoami", headers=bearer(issuer)).json == {"subject": "o1", "customer_id": "c1"}


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "Bearer",
        "Bearer x",
        "Basic abc",
        pytest.param("Bearer " + forged(aud="chat"), id="another audience"),
    ],
)
def test_without_a_good_token_there_is_no_answer(client, value):
    response = client.get("/whoami", headers={"Authorization": value} if value is not None else {})

    assert response.status_code == 401
    assert response.json["code"] == "not-authenticated"
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_a_caller_without_customer_has_no_customers_data(client, issuer):
    response = client.get("/whoami", headers=bearer(issuer, customer_id=None))

    assert (response.status_code, response.json["code"]) == (403, "forbidden")


def test_roles_open_what_is_theirs(client, issuer):
    assert client.post("/prices", headers=bearer(issuer, role="owner")).status_code == 200
    assert client.post("/prices", headers=bearer(issuer)).json["code"] == "forbidden"


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/openapi.json"])
def test_machines_may_look_after_the_service_without_a_token(client, path):
    assert client.get(path).status_code == 200
