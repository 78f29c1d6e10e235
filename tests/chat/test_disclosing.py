"""What a disclosure gets to see of conversations that are not sealed: exactly its scope, by accounts' right."""

from datetime import timedelta

import pytest

from chassis.auth import STAFF
from chassis.clock import now
from chassis.testing import RecordingBus, a_delivery
from contracts.disclosures import ConversationsScope, PeriodScope, VisitorScope, granted
from services.chat.relay import Relay
from tests.chat.builders import (
    CONVERSATION,
    CUSTOMER,
    VISITOR,
    a_closing,
    a_dropping,
    a_post,
    an_acceptance,
    an_opening,
)

PATH = "/internal/v1/disclosed-conversations"
ONE = f"{PATH}/{CONVERSATION}"
DAY = timedelta(days=1)
OURS = ConversationsScope(conversation_ids=(CONVERSATION,))
OF_VISITOR = VisitorScope(visitor_id=VISITOR.id)
LATELY = PeriodScope(since=now() - DAY, until=now() + DAY)
LONG_AGO = PeriodScope(since=now() - 2 * DAY, until=now() - DAY)


@pytest.fixture
def do(context):
    relay = Relay(conversations=context.conversations, visitors=context.visitors, bus=RecordingBus())
    return lambda *commands: relay.handle([a_delivery(command) for command in commands])


@pytest.fixture
def get(client, callers):
    def ask(path, scope=None, *, role="disclosure", service="accounts", customer_id=CUSTOMER, grant=None):
        grant = granted(scope) if scope else grant
        claims = {"customer_id": customer_id, "subject": "d-1", "grant": grant}
        return client.get(path, headers=callers.headers("chat", role, service=service, **claims))

    return ask


@pytest.fixture
def talking(do):
    do(an_opening(text="Hello"), an_acceptance(), a_post("My parcel is late"))


@pytest.mark.parametrize("scope", [OURS, OF_VISITOR, LATELY])
def test_what_is_within_the_scope_is_there(get, talking, scope):
    assert get(PATH, scope).json == {"conversation_ids": [CONVERSATION], "next": None}
    found = get(ONE, scope).json
    assert [message["text"] for message in found["messages"]] == ["Hello", "My parcel is late"]
    assert (found["visitor_id"], found["operators"]) == (VISITOR.id, ["Otto"])
    assert [message["seq"] for message in get(f"{ONE}?after=1&limit=1", scope).json["messages"]] == [2]


@pytest.mark.parametrize(
    "scope", [ConversationsScope(conversation_ids=("another",)), VisitorScope(visitor_id="another"), LONG_AGO]
)
def test_what_is_beyond_it_is_not(get, talking, scope):
    assert get(PATH, scope).json["conversation_ids"] == []
    assert get(ONE, scope).status_code == 404


@pytest.mark.parametrize("scope", [OURS, OF_VISITOR, LATELY])
def test_nothing_of_another_customer(get, talking, scope):
    assert get(PATH, scope, customer_id="customer-2").json["conversation_ids"] == []
    assert get(ONE, scope, customer_id="customer-2").status_code == 404


def test_what_is_sealed_is_for_transcripts_to_give(get, do, talking):
    do(a_closing())
    assert get(ONE, OURS).status_code == 200
    do(a_dropping())

    assert get(PATH, OURS).json["conversation_ids"] == []
    assert get(ONE, OURS).status_code == 404


@pytest.mark.parametrize("service", ["gateway", "chat", "transcripts"])
def test_nobody_but_accounts_can_grant_it(get, talking, service):
    assert [get(path, OURS, service=service).status_code for path in (PATH, ONE)] == [403, 403]


@pytest.mark.parametrize("role", [*STAFF, "owner", "operator", "visitor", "service", "public"])
def test_no_other_role_gets_it_whatever_it_carries(get, talking, role):
    assert [get(path, OURS, role=role).status_code for path in (PATH, ONE)] == [403, 403]


@pytest.mark.parametrize("grant", [None, "{}", '{"kind":"everything"}'])
def test_a_grant_that_names_nothing_grants_nothing(get, talking, grant):
    assert [get(path, grant=grant).status_code for path in (PATH, ONE)] == [403, 403]


def test_the_right_opens_nothing_else(get, talking):
    for path in ("", f"/{CONVERSATION}", f"/{CONVERSATION}/messages"):
        assert get(f"/internal/v1/conversations{path}", OURS).status_code == 403
