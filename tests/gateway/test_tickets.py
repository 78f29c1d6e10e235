import pytest

from chassis.auth import Caller, TokenIssuer, TokenVerifier, new_key, public_keys
from services.gateway.tickets import Tickets

KEY = new_key("gateway")
VISITOR = Caller(service="gateway", role="visitor", customer_id="c1", subject="v1", name="Ann", site_id="s1")


def test_a_ticket_says_whom_it_admits():
    tickets = Tickets("gateway", KEY)
    issued = tickets.issue(VISITOR)
    assert tickets.read(issued["ticket"]) == VISITOR
    assert issued["expires_in"] == 60


def test_each_ticket_is_another():
    tickets = Tickets("gateway", KEY)
    assert tickets.issue(VISITOR) != tickets.issue(VISITOR)


def test_all_processes_of_the_gateway_read_it_and_chat_counts_it():
    ticket = Tickets("gateway", KEY).issue(VISITOR)["ticket"]
    assert Tickets("gateway", KEY).read(ticket) == VISITOR
    assert TokenVerifier("chat", public_keys([KEY])).verify_ticket(ticket).caller == VISITOR


@pytest.mark.parametrize("forged", ["", "guess", "a.b.c", "é", "\ud800"])
def test_a_guess_admits_nobody(forged):
    assert Tickets("gateway", KEY).read(forged) is None


def test_what_another_signed_or_was_signed_for_something_else_admits_nobody():
    tickets = Tickets("gateway", KEY)
    assert tickets.read(Tickets("gateway", new_key("gateway")).issue(VISITOR)["ticket"]) is None
    assert tickets.read(TokenIssuer("gateway", KEY).token_for(VISITOR, "chat")) is None
