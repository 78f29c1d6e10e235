"""Promise 9: customers give current contact and billing details, confirm them each year, and correct them."""

import os
import signal
from collections.abc import Iterator
from copy import deepcopy
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from chassis.testing import eventually
from deploy.demo import DETAILS
from deploy.local import demo
from deploy.local.stack import Stack
from tests.edge import screens
from tests.edge.browser import shot
from tests.edge.customers import Customer, new_customer
from tests.edge.http import made
from tests.edge.mails import Mails
from tests.edge.people import Operator
from tests.edge.traces import Traces
from tests.promises.accounts import Books, addresses, letters, message_id
from tests.promises.policy import wrong_clock

ACCOUNT = "/api/v1/account"
YEAR = timedelta(days=365)
CARD = "5105105105105100"
ROLES = ("owner", "admin", "operator", "analyst")
SITE = {"name": "Second shop", "origins": ["https://second.example"]}


@pytest.fixture(scope="module")
def books(stack: Stack) -> Iterator[Books]:
    with Books.of(stack.instance) as opened:
        yield opened


@pytest.fixture(scope="module")
def mails(stack: Stack) -> Mails:
    return Mails(stack.instance.mails)


@pytest.fixture
def newcomer(stack: Stack) -> Customer:
    """Has given nothing yet."""
    seed = partial(demo.seed_customer, stack.instance)
    return new_customer(stack.instance.base_url, seed, roles=ROLES, is_complete=False)


@pytest.fixture
def shop(stack: Stack) -> Customer:
    """Gave everything just now."""
    return new_customer(stack.instance.base_url, partial(demo.seed_customer, stack.instance), roles=ROLES)


def details(part: str, **changed: Any) -> dict[str, Any]:
    """The demo's details, with some fields changed; those of the address are called ``address.city`` and so on."""
    given = deepcopy(DETAILS[part])
    for field, value in changed.items():
        *path, last = field.split(".")
        (given[path[0]] if path else given)[last] = value
    return given


def put(person: Operator, part: str, body: dict[str, Any]) -> Any:
    return person.edge.call("PUT", f"{ACCOUNT}/{part}", body)


def test_an_account_is_incomplete_until_both_are_given_and_takes_no_site_before(newcomer: Customer) -> None:
    owner = newcomer.operator("owner")
    for part in ("contact", "billing"):
        assert owner.edge.get(ACCOUNT).json()["is_complete"] is False
        assert owner.edge.get(f"{ACCOUNT}/{part}").status_code == 404
        refused = owner.edge.post("/api/v1/sites", SITE)
        assert (refused.status_code, refused.json()["code"]) == (409, "account-incomplete")
        made(put(owner, part, details(part)), 200)

    state = made(owner.edge.get(ACCOUNT), 200)
    assert (state["is_complete"], state["contact"]["state"], state["billing"]["state"]) == (True, *["confirmed"] * 2)
    site = made(owner.edge.post("/api/v1/sites", SITE))
    assert made(owner.edge.post("/api/v1/sites", SITE))["site_id"] == site["site_id"]
    other = owner.edge.post("/api/v1/sites", SITE | {"origins": ["https://third.example"]})
    assert (other.status_code, other.json()["code"]) == (409, "site-exists")
    assert site["site_id"] in [each["site_id"] for each in owner.edge.get("/api/v1/sites").json()["sites"]]
    config = owner.edge.get("/api/v1/widget/config", site=site["site_key"])
    assert config.status_code == 200


def test_a_refused_site_is_not_there(newcomer: Customer) -> None:
    owner = newcomer.operator("owner")
    for body in (SITE, SITE | {"origins": ["not an origin"]}, SITE | {"name": ""}):
        assert owner.edge.post("/api/v1/sites", body).status_code in (409, 422)
    assert [each["site_id"] for each in owner.edge.get("/api/v1/sites").json()["sites"]] == [newcomer.site_id]


FIELDS = {
    "contact": ["name", "contact_person", "email", "telephone"],
    "billing": ["email", "tax_id", "currency"],
}
IN_ADDRESS = ["address.street", "address.city", "address.area", "address.postcode", "address.country"]
SPELLINGS = [CARD, "5105 1051 0510 5100", "5105-1051-0510-5100", "no 5105\u20131051\u00a00510 5100, please"]


