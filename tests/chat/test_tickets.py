from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from chassis.auth import Caller, TokenIssuer, TokenVerifier, new_key, public_keys
from chassis.clock import now
from services.chat import tickets
from services.chat.bootstrap import Context
from services.chat.model import Operator, Standing
from tests.chat.builders import (
    CONVERSATION,
    CUSTOMER,
    NOON,
    OPERATOR,
    VISITOR,
    a_conversation,
    a_message,
    a_visitor,
)

KEY = new_key("gateway")
ISSUER, VERIFIER = TokenIssuer("gateway", KEY), TokenVerifier("chat", public_keys([KEY]))


def a_caller(role="visitor", subject=VISITOR.id, customer_id=CUSTOMER) -> Caller:
    return Caller(service="gateway", role=role, customer_id=customer_id, subject=subject)


def a_ticket(**who) -> str:
    return ISSUER.ticket_for(a_caller(**who), "chat")


def admit(context: Context, *shown: str):
    return tickets.admit(
        shown,
        verifier=VERIFIER,
        tickets=context.tickets,
        visitors=context.visitors,
        conversations=context.conversations,
        now=now(),
    )


@pytest.fixture(autouse=True)
def visitor(context: Context) -> None:
    context.visitors.add_visitor(CUSTOMER, a_visitor())


def test_a_ticket_is_good_once(context):
    ticket = a_ticket()
    assert admit(context, ticket) == [()]
    assert admit(context, ticket) == [None]


def test_of_those_who_show_the_same_ticket_in_one_breath_one_gets_in(context):
    ticket = a_ticket()
    assert admit(context, ticket, a_ticket(), ticket) == [(), (), None]


def test_of_many_who_show_the_same_ticket_one_gets_in(context):
    ticket = a_ticket()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: admit(context, ticket), range(16)))
    assert answers.count([()]) == 1
    assert answers.count([None]) == 15


@pytest.mark.parametrize("shown", ["", "guess", "a.b.c"])
def test_a_guess_admits_nobody_and_keeps_nobody_out(context, shown):
    assert admit(context, shown, a_ticket()) == [None, ()]


def test_a_token_is_no_ticket(context):
    assert admit(context, ISSUER.token_for(a_caller(), "chat")) == [None]


def test_a_ticket_without_a_customer_or_a_person_admits_nobody(context):
    assert admit(context, a_ticket(customer_id=None), a_ticket(subject=None)) == [None, None]


def test_a_visitor_who_is_erased_or_another_customers_is_not_let_in(context):
    context.visitors.begin_erasure(CUSTOMER, VISITOR.id, reason="asked", now=NOON)
    context.visitors.add_visitor("customer-2", a_visitor(visitor_id="visitor-2", token_hash="2"))
    assert admit(context, a_ticket(), a_ticket(subject="visitor-2")) == [None, None]


def test_a_visitor_learns_how_far_their_own_conversations_have_got(context):
    context.conversations.open(a_conversation())
    context.conversations.append([a_message(seq=1), a_message(seq=2)])
    later = a_conversation(conversation_id="later", opened_at=NOON + timedelta(hours=1))
    context.conversations.open(later)
    context.conversations.open(a_conversation(conversation_id="strange", visitor_id="visitor-2"))

    assert admit(context, a_ticket()) == [
        [
            Standing(conversation_id="later", status="queued", last_seq=0),
            Standing(conversation_id=CONVERSATION, status="queued", last_seq=2),
        ]
    ]


def test_an_operator_learns_of_the_conversations_they_are_in(context):
    mine = {"operator": Operator(id=OPERATOR.id, name=OPERATOR.name), "accepted_at": NOON}
    context.conversations.open(a_conversation(**mine))
    context.conversations.open(a_conversation(conversation_id="waiting"))
    context.conversations.open(a_conversation(conversation_id="over", **mine, closed_at=NOON))

    [standings, stranger] = admit(
        context, a_ticket(role="operator", subject=OPERATOR.id), a_ticket(role="operator", subject="operator-2")
    )
    assert [standing.conversation_id for standing in standings] == [CONVERSATION]
    assert stranger == ()


def test_many_of_several_customers_are_let_in_together(context):
    context.visitors.add_visitor("customer-2", a_visitor(visitor_id="visitor-2", token_hash="2"))
    context.conversations.open(
        a_conversation(conversation_id="theirs", customer_id="customer-2", visitor_id="visitor-2")
    )
    [mine, theirs] = admit(context, a_ticket(), a_ticket(subject="visitor-2", customer_id="customer-2"))
    assert mine == ()
    assert [standing.conversation_id for standing in theirs] == ["theirs"]


def test_used_tickets_are_forgotten_after_a_while(context):
    indexes = context.database["used_tickets"].index_information().values()
    assert [index["expireAfterSeconds"] for index in indexes if index["key"] == [("used_at", 1)]] == [3600]
