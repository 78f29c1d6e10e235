import pytest

from chassis.auth import Caller, NotAuthenticated, TokenIssuer, TokenVerifier, new_key, public_keys
from chassis.certificates import NotGenuine, Signer, verified

KEY, OTHER = new_key("chat"), new_key("surveys")
JWKS = public_keys([KEY, OTHER])
KIND = "velaro-erasure+jws"


def test_what_was_signed_is_read_by_whoever_has_the_public_key():
    certificate = Signer("chat", KEY).sign(KIND, {"left": 0, "who": "nobody"})

    assert verified(certificate, kind=KIND, service="chat", jwks=JWKS) == {"left": 0, "who": "nobody"}


def test_a_key_that_was_changed_is_still_known_beside_the_new_one():
    certificate = Signer("chat", KEY).sign(KIND, {"left": 0})

    assert verified(certificate, kind=KIND, service="chat", jwks=public_keys([new_key("chat"), KEY]))


FORGED = {
    "of another service": Signer("surveys", OTHER).sign(KIND, {"left": 0}),
    "with another's key": Signer("chat", OTHER).sign(KIND, {"left": 0}),
    "of another kind": Signer("chat", KEY).sign("something else", {"left": 0}),
    "with another signature": Signer("chat", KEY).sign(KIND, {"left": 0})[:-6] + "AAAAAA",
    "empty": "",
    "of three parts": "a.b.c",
    "no ASCII": "\N{SNOWMAN}",
}


@pytest.mark.parametrize("certificate", FORGED.values(), ids=FORGED)
def test_nothing_else_is_genuine(certificate: str):
    with pytest.raises(NotGenuine):
        verified(certificate, kind=KIND, service="chat", jwks=JWKS)


def test_a_certificate_is_no_token_and_a_token_no_certificate():
    certificate = Signer("chat", KEY).sign(KIND, {"left": 0})
    with pytest.raises(NotAuthenticated):
        TokenVerifier("gateway", JWKS).verify(certificate)
    token = TokenIssuer("chat", KEY).token_for(Caller(service="chat", role="service"), "gateway")
    with pytest.raises(NotGenuine):
        verified(token, kind=KIND, service="chat", jwks=JWKS)