def test_a_card_number_is_refused_in_every_field_and_nowhere_written(stack: Stack, shop: Customer) -> None:
    owner = shop.operator("owner")
    before = [owner.edge.get(f"{ACCOUNT}/{part}").json() for part in FIELDS]
    for part, fields in FIELDS.items():
        for field in (*fields, *IN_ADDRESS):
            for spelling in SPELLINGS:
                text = f"{spelling}@cards.example".replace(" ", "") if field == "email" else spelling
                refused = put(owner, part, details(part, **{field: text}) | {"revision": 1})
                assert refused.status_code == 422, (part, field, spelling)
                # A currency is one of a few, so what is in its place is refused for that alone.
                expected = "invalid" if field == "currency" else "card-number"
                assert (refused.json()["code"], refused.json()["errors"][0]["field"]) == (expected, field)
                assert not any(each in refused.text for each in SPELLINGS)
        unknown = put(owner, part, details(part) | {"card": CARD})
        assert unknown.status_code == 422

    assert [owner.edge.get(f"{ACCOUNT}/{part}").json() for part in FIELDS] == before
    assert Traces(stack.instance).of(CARD, "5105 1051", "5105-1051", "5105\u20131051") == []


def test_details_are_held_to_the_rules_of_their_country(shop: Customer) -> None:
    owner = shop.operator("owner")
    for part, field, value in [
        ("contact", "address.postcode", "1017"),
        ("contact", "address.country", "XX"),
        ("contact", "address.city", ""),
        ("contact", "telephone", "030 12345678"),
        ("contact", "email", "nobody"),
        ("billing", "tax_id", "DE123456789"),
        ("billing", "address.postcode", "ABC"),
    ]:
        refused = put(owner, part, details(part, **{field: value}) | {"revision": 1})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid"), refused.text
        assert [each["field"] for each in refused.json()["errors"]] == [field]


def test_owner_and_admin_see_to_them_and_others_see_no_billing(shop: Customer, neighbour: Customer) -> None:
    admin = shop.operator("admin")
    made(put(admin, "billing", details("billing", email="new@demo.example") | {"revision": 1}), 200)
    assert admin.edge.get(f"{ACCOUNT}/billing").json()["email"] == "new@demo.example"
    for role in ("operator", "analyst"):
        person = shop.operator(role)
        assert person.edge.get(f"{ACCOUNT}/contact").status_code == 200
        for path in ("", "/billing", "/history"):
            assert person.edge.get(f"{ACCOUNT}{path}").status_code == 403
        for part in FIELDS:
            assert put(person, part, details(part)).status_code == 403
        assert person.edge.post(f"{ACCOUNT}/confirmations", confirmation(1, 2)).status_code == 403
        assert person.edge.post("/api/v1/sites", SITE).status_code == 403
    foreign = neighbour.operator("owner").edge
    assert "new@demo.example" not in foreign.get(f"{ACCOUNT}/billing").text + foreign.get(f"{ACCOUNT}/history").text
    assert shop.visitor().edge.get(f"{ACCOUNT}/contact").status_code == 401


def test_a_programs_token_reaches_none_of_it(shop: Customer) -> None:
    owner = shop.operator("owner")
    scopes = ["conversations", "transcripts", "surveys"]
    owner.edge.bear(made(owner.edge.post("/api/v1/tokens", {"name": "all", "scopes": scopes}))["token"])
    for path in ("", "/contact", "/billing", "/history"):
        assert owner.edge.get(f"{ACCOUNT}{path}").status_code == 403


def confirmation(contact: int, billing: int) -> dict[str, int]:
    return {"contact_revision": contact, "billing_revision": billing}


def test_the_history_tells_who_changed_what_and_when(shop: Customer) -> None:
    owner, admin = shop.operator("owner"), shop.operator("admin")
    made(put(owner, "contact", details("contact", telephone="+44 20 8366 1177") | {"revision": 1}), 200)
    changed = details("billing", **{"address.street": "Unter den Linden 1", "currency": "CHF"}) | {"revision": 1}
    made(put(admin, "billing", changed), 200)

    first, second, *_ = made(owner.edge.get(f"{ACCOUNT}/history"), 200)["entries"]
    assert (first["part"], first["operator_name"]) == ("billing", admin.me["operator"]["name"])
    assert {(each["field"], each["before"], each["after"]) for each in first["changes"]} == {
        ("address.street", "Rosenthaler Str. 40", "Unter den Linden 1"),
        ("currency", "EUR", "CHF"),
    }
    assert second["changes"] == [{"field": "telephone", "before": "+493012345678", "after": "+442083661177"}]
    page = made(owner.edge.get(f"{ACCOUNT}/history", limit=1), 200)
    assert made(owner.edge.get(f"{ACCOUNT}/history", limit=1, after=page["next"]), 200)["entries"] == [second]


