"""A grant says exactly what may be seen, and counts only from who may grant it."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts.disclosures import (
    ConversationsScope,
    NothingGranted,
    PeriodScope,
    VisitorScope,
    granted,
    is_within,
    scope_of,
)

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SCOPES = [
    ConversationsScope(conversation_ids=("a", "b")),
    VisitorScope(visitor_id="v"),
    PeriodScope(since=NOON, until=NOON + HOUR),
]


@pytest.mark.parametrize("scope", SCOPES)
def test_a_grant_is_read_as_it_was_written(scope):
    assert scope_of(granted(scope), by="accounts") == scope


@pytest.mark.parametrize("service", ["gateway", "chat", "transcripts", "surveys", ""])
def test_nobody_else_grants_anything(service):
    with pytest.raises(NothingGranted):
        scope_of(granted(SCOPES[0]), by=service)


@pytest.mark.parametrize("grant", [None, "", "x", "{}", "[]", '{"kind":"all"}', '{"kind":"visitor","visitor_id":7}'])
def test_what_names_no_scope_grants_nothing(grant):
    with pytest.raises(NothingGranted):
        scope_of(grant, by="accounts")


def test_what_is_within():
    within = [
        is_within(scope, conversation_id=conversation_id, visitor_id=visitor_id, opened_at=opened_at)
        for scope in SCOPES
        for conversation_id, visitor_id, opened_at in (
            ("a", "w", None),
            ("c", "v", None),
            ("c", "w", NOON),
            ("c", "w", NOON + HOUR),
            ("c", "w", NOON - timedelta(milliseconds=1)),
        )
    ]
    assert within == [
        *(True, False, False, False, False),
        *(False, True, False, False, False),
        *(False, False, True, False, False),
    ]
