from datetime import timedelta

import pytest

from services.accounts.operators.passwords import Passwords
from services.accounts.sessions import actions
from services.accounts.sessions.model import (
    ExpiryPassed,
    SessionNeeded,
    SessionNotLive,
    TokenNotFound,
    WrongCredentials,
)
from tests.accounts.builders import NOW, PASSWORD, an_operator, outbox

HOUR = timedelta(hours=1)


def sign_in(context, email="ann@shop.example", password=PASSWORD, now=NOW, **changed):
    collaborators = {
        "operators": context.operators,
        "sessions": context.sessions,
        "audit": context.audit,
        "passwords": context.passwords,
        "limits": context.limits,
    }
    return actions.sign_in(email, password, ip="192.0.2.1", user_agent="B" * 9000, now=now, **collaborators | changed)


def identity(context, secret, now=NOW):
    return actions.identity(
        secret,
        now=now,
        operators=context.operators,
        sessions=context.sessions,
        tokens=context.tokens,
        limits=context.limits,
    )


def current(context, customer_id, session_id, now=NOW):
    return actions.current(
        customer_id,
        session_id,
        now=now,
        operators=context.operators,
        sessions=context.sessions,
        tokens=context.tokens,
        limits=context.limits,
    )


def issue(context, secret, *, now=NOW, expires_at=None, scopes=("transcripts",)):
    owner = identity(context, secret, now)
    return actions.issue_token("export", scopes, expires_at, owner=owner, now=now, tokens=context.tokens)


def test_who_signs_in_has_a_session(context, ann):
    secret, session, operator = sign_in(context, "  Ann@SHOP.example ")

    found = identity(context, secret)
    assert operator == ann
    assert (found.operator_id, found.customer_id, found.role, found.name) == (ann.operator_id, "c1", "operator", "Ann")
    assert found.session_id == session.session_id
    assert len(session.user_agent) == 512


def test_the_secret_itself_is_kept_nowhere(context, ann):
    secret, _, _ = sign_in(context)
    token, _ = issue(context, secret)

    kept = repr([list(context.database[name].find()) for name in context.database.list_collection_names()])
    assert secret not in kept
    assert token not in kept
    assert PASSWORD not in kept


@pytest.mark.parametrize(
    ("email", "password"),
    [("ann@shop.example", "wrong password"), ("nobody@shop.example", PASSWORD), ("", ""), ("\x00", "\x00")],
)
def test_whatever_is_wrong_the_refusal_is_the_same(context, ann, email, password):
    with pytest.raises(WrongCredentials) as refusal:
        sign_in(context, email, password)

    assert refusal.value.args == ()
    assert context.database["sessions"].count_documents({}) == 0


def test_the_password_is_checked_for_nobody_too(context, ann):
    checked = []

    class Counting(Passwords):
        def matches(self, password, password_hash):
            checked.append(password_hash is not None)
            return super().matches(password, password_hash)

    passwords = Counting(time_cost=1, memory_kib=8, parallelism=1)
    for email in ("ann@shop.example", "nobody@shop.example"):
        with pytest.raises(WrongCredentials):
            sign_in(context, email, "wrong password", passwords=passwords)

    assert checked == [True, False]


def test_who_may_no_longer_work_here_cannot_sign_in(context):
    an_operator(context, email="gone@shop.example", is_active=False)

    with pytest.raises(WrongCredentials):
        sign_in(context, "gone@shop.example")


def test_an_outdated_hash_is_renewed_by_signing_in(context, ann):
    stronger = Passwords(time_cost=2, memory_kib=16, parallelism=1)

    sign_in(context, passwords=stronger)

    renewed = context.operators.get("c1", ann.operator_id).password_hash
    assert renewed != ann.password_hash
    assert not stronger.is_outdated(renewed)
    assert sign_in(context)


def test_each_sign_in_is_a_session_of_its_own(context, ann):
    assert sign_in(context)[0] != sign_in(context)[0]


@pytest.mark.parametrize("secret", ["", "velaro_session_", "velaro_token_", "velaro_session_guess", "x" * 256, "é"])
def test_a_secret_that_was_never_given_stands_for_nobody(context, ann, secret):
    sign_in(context)

    with pytest.raises(SessionNotLive):
        identity(context, secret)


def test_a_session_that_is_used_lives_to_its_absolute_end(context, ann):
    secret, session, _ = sign_in(context)

    moment = NOW
    while moment + HOUR < session.expires_at:
        moment += HOUR
        assert identity(context, secret, moment)

    with pytest.raises(SessionNotLive):
        identity(context, secret, session.expires_at)


def test_a_session_that_is_not_used_ends_sooner(context, ann):
    secret, _, _ = sign_in(context)
    end = NOW + context.limits.idle

    with pytest.raises(SessionNotLive):
        identity(context, secret, end)
    assert identity(context, secret, end - timedelta(seconds=1))


def test_a_session_is_not_written_at_every_use(context, ann):
    secret, _, _ = sign_in(context)

    identity(context, secret, NOW + timedelta(seconds=59))
    assert context.database["sessions"].find_one()["last_used_at"] == NOW
    identity(context, secret, NOW + timedelta(seconds=60))
    assert context.database["sessions"].find_one()["last_used_at"] == NOW + timedelta(seconds=60)