def test_two_who_change_the_same_do_not_overwrite_each_other(shop: Customer) -> None:
    owner, admin = shop.operator("owner"), shop.operator("admin")
    wanted = details("contact", name="Owner's name") | {"revision": 1}
    assert made(put(owner, "contact", wanted), 200)["revision"] == 2
    refused = put(admin, "contact", details("contact", name="Admin's name") | {"revision": 1})
    assert (refused.status_code, refused.json()["code"]) == (409, "details-changed")
    # Who heard no answer asks again, and finds it done.
    assert made(put(owner, "contact", wanted), 200)["revision"] == 2
    assert owner.edge.post(f"{ACCOUNT}/confirmations", confirmation(1, 1)).status_code == 409


def test_when_the_year_has_passed_the_account_is_incomplete_until_it_is_confirmed(shop: Customer, books: Books) -> None:
    owner = shop.operator("owner")
    books.pass_time(shop.customer_id, YEAR - timedelta(minutes=10))
    assert owner.edge.get(ACCOUNT).json()["is_complete"] is True
    books.pass_time(shop.customer_id, timedelta(minutes=11))

    state = owner.edge.get(ACCOUNT).json()
    assert (state["is_complete"], state["contact"]["state"], state["billing"]["state"]) == (False, "due", "due")
    assert owner.edge.post("/api/v1/sites", SITE).json()["code"] == "account-incomplete"
    confirmed = made(owner.edge.post(f"{ACCOUNT}/confirmations", confirmation(1, 1)))
    assert confirmed["is_complete"] is True
    made(owner.edge.post("/api/v1/sites", SITE))
    assert [each["act"] for each in owner.edge.get(f"{ACCOUNT}/history").json()["entries"][:2]] == ["confirmed"] * 2


def test_owners_are_reminded_once_before_the_day_and_once_after_it_however_many_beats_there_are(
    stack: Stack, shop: Customer, books: Books, mails: Mails, tmp_path: Path
) -> None:
    log = tmp_path / "worker.log"
    day = timedelta(days=1)
    with (
        wrong_clock(stack.instance, "worker", log, by=day),
        wrong_clock(stack.instance, "beat", tmp_path / "ahead.log", by=day),
        wrong_clock(stack.instance, "beat", tmp_path / "behind.log", by=-day),
    ):
        books.pass_time(shop.customer_id, YEAR - 10 * day)
        eventually(lambda: letters(mails, "details-soon-", shop.customer_id), timeout=60)
        books.pass_time(shop.customer_id, 10 * day)
        eventually(lambda: letters(mails, "details-overdue-", shop.customer_id), timeout=60)
        swept = log.read_text().count("accounts.sweep-details")
        eventually(lambda: log.read_text().count("accounts.sweep-details") >= swept + 6, timeout=60)

    owner = next(person["email"] for person in shop.people if person["role"] == "owner")
    for kind in ("soon", "overdue"):
        assert addresses(letters(mails, f"details-{kind}-", shop.customer_id)) == {owner: 1}


def test_of_many_who_are_due_everybody_is_reminded_though_the_worker_is_killed_again_and_again(
    stack: Stack, shop: Customer, books: Books, mails: Mails
) -> None:
    names = [f"due-{shop.customer_id[:8]}-{number:03}" for number in range(120)]
    [known] = books.database["account_details"].find({"_id": shop.customer_id})
    [owner] = books.database["operators"].find({"customer_id": shop.customer_id, "role": "owner"})
    past = {field: known[field] - YEAR for field in ("due_at", "remind_at")}
    kills = 0
    books.database["operators"].insert_many(
        [owner | {"_id": name, "customer_id": name, "email": f"owner@{name}.example"} for name in names]
    )
    books.database["account_details"].insert_many([known | past | {"_id": name} for name in names])
    try:
        for goal in (1, 40, 80):
            eventually(lambda goal=goal: len(reached(mails, names)) >= goal, timeout=90, every=0.01)
            os.killpg(eventually(lambda: stack.supervisor.pid_of("accounts-worker"), timeout=30), signal.SIGKILL)
            kills += 1
        eventually(lambda: reached(mails, names) == set(names), timeout=120)
    finally:
        for collection in ("operators", "account_details"):
            books.database[collection].delete_many({"_id": {"$in": names}})

    # One letter a date; the same letter twice only where its sender died between the mail server's answer and the mark.
    copies = [message_id(mail) for name in names for mail in letters(mails, "details-", name)]
    assert len(set(copies)) == len(names)
    assert len(copies) - len(set(copies)) <= kills


