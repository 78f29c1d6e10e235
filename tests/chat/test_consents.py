from datetime import timedelta

import pytest

from contracts.chat import Page
from services.chat import actions
from services.chat.consents import new_secret, sealed, unsealed
from services.chat.model import Arrival, VisitorNotFound, token_hash
from tests.chat.builders import CUSTOMER, NOON

LASTS = timedelta(days=180)


def arrival(**changed) -> Arrival:
    fields = {"site_id": "site-1", "page": None, "ip": "", "user_agent": "", "language": ""}
    return Arrival(**fields | changed)


@pytest.fixture
def arrive(visitors):
    def arrive(customer_id=CUSTOMER, now=NOON, **changed):
        return actions.record_visit(customer_id, arrival(**changed), visitors=visitors, now=now)

    return arrive


@pytest.fixture
def agree(visitors):
    def agree(token, customer_id=CUSTOMER, site_id="site-1"):
        how = {"policy_version": "3", "lasts": LASTS, "visitors": visitors, "now": NOON}
        return actions.give_consent(customer_id, site_id, token, **how)[0]

    return agree


def test_a_token_is_sealed_by_the_secret_alone():
    secret = new_secret()
    box = sealed("token", secret)

    assert b"token" not in box
    assert unsealed(box, secret) == "token"
    assert unsealed(box, new_secret()) is None
    assert unsealed(b"", secret) is None
    assert sealed("token", secret) != box


def test_who_brings_the_cookie_is_the_visitor_and_gets_the_token(arrive, agree):
    visit, token, is_known = arrive()
    secret = agree(token)
    assert not is_known

    again, same, is_known = arrive(cookie_secret=secret)

    assert (again.visitor_id, same, is_known) == (visit.visitor_id, token, True)


@pytest.mark.parametrize("elsewhere", [{"customer_id": "customer-2"}, {"site_id": "site-2"}])
def test_it_counts_for_its_customer_and_site_alone(arrive, agree, elsewhere):
    visit, token, _ = arrive()

    stranger, other, is_known = arrive(cookie_secret=agree(token), **elsewhere)

    assert not is_known
    assert stranger.visitor_id != visit.visitor_id
    assert other != token


def test_nobody_agrees_for_a_token_that_is_not_of_the_site(arrive, agree):
    _, token, _ = arrive()

    for wrong in (
        {"token": "guessed"},
        {"token": token, "customer_id": "customer-2"},
        {"token": token, "site_id": "s"},
    ):
        with pytest.raises(VisitorNotFound):
            agree(**wrong)


def test_it_ends_when_it_is_withdrawn_and_the_record_of_it_stays(arrive, agree, visitors):
    visit, token, _ = arrive()
    secret = agree(token)
    later = NOON + timedelta(days=1)
    for version in ("4", "5"):
        how = {"policy_version": version, "because": "asked", "visitors": visitors, "now": later}
        actions.withdraw_consent(CUSTOMER, secret, **how)

    assert not arrive(cookie_secret=secret)[2]
    [consent] = visitors.consents(CUSTOMER, visit.visitor_id)
    assert (consent.given_policy_version, consent.withdrawn_policy_version) == ("3", "4")
    assert (consent.withdrawn_at, consent.withdrawn_because) == (later, "asked")
    assert (consent.secret_hash, consent.sealed_token) == ("", b"")


def test_another_customer_cannot_withdraw_it(arrive, agree, visitors):
    secret = agree(arrive()[1])
    how = {"policy_version": "3", "because": "asked", "visitors": visitors, "now": NOON}

    actions.withdraw_consent("customer-2", secret, **how)

    assert arrive(cookie_secret=secret)[2]


def test_it_ends_by_itself(arrive, agree):
    secret = agree(arrive()[1])

    assert arrive(cookie_secret=secret, now=NOON + LASTS - timedelta(seconds=1))[2]
    assert not arrive(cookie_secret=secret, now=NOON + LASTS)[2]


def test_of_an_erased_visitor_no_cookie_counts_and_no_consent_is_taken(arrive, agree, visitors):
    visit, token, _ = arrive()
    secret = agree(token)
    actions.ask_erasure(CUSTOMER, visit.visitor_id, reason="asked", visitors=visitors, now=NOON)

    assert not arrive(cookie_secret=secret)[2]
    with pytest.raises(VisitorNotFound):
        agree(token)


def test_a_token_that_comes_along_goes_before_the_cookie(arrive, agree):
    first, token, _ = arrive()
    secret = agree(token)
    other, others_token, _ = arrive()

    found, told, _ = arrive(visitor_token=others_token, cookie_secret=secret)

    assert (found.visitor_id, told) == (other.visitor_id, None)
    assert found.visitor_id != first.visitor_id


def test_what_is_stored_is_neither_the_secret_nor_the_token(arrive, agree, visitors, context):
    visit, token, _ = arrive()
    secret = agree(token)
    database = context.database
    stored = str([list(database[name].find()) for name in database.list_collection_names()])

    assert secret not in stored
    assert token not in stored
    assert visitors.consents(CUSTOMER, visit.visitor_id)[0].secret_hash == token_hash(secret)


def test_a_visitor_is_invited_once_in_so_many_hours(arrive, visitors):
    visit, _, _ = arrive()

    def invite(after: timedelta, customer_id: str = CUSTOMER) -> bool:
        how = {"every": timedelta(hours=24), "visitors": visitors, "now": NOON + after}
        return actions.invite(customer_id, visit.visitor_id, **how)

    assert invite(timedelta(0), "customer-2") is False
    assert [invite(timedelta(hours=hours)) for hours in (0, 0, 23, 24, 47)] == [True, False, False, True, False]


def test_the_same_page_again_is_no_other_page_and_without_a_trail_only_the_last_one_stays(arrive, visitors):
    first, token, _ = arrive(page=Page(url="https://x.example/a"))
    for url in ("https://x.example/a", "$https://x.example/b", "https://x.example/c"):
        visit, _, _ = arrive(page=Page(url=url), visitor_token=token)
    kept = visitors.visit(CUSTOMER, first.visit_id, visitor_id=first.visitor_id)

    assert [page.url for page in kept.pages] == ["https://x.example/a", "$https://x.example/b", "https://x.example/c"]
    assert visit.page_count == 3
    assert all(page.seen_at for page in kept.pages)

    visit, _, _ = arrive(page=Page(url="https://x.example/d"), has_trail=False, visitor_token=token)
    assert ([page.url for page in visit.pages], visit.page_count) == (["https://x.example/d"], 4)
    assert visit.trail() == ()
