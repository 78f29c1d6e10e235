import msgspec

from services.accounts.operators.model import Operator
from services.accounts.sessions import model
from services.accounts.sessions.model import SCOPES, Session, Token
from tests.accounts.builders import NOW

ANN = Operator(
    operator_id="o1", customer_id="c1", email="a@b", name="Ann", role="admin", password_hash="", created_at=NOW
)


def test_a_secret_has_256_random_bits_and_tells_what_it_opens():
    secret = model.new_secret(model.TOKEN_PREFIX)

    assert secret.startswith("velaro_token_")
    assert len(secret.removeprefix("velaro_token_")) >= 43
    assert model.new_secret(model.TOKEN_PREFIX) != secret


def test_of_a_secret_only_its_hash_is_kept():
    assert "abc" not in model.hash_of("abc")
    assert model.is_same_hash(model.hash_of("abc"), model.hash_of("abc"))
    assert not model.is_same_hash(model.hash_of("abc"), model.hash_of("abd"))


def test_a_session_may_do_all_and_a_token_what_it_was_given():
    session = Session(
        session_id="s1",
        customer_id="c1",
        operator_id="o1",
        secret_hash="",
        ip="",
        user_agent="",
        created_at=NOW,
        last_used_at=NOW,
        expires_at=NOW,
    )
    token = Token(
        token_id="t1",
        customer_id="c1",
        operator_id="o1",
        name="",
        scopes=("surveys",),
        secret_hash="",
        created_at=NOW,
    )

    of_session, of_token = model.identity_of(session, ANN), model.identity_of(token, ANN)

    assert (of_session.kind, of_session.session_id, of_session.scopes) == ("session", "s1", SCOPES)
    assert (of_token.kind, of_token.session_id, of_token.scopes) == ("token", "t1", ("surveys",))
    assert of_session.role == of_token.role == "admin"


def test_an_identity_follows_the_operator():
    token = Token(token_id="t1", customer_id="c1", operator_id="o1", name="", scopes=(), secret_hash="", created_at=NOW)

    assert model.identity_of(token, msgspec.structs.replace(ANN, role="analyst")).role == "analyst"
