"""What a disclosure gets to see: exactly its scope, by a right that accounts alone can sign."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from chassis.auth import STAFF, Caller, TokenIssuer
from contracts.disclosures import ConversationsScope, PeriodScope, Scope, VisitorScope, granted
from contracts.transcripts import TranscriptErased
from services.transcripts import actions
from services.transcripts.store import TranscriptStore
from tests.transcripts.builders import BEGINNING, Dialogue

PATH = "/internal/v1/disclosed-transcripts"
NOW = BEGINNING + timedelta(hours=1)
EVERYTHING = PeriodScope(since=BEGINNING - timedelta(days=1000), until=BEGINNING + timedelta(days=1000))


@pytest.fixture
def seal(store: TranscriptStore) -> Callable[[Dialogue], Dialogue]:
    def sealed(dialogue: Dialogue) -> Dialogue:
        actions.record(dialogue.events, store=store)
        actions.seal_transcript(dialogue.closed, store=store, fetch=lambda *_: [], now=NOW)
        return dialogue

    return sealed


@pytest.fixture
def by_right(keys: dict[str, str]) -> Callable[..., dict[str, str]]:
    def headers(scope: Scope | None, *, customer_id: str | None = "acme", service: str = "accounts", **claims: Any):
        grant = granted(scope) if scope else None
        fields = {"role": "disclosure", "customer_id": customer_id, "subject": "d-1", "grant": grant} | claims
        caller = Caller(service=service, **fields)
        return {"Authorization": f"Bearer {TokenIssuer(service, keys[service]).token_for(caller, 'transcripts')}"}

    return headers


@pytest.fixture
def listed(client: FlaskClient, by_right) -> Callable[..., list[str]]:
    def ids(scope: Scope, **options: Any) -> list[str]:
        return list(client.get(PATH, headers=by_right(scope, **options)).json["transcript_ids"])

    return ids


def test_certain_conversations_and_no_other(client, seal, by_right, listed):
    one, other = seal(Dialogue()), seal(Dialogue())
    scope = ConversationsScope(conversation_ids=(one.conversation_id,))

    assert listed(scope) == [one.conversation_id]
    found = client.get(f"{PATH}/{one.conversation_id}", headers=by_right(scope))
    assert [message["text"] for message in found.json["messages"]] == [message.text for message in one.messages]
    assert found.json["responses"]
    assert client.get(f"{PATH}/{other.conversation_id}", headers=by_right(scope)).status_code == 404


def test_the_conversations_of_one_visitor_and_no_other(client, seal, by_right, listed):
    one, other = seal(Dialogue()), seal(Dialogue())
    scope = VisitorScope(visitor_id=one.visitor_id)

    assert listed(scope) == [one.conversation_id]
    assert client.get(f"{PATH}/{one.conversation_id}", headers=by_right(scope)).status_code == 200
    assert client.get(f"{PATH}/{other.conversation_id}", headers=by_right(scope)).status_code == 404


def test_a_period_from_its_first_moment_to_before_its_last(client, seal, by_right, listed):
    hour = timedelta(hours=1)
    before, first, last, after = (
        seal(Dialogue(began_at=BEGINNING + offset))
        for offset in (-timedelta(milliseconds=1), timedelta(0), hour - timedelta(milliseconds=1), hour)
    )
    scope = PeriodScope(since=BEGINNING, until=BEGINNING + hour)

    assert listed(scope) == sorted([first.conversation_id, last.conversation_id])
    for dialogue in (before, after):
        assert client.get(f"{PATH}/{dialogue.conversation_id}", headers=by_right(scope)).status_code == 404


def test_nothing_of_another_customer(client, seal, by_right, listed):
    foreign = seal(Dialogue(customer_id="other"))
    scopes = (
        EVERYTHING,
        VisitorScope(visitor_id=foreign.visitor_id),
        ConversationsScope(conversation_ids=(foreign.conversation_id,)),
    )
    for scope in scopes:
        assert listed(scope) == []
        assert client.get(f"{PATH}/{foreign.conversation_id}", headers=by_right(scope)).status_code == 404


def test_what_is_not_sealed_or_erased_is_not_there(client, store, seal, by_right, listed):
    open_one, erased = Dialogue(), seal(Dialogue())
    actions.record(open_one.events[:-1], store=store)
    store.erase(
        "acme",
        erased.conversation_id,
        erased_at=NOW,
        announcing=lambda removed: TranscriptErased(
            customer_id="acme",
            erasure_id="e",
            conversation_id=erased.conversation_id,
            look=1,
            removed=removed,
            erased_at=NOW,
        ),
    )

    assert listed(EVERYTHING) == []
    for dialogue in (open_one, erased):
        assert client.get(f"{PATH}/{dialogue.conversation_id}", headers=by_right(EVERYTHING)).status_code == 404


def test_the_archive_is_disclosed_as_well(client, store, seal, by_right):
    dialogue = seal(Dialogue())
    actions.archive_transcripts(store=store, sealed_before=NOW + timedelta(days=1), now=NOW)

    found = client.get(f"{PATH}/{dialogue.conversation_id}", headers=by_right(EVERYTHING)).json
    assert (found["storage"], len(found["messages"])) == ("archived", 3)


def test_pages_are_linked(client, seal, by_right):
    ids = sorted(seal(Dialogue()).conversation_id for _ in range(3))
    first = client.get(f"{PATH}?limit=2", headers=by_right(EVERYTHING)).json
    second = client.get(f"{PATH}?limit=2&after={first['next']}", headers=by_right(EVERYTHING)).json

    assert [*first["transcript_ids"], *second["transcript_ids"]] == ids
    assert second["next"] is None


def test_nobody_but_accounts_can_grant_it(client, seal, by_right):
    dialogue = seal(Dialogue())
    for service in ("gateway", "transcripts"):
        headers = by_right(EVERYTHING, service=service)
        assert client.get(PATH, headers=headers).status_code == 403
        assert client.get(f"{PATH}/{dialogue.conversation_id}", headers=headers).status_code == 403


@pytest.mark.parametrize("role", [*STAFF, "owner", "operator", "visitor", "service", "public"])
def test_no_other_role_gets_it_whatever_it_carries(client, seal, by_right, role):
    dialogue = seal(Dialogue())
    headers = by_right(EVERYTHING, role=role)

    assert client.get(PATH, headers=headers).status_code == 403
    assert client.get(f"{PATH}/{dialogue.conversation_id}", headers=headers).status_code == 403


@pytest.mark.parametrize("grant", [None, "", "{}", '{"kind":"everything"}', '{"kind":"visitor"}', "null"])
def test_a_grant_that_names_nothing_grants_nothing(client, by_right, grant):
    assert client.get(PATH, headers=by_right(None, grant=grant)).status_code == 403


def test_without_a_customer_there_is_nothing(client, by_right):
    assert client.get(PATH, headers=by_right(EVERYTHING, customer_id=None)).status_code == 403


def test_the_right_opens_nothing_else(client, seal, by_right):
    dialogue = seal(Dialogue())
    for path in ("", f"/{dialogue.conversation_id}", f"/{dialogue.conversation_id}/messages"):
        assert client.get(f"/internal/v1/transcripts{path}", headers=by_right(EVERYTHING)).status_code == 403