def test_a_change_of_role_counts_at_once(context, ann):
    secret, _, _ = sign_in(context)

    context.operators.set_details("c1", ann.operator_id, name="Anna", role="admin")

    found = identity(context, secret)
    assert (found.role, found.name) == ("admin", "Anna")


def test_who_may_no_longer_work_here_is_signed_out(context, ann):
    secret, session, _ = sign_in(context)
    token, _ = issue(context, secret)
    context.database["operators"].update_one({"_id": ann.operator_id}, {"$set": {"is_active": False}})

    for one in (secret, token):
        with pytest.raises(SessionNotLive):
            identity(context, one)
    with pytest.raises(SessionNotLive):
        current(context, "c1", session.session_id)


def test_signing_out_ends_the_session_and_announces_it_once(context, ann):
    secret, session, _ = sign_in(context)

    for _ in range(2):
        actions.sign_out("c1", ann.operator_id, session.session_id, now=NOW, sessions=context.sessions)

    with pytest.raises(SessionNotLive):
        identity(context, secret)
    [announced] = outbox(context)
    assert announced == {
        "type": "accounts.session.revoked.v1",
        "customer_id": "c1",
        "session_id": session.session_id,
        "operator_id": ann.operator_id,
        "revoked_at": "2026-05-01T12:00:00Z",
    }


def test_nobody_is_signed_out_by_another_customer(context, ann):
    secret, session, _ = sign_in(context)

    actions.sign_out("c2", "eve", session.session_id, now=NOW, sessions=context.sessions)

    assert identity(context, secret)
    assert outbox(context) == []


def test_signing_out_everywhere_ends_every_session(context, ann, eve):
    secrets = [sign_in(context)[0] for _ in range(3)]
    kept, _, _ = sign_in(context, "eve@other.example")

    actions.sign_out_everywhere("c1", ann.operator_id, now=NOW, sessions=context.sessions)

    for secret in secrets:
        with pytest.raises(SessionNotLive):
            identity(context, secret)
    assert identity(context, kept)
    assert len(outbox(context)) == 3


def test_a_session_lives_for_who_holds_its_id(context, ann):
    secret, session, _ = sign_in(context)
    _, token = issue(context, secret)

    assert current(context, "c1", session.session_id).kind == "session"
    assert current(context, "c1", token.token_id).kind == "token"
    for customer_id, session_id in (("c2", session.session_id), ("c2", token.token_id), ("c1", "unknown"), ("c1", "")):
        with pytest.raises(SessionNotLive):
            current(context, customer_id, session_id)


def test_a_token_stands_for_its_operator_within_its_scopes(context, ann):
    secret, _, _ = sign_in(context)
    token, kept = issue(context, secret, scopes=("transcripts", "surveys"))

    found = identity(context, token, NOW + timedelta(days=400))

    assert (found.kind, found.session_id, found.operator_id) == ("token", kept.token_id, ann.operator_id)
    assert found.scopes == ("transcripts", "surveys")
    assert context.tokens.get("c1", kept.token_id, now=NOW).last_used_at == NOW + timedelta(days=400)


def test_a_token_ends_when_it_was_said_to(context, ann):
    secret, _, _ = sign_in(context)
    token, kept = issue(context, secret, expires_at=NOW + HOUR)

    assert identity(context, token, NOW + HOUR - timedelta(seconds=1))
    with pytest.raises(SessionNotLive):
        identity(context, token, NOW + HOUR)
    assert actions.tokens_of("c1", None, now=NOW + HOUR, tokens=context.tokens) == []
    with pytest.raises(TokenNotFound):
        context.tokens.get("c1", kept.token_id, now=NOW + HOUR)


def test_a_token_cannot_have_ended_before_it_begins(context, ann):
    secret, _, _ = sign_in(context)

    with pytest.raises(ExpiryPassed):
        issue(context, secret, expires_at=NOW)


def test_a_token_cannot_beget_tokens(context, ann):
    secret, _, _ = sign_in(context)
    token, _ = issue(context, secret)

    with pytest.raises(SessionNeeded):
        issue(context, token)


def test_revoking_a_token_ends_it_and_announces_it(context, ann):
    secret, _, _ = sign_in(context)
    token, kept = issue(context, secret)

    actions.revoke_token("c1", ann.operator_id, kept.token_id, now=NOW, tokens=context.tokens)

    with pytest.raises(SessionNotLive):
        identity(context, token)
    [announced] = outbox(context)
    assert (announced["session_id"], announced["operator_id"]) == (kept.token_id, ann.operator_id)
    with pytest.raises(TokenNotFound):
        actions.revoke_token("c1", ann.operator_id, kept.token_id, now=NOW, tokens=context.tokens)


@pytest.mark.parametrize(("customer_id", "operator_id"), [("c1", "colleague"), ("c2", None), ("c2", "eve")])
def test_a_token_of_somebody_else_is_not_found(context, ann, customer_id, operator_id):
    secret, _, _ = sign_in(context)
    token, kept = issue(context, secret)

    with pytest.raises(TokenNotFound):
        actions.revoke_token(customer_id, operator_id, kept.token_id, now=NOW, tokens=context.tokens)
    assert actions.tokens_of(customer_id, operator_id, now=NOW, tokens=context.tokens) == []
    assert identity(context, token)
