from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from services.accounts.sessions.model import SessionNotLive
from services.accounts.tickets import actions
from services.accounts.tickets.model import Claims, TicketNotValid, TicketNotYours
from tests.accounts.builders import NOW

VISITOR = Claims(kind="visitor", customer_id="c1", subject="v1", name="", role="visitor", site_id="site1")
OPERATOR = Claims(kind="operator", customer_id="c1", subject="o1", name="Ann", role="owner", session_id="s1")


def issue(context, claims=VISITOR, customer_id="c1"):
    return actions.issue_ticket(claims, customer_id=customer_id, now=NOW, tickets=context.tickets)


def redeem(context, ticket, now=NOW, check_session=lambda *_: None):
    return actions.redeem_ticket(ticket, now=now, tickets=context.tickets, check_session=check_session)


@pytest.mark.parametrize("claims", [VISITOR, OPERATOR])
def test_a_ticket_is_good_once(context, claims):
    ticket = issue(context, claims)

    assert redeem(context, ticket) == claims
    with pytest.raises(TicketNotValid):
        redeem(context, ticket)


def test_of_many_who_show_the_same_ticket_one_gets_in(context):
    ticket = issue(context)

    def show(_):
        try:
            return redeem(context, ticket)
        except TicketNotValid:
            return None

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(show, range(16))).count(VISITOR) == 1


def test_a_ticket_is_good_for_a_minute(context):
    early, late = issue(context), issue(context)

    assert redeem(context, early, NOW + timedelta(seconds=59))
    with pytest.raises(TicketNotValid):
        redeem(context, late, NOW + timedelta(seconds=60))


@pytest.mark.parametrize("guess", ["", "guess", "é"])
def test_a_guess_is_no_ticket(context, guess):
    issue(context)

    with pytest.raises(TicketNotValid):
        redeem(context, guess)


def test_the_ticket_itself_is_not_kept(context):
    ticket = issue(context)

    assert ticket not in repr(list(context.database["tickets"].find()))


def test_a_ticket_cannot_be_had_for_another_customer(context):
    with pytest.raises(TicketNotYours):
        issue(context, VISITOR, customer_id="c2")
    assert context.database["tickets"].count_documents({}) == 0


def test_the_ticket_of_who_has_signed_out_is_worth_nothing(context):
    ticket = issue(context, OPERATOR)
    asked = []

    def check_session(customer_id, session_id):
        asked.append((customer_id, session_id))
        raise SessionNotLive

    with pytest.raises(TicketNotValid):
        redeem(context, ticket, check_session=check_session)
    assert asked == [("c1", "s1")]