def reached(mails: Mails, names: list[str]) -> set[str]:
    """Which of these customers have been told."""
    told = {message_id(mail).partition(".")[2].partition("@")[0] for mail in letters(mails, "details-overdue-")}
    return told & set(names)


def owner_comes(page: Page, stack: Stack, customer: Customer) -> None:
    one = next(person for person in customer.people if person["role"] == "owner")
    screens.sign_in(page, f"{stack.instance.base_url}/console", one)


def test_the_console_adds_a_site_once_the_account_is_complete_and_shows_its_tag(
    browser: Browser, stack: Stack, newcomer: Customer
) -> None:
    context = browser.new_context()
    page = context.new_page()
    owner_comes(page, stack, newcomer)
    page.get_by_test_id("sites").click()
    page.get_by_test_id("new-site-name").fill(SITE["name"])
    page.get_by_test_id("new-site-origins").fill("not an origin")
    page.get_by_test_id("save-site").click()
    expect(page.get_by_test_id("new-site-origins")).to_have_attribute("aria-invalid", "true")
    page.get_by_test_id("new-site-origins").fill("\n".join(SITE["origins"]))
    page.get_by_test_id("save-site").click()
    expect(page.get_by_test_id("add-site-problem")).to_contain_text("incomplete")

    owner = newcomer.operator("owner")
    for part in ("contact", "billing"):
        made(put(owner, part, details(part)), 200)
    page.get_by_test_id("save-site").click()
    expect(page.get_by_test_id("site")).to_have_count(2)
    [site] = [each for each in owner.edge.get("/api/v1/sites").json()["sites"] if each["name"] == SITE["name"]]
    shown = page.get_by_test_id("site").filter(has_text=SITE["name"])
    tag = f'<script async src="{stack.instance.base_url}/widget/v1/loader.js" data-site="{site["site_key"]}"></script>'
    expect(shown.get_by_test_id("site-tag")).to_have_text(tag)
    shown.get_by_test_id("copy-tag").click()
    expect(shown.get_by_test_id("tag-copied")).not_to_be_empty()
    shot(page, "console-add-site")
    context.close()


def test_the_console_asks_for_what_is_missing_and_takes_it(browser: Browser, stack: Stack, newcomer: Customer) -> None:
    context = browser.new_context()
    page = context.new_page()
    owner_comes(page, stack, newcomer)
    expect(page.get_by_test_id("account-banner")).to_contain_text("incomplete")
    page.get_by_test_id("account-banner").get_by_role("link").click()
    expect(page.get_by_test_id("standing")).to_have_attribute("data-complete", "false")

    for part in ("contact", "billing"):
        given = details(part)
        for field, value in (given | {f"address-{name}": text for name, text in given["address"].items()}).items():
            box = page.get_by_test_id(f"{part}-{field}")
            if field == "address-country":
                box.select_option(value)
            elif isinstance(value, str) and field != "currency":
                box.fill(value)
    page.get_by_test_id("billing-tax_id").fill("5105 1051 0510 5100")
    page.get_by_test_id("save-billing").click()
    expect(page.get_by_test_id("billing-problem")).to_contain_text("card number")
    expect(page.get_by_test_id("billing-tax_id")).to_have_attribute("aria-invalid", "true")
    page.get_by_test_id("billing-tax_id").fill("")
    page.get_by_test_id("save-billing").click()
    expect(page.get_by_test_id("billing-saved")).to_contain_text("Saved")
    page.get_by_test_id("save-contact").click()
    expect(page.get_by_test_id("standing")).to_have_attribute("data-complete", "true")
    expect(page.get_by_test_id("history-entry")).to_have_count(2)
    shot(page, "account-details")
    page.get_by_test_id("inbox").click()
    expect(page.get_by_test_id("account-banner")).to_have_count(0)
    context.close()


@pytest.mark.parametrize("role", ["operator", "analyst"])
def test_who_does_not_see_to_it_is_not_bothered(browser: Browser, stack: Stack, newcomer: Customer, role: str) -> None:
    one = next(person for person in newcomer.people if person["role"] == role)
    context = browser.new_context()
    page = context.new_page()
    screens.sign_in(page, f"{stack.instance.base_url}/console", one)
    expect(page.get_by_test_id("account")).to_have_count(0)
    expect(page.get_by_test_id("account-banner")).to_have_count(0)
    context.close()
