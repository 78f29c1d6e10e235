import pytest

from contracts.accounts import SessionRevoked
from services.accounts.sessions.model import Session
from services.accounts.sessions.store import SessionStore
from tests.accounts.builders import NOW


def a_session(**changed):
    fields = {
        "session_id": "s1",
        "customer_id": "c1",
        "operator_id": "o1",
        "secret_hash": "hash",
        "ip": "",
        "user_agent": "",
        "created_at": NOW,
        "last_used_at": NOW,
        "expires_at": NOW,
    }
    return Session(**fields | changed)


def test_what_cannot_be_announced_does_not_happen(context):
    class Full:
        def add(self, event, *, session):
            raise OSError("no room")

    sessions = SessionStore(context.database, outbox=Full())
    sessions.add("c1", a_session())
    revoked = SessionRevoked(customer_id="c1", session_id="s1", operator_id="o1", revoked_at=NOW)

    with pytest.raises(OSError, match="no room"):
        sessions.remove("c1", "s1", announcing=revoked)

    assert sessions.of_operator("c1", "o1") == [a_session()]


def test_expired_sessions_and_tokens_are_cleaned_away(context):
    for name in ("sessions", "tokens"):
        indexes = context.database[name].index_information().values()
        assert [index["key"] for index in indexes if index.get("expireAfterSeconds") == 0] == [[("expires_at", 1)]]


def test_two_sessions_cannot_have_one_secret(context):
    indexes = context.database["sessions"].index_information().values()

    assert any(index["key"] == [("secret_hash", 1)] and index.get("unique") for index in indexes)
