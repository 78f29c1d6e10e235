"""Promise 8: a cookie recognises who comes back, where the site wants it, they agreed, and no signal forbids it.

Refusing it costs nothing but that; and nobody is invited again and again.
"""

import ast
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from time import time
from typing import Any

import pytest
import requests
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Error,
    FrameLocator,
    Page,
    Playwright,
    expect,
    sync_playwright,
)

from chassis.testing import eventually
from deploy.local import demo
from deploy.local.instance import REPOSITORY
from deploy.local.stack import Stack
from services.gateway import cookies
from tests.edge import browser as browsers
from tests.edge import screens, third_party
from tests.edge.browser import shot
from tests.edge.customers import Customer, new_customer
from tests.edge.everywhere import answers_everywhere
from tests.edge.http import Edge, made
from tests.edge.people import PAGE, WIDGET, Visitor
from tests.edge.traces import Traces

SHOP = "https://shop.pots.test"
OTHER = "https://books.pages.test"
INVITATION = {"text": "May we help you choose?", "after_seconds": 1, "after_pages": 1, "every_hours": 24}
GPC = {"Sec-GPC": "1"}


@pytest.fixture
def make(customers: Callable[[], Customer]) -> Callable[..., Customer]:
    """A customer whose owner has decided something before anybody came."""

    def choose(**choices: Any) -> Customer:
        customer = customers()
        customer.operator("owner").choose(customer.site_id, **choices)
        return customer

    return choose


@pytest.fixture
def willing(make: Callable[..., Customer]) -> Customer:
    """A customer who wants cookies."""
    return make(has_cookies=True)


def name_of(customer: Customer) -> str:
    return f"visitor-{customer.site_key}"


def newcomer(customer: Customer, **headers: str) -> Visitor:
    """Somebody who has no token and no cookie."""
    visitor = Visitor(customer.base_url, customer.site_key)
    visitor.edge._session.headers.update(headers)
    return visitor


def agreed(customer: Customer) -> Visitor:
    """Somebody who has agreed to a cookie, and has it and the token."""
    visitor = newcomer(customer)
    visit = visitor.visit(PAGE, consents=True)
    assert visit["has_cookie"]
    visitor.edge.bear(visit["visitor_token"])
    return visitor


def cookie_of(visitor: Visitor) -> str | None:
    return visitor.edge._session.cookies.get(f"visitor-{visitor.site_key}")


def back_with(visitor: Visitor, customer: Customer | None = None, **headers: str) -> Visitor:
    """Another day: the same browser without the token."""
    key = customer.site_key if customer else visitor.site_key
    again = Visitor(visitor.edge.base_url, key)
    again.edge._session.headers.update(headers)
    again.edge._session.cookies.set(f"visitor-{key}", cookie_of(visitor) or "")
    again.edge.bear(again.visit(PAGE)["visitor_token"])
    return again


def identity(visitor: Visitor) -> str:
    return str(visitor.copy()["visitor"]["visitor_id"])


class TestOverHttp:
    def test_it_is_off_unless_the_owner_turns_it_on(self, customers: Callable[[], Customer]) -> None:
        customer = customers()

        assert newcomer(customer).config()["cookies"]["enabled"] is False
        visitor = newcomer(customer)
        assert visitor.visit(PAGE, consents=True)["has_cookie"] is False
        assert not visitor.edge._session.cookies

    def test_nothing_is_set_before_the_visitor_agrees(self, willing: Customer) -> None:
        visitor = willing.visitor()
        visitor.config()
        visitor.open("Without")

        assert not visitor.edge._session.cookies
        assert visitor.copy()["consents"] == []

    def test_who_comes_back_with_it_is_the_same_visitor_with_the_same_conversation(self, willing: Customer) -> None:
        visitor = agreed(willing)
        conversation_id = visitor.open("I will be back")

        again = back_with(visitor)

        assert identity(again) == identity(visitor)
        assert [each["text"] for each in again.history(conversation_id)["messages"]] == ["I will be back"]
        again.say(conversation_id, "Here I am")

    def test_what_is_kept_neither_is_the_cookie_nor_gives_the_token(self, willing: Customer, stack: Stack) -> None:
        visitor = agreed(willing)
        token = visitor.edge._session.headers["Authorization"].removeprefix("Bearer ")

        assert cookie_of(visitor)
        assert cookie_of(visitor) != token
        assert Traces(stack.instance).of(str(cookie_of(visitor)), token) == []

    def test_a_cookie_is_good_on_the_site_it_was_given_on_and_nowhere_else(
        self, willing: Customer, make: Callable[..., Customer]
    ) -> None:
        visitor, other = agreed(willing), make(has_cookies=True)

        stranger = back_with(visitor, other)

        assert identity(stranger) != identity(visitor)

    def test_a_cookie_that_somebody_made_up_makes_a_new_visitor_and_is_deleted(self, willing: Customer) -> None:
        visitor = newcomer(willing)
        for made_up in ("x" * 43, "../../", "x" * 300):
            visitor.edge._session.cookies.set(name_of(willing), made_up)
            answer = visitor.edge.post(f"{WIDGET}/visits", {"site_key": willing.site_key, "page": PAGE})
            assert answer.status_code == 201
            assert made_up not in answer.headers.get("Set-Cookie", "")
        planted = "planted-by-somebody-else-0123456789-0123456789"
        visitor.edge._session.cookies.set(name_of(willing), planted)
        visit = visitor.visit(PAGE, consents=True)
        assert visit["has_cookie"]
        values = {cookie.value for cookie in visitor.edge._session.cookies if cookie.domain}
        assert planted not in values

    def test_another_origin_can_use_it_for_nothing(self, willing: Customer) -> None:
        visitor = agreed(willing)
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            cookie = {name_of(willing): str(cookie_of(visitor))}
            body = {"site_key": willing.site_key, "page": PAGE, "cookies_consent": True}
            for method, path, sent in (
                ("POST", "visits", body),
                ("DELETE", f"cookie?site={willing.site_key}", None),
            ):
                url = f"{willing.base_url}{WIDGET}/{path}"
                answer = requests.request(method, url, json=sent, headers=headers, cookies=cookie, timeout=10)
                assert answer.status_code == 403, (method, headers, answer.text)
        assert identity(back_with(visitor)) == identity(visitor)

    def test_consent_and_withdrawal_are_on_the_record_and_a_withdrawn_cookie_is_nobodys(
        self, willing: Customer
    ) -> None:
        visitor = agreed(willing)
        before, version = identity(visitor), visitor.config()["policy"]["version"]
        kept = str(cookie_of(visitor))

        assert visitor.edge.call("DELETE", f"{WIDGET}/cookie?site={willing.site_key}").status_code == 204

        assert cookie_of(visitor) is None
        [consent] = visitor.copy()["consents"]
        assert consent["given_policy_version"] == consent["withdrawn_policy_version"] == version
        assert consent["given_at"] < consent["withdrawn_at"]
        assert consent["withdrawn_because"] == "asked"
        visitor.edge._session.cookies.set(name_of(willing), kept)
        again = newcomer(willing)
        again.edge._session.cookies.set(name_of(willing), kept)
        again.edge.bear(again.visit(PAGE)["visitor_token"])
        assert identity(again) != before

    def test_global_privacy_control_is_stronger_than_any_consent(self, willing: Customer) -> None:
        visitor = newcomer(willing, **GPC)
        assert visitor.config()["cookies"]["enabled"] is False
        assert visitor.visit(PAGE, consents=True)["has_cookie"] is False
        assert not visitor.edge._session.cookies

    def test_a_cookie_from_before_the_signal_is_ended_by_it(self, willing: Customer) -> None:
        visitor = agreed(willing)

        signalling = back_with(visitor, **GPC)

        assert identity(signalling) != identity(visitor)
        assert not [each for each in signalling.edge._session.cookies if each.value and each.domain]
        assert visitor.copy()["consents"][0]["withdrawn_because"] == "privacy-signal"
        assert identity(back_with(visitor)) != identity(visitor)

    def test_when_the_owner_turns_it_off_the_cookies_there_are_end(self, willing: Customer, stack: Stack) -> None:
        visitor = agreed(willing)
        willing.operator("owner").choose(willing.site_id, has_cookies=False)
        path = f"{WIDGET}/config?site={willing.site_key}"
        eventually(
            lambda: not any(each["cookies"]["enabled"] for each in answers_everywhere(stack.instance, path)), timeout=40
        )

        assert identity(back_with(visitor)) != identity(visitor)
        assert visitor.copy()["consents"][0]["withdrawn_because"] == "site"

    def test_an_erasure_takes_consents_and_cookie_along(self, willing: Customer, stack: Stack) -> None:
        visitor = agreed(willing)
        before = identity(visitor)

        answer = visitor.edge.post(f"{WIDGET}/erasure")

        assert f"visitor-{willing.site_key}=;" in answer.headers["Set-Cookie"]
        done = eventually(visitor.erased, timeout=60)
        assert done["removed"]["cookie_consents"] == 1
        assert [place for place in Traces(stack.instance).of(before) if "cookie_consents" in place] == []

    def test_a_recognised_visitor_is_invited_as_often_as_the_site_says(self, make: Callable[..., Customer]) -> None:
        customer = make(has_cookies=True, invitation=INVITATION)
        visitor = agreed(customer)
        path = f"{WIDGET}/invitations?site={customer.site_key}"

        due = [made(visitor.edge.post(path), 200)["is_due"] for _ in range(3)]
        due += [made(back_with(visitor).edge.post(path), 200)["is_due"] for _ in range(2)]

        assert due == [True, False, False, False, False]
        assert made(customer.visitor().edge.post(path), 200)["is_due"] is True
        assert Edge(customer.base_url).post(path).status_code == 401

    def test_an_invitation_of_another_site_is_none_of_theirs(
        self, make: Callable[..., Customer], willing: Customer
    ) -> None:
        inviting = make(invitation=INVITATION)
        path = f"{WIDGET}/invitations?site="
        assert willing.visitor().edge.post(path + inviting.site_key).status_code == 404
        assert made(willing.visitor().edge.post(path + willing.site_key), 200)["is_due"] is False


class TestSigningIn:
    def sign_in(self, customer: Customer, **more: Any) -> requests.Response:
        one = customer.people[0]
        body = {"email": one["email"], "password": one["password"], **more}
        return Edge(customer.base_url).post("/api/v1/sessions", body)

    def test_the_cookie_ends_with_the_browser_unless_the_operator_wants_to_stay(self, customer: Customer) -> None:
        plain, kept = self.sign_in(customer), self.sign_in(customer, remember=True)

        assert "expires" not in plain.headers["Set-Cookie"].lower()
        assert "max-age" not in plain.headers["Set-Cookie"].lower()
        [cookie] = kept.cookies
        lasts = cookie.expires - plain_time()
        assert abs(lasts - cookies.REMEMBERED.total_seconds()) < 600
        assert self.sign_in(customer, remember="yes").status_code == 422

    def test_on_the_server_too_only_a_kept_session_outlives_its_not_being_used(
        self, customer: Customer, stack: Stack
    ) -> None:
        sessions = {"plain": self.sign_in(customer), "kept": self.sign_in(customer, remember=True)}
        with Traces(stack.instance).databases() as client:
            # What an administrator of the database can do, as time does not pass faster for tests.
            found = client["accounts"]["sessions"]
            found.update_many({"customer_id": customer.customer_id}, [{"$set": {"last_used_at": three_hours_ago()}}])
        eventually(
            lambda: [self.current(customer, sessions[name]).status_code for name in ("plain", "kept")] == [401, 200],
            timeout=20,
        )

    def current(self, customer: Customer, signed_in: requests.Response) -> requests.Response:
        url = f"{customer.base_url}/api/v1/sessions/current"
        return requests.get(url, cookies=dict(signed_in.cookies), timeout=10)


def plain_time() -> float:
    return time()


def three_hours_ago() -> Any:
    return {"$dateSubtract": {"startDate": "$$NOW", "unit": "hour", "amount": 3}}


class TestThePublicPage:
    def test_it_lists_exactly_the_cookies_that_there_are(self, customer: Customer) -> None:
        page = requests.get(f"{customer.base_url}/privacy/cookies", timeout=10)

        assert page.status_code == 200
        assert "script-src" not in page.headers["Content-Security-Policy"]
        listed = [part.partition('"')[0] for part in page.text.split('data-cookie="')[1:]]
        assert sorted(listed) == ["session", "staff", "visitor"]
        for cookie in cookies.ALL:
            assert cookie.purpose in page.text
            assert cookie.lasts in page.text
        assert "180 days" in page.text
        assert "30 days" in page.text

    def test_the_sign_in_says_the_same_as_the_page(self) -> None:
        shown = (REPOSITORY / "services/gateway/web/src/console/app.tsx").read_text()
        assert f"rememberedDays={{{cookies.REMEMBERED.days}}}" in shown

    def test_no_line_of_the_code_sets_a_cookie_but_those_that_are_listed(self) -> None:
        setting = {
            path.name
            for path in (REPOSITORY / "services").rglob("*.py")
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute) and node.attr in ("set_cookie", "delete_cookie")
        }
        browser_code = [
            path.name
            for path in (REPOSITORY / "services/gateway/web/src").rglob("*.ts*")
            if "document.cookie" in path.read_text() or "cookieStore" in path.read_text()
        ]
        assert setting == {"cookies.py"}
        assert browser_code == []


HERE = {
    "executable_path": "/usr/bin/chromium",
    "args": [
        *browsers.FLAGS,
        "--host-resolver-rules=MAP *.test 127.0.0.1",
        "--disable-features=LocalNetworkAccessChecks",
    ],
}
"""A browser that finds every name under .test on this machine, and lets a website ask it."""

REFUSING = {"profile": {"default_content_setting_values": {"cookies": 2}}}
"""What stands in the preferences of a person who lets no website keep anything."""


def invited(widget: FrameLocator, page: Page) -> None:
    expect(widget.get_by_test_id("invitation")).to_be_visible(timeout=15_000)
    expect(widget.get_by_test_id("invitation")).to_contain_text(INVITATION["text"])


def not_invited(page: Page, widget: FrameLocator) -> None:
    """Longer than the site waits before it invites, nothing has come."""
    expect(widget.get_by_test_id("launcher")).to_be_visible()
    page.wait_for_timeout(4_000)
    expect(widget.get_by_test_id("invitation")).to_have_count(0)


@pytest.fixture(scope="module")
def driver() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def browser(driver: Playwright) -> Iterator[Browser]:
    started = driver.chromium.launch(**HERE)
    yield started
    started.close()


@pytest.fixture(scope="module")
def gateway(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with third_party.secure_gateway(stack.instance, tmp_path_factory.mktemp("secure")) as url:
        yield url


@pytest.mark.timeout(400)
class TestInTheBrowser:
    @pytest.fixture
    def shopkeeper(self, customers: Callable[[], Customer], stack: Stack) -> Customer:
        """A customer with two websites of other origins than ours, who wants cookies and is there to answer."""

        def seed(wanted: dict[str, Any]) -> dict[str, Any]:
            wanted["site"]["origins"] = [SHOP, OTHER]
            return demo.seed_customer(stack.instance, wanted)

        customer = new_customer(stack.instance.base_url, seed)
        customer.operator("owner").choose(customer.site_id, has_cookies=True)
        customer.operator().queued()
        return customer

    @pytest.fixture
    def person(self, browser: Browser, gateway: str, shopkeeper: Customer) -> Iterator[BrowserContext]:
        context = self.context_of(browser, gateway, shopkeeper)
        yield context
        context.close()

    def context_of(self, browser: Browser, gateway: str, customer: Customer, **options: Any) -> BrowserContext:
        context = browser.new_context(ignore_https_errors=True, **options)
        for origin in (SHOP, OTHER):
            third_party.serve_site(context, origin, gateway, customer.site_key)
        return context

    def answer(self, widget: FrameLocator, name: str) -> None:
        widget.get_by_test_id("answer-name").fill(name)
        widget.get_by_label("An order").check()
        widget.get_by_test_id("acknowledge").check()
        widget.get_by_test_id("start").click()

    def test_who_agrees_is_recognised_in_the_frame_of_the_same_website_and_of_no_other(
        self, person: BrowserContext, shopkeeper: Customer
    ) -> None:
        page = person.new_page()
        widget = third_party.visit(page, f"{SHOP}/")
        widget.get_by_test_id("launcher").click()
        expect(widget.get_by_test_id("cookie-question")).to_be_visible()
        shot(page, "cookie-question")
        assert person.cookies() == []
        widget.get_by_test_id("cookie-yes").click()
        expect(widget.get_by_test_id("cookie-question")).to_have_count(0)
        [cookie] = eventually(person.cookies, timeout=10)
        assert cookie["name"] == f"__Host-visitor-{shopkeeper.site_key}"
        assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "None")
        assert cookie["path"] == "/"
        assert cookie.get("partitionKey"), cookie
        self.answer(widget, "Vera")
        screens.say(widget, "I come back tomorrow.")
        expect(widget.get_by_test_id("message").first).to_have_attribute("data-state", "sent")
        page.close()

        other = person.new_page()
        elsewhere = third_party.visit(other, f"{OTHER}/")
        elsewhere.get_by_test_id("launcher").click()
        expect(elsewhere.get_by_test_id("cookie-question")).to_be_visible()
        expect(elsewhere.get_by_test_id("start")).to_be_visible()
        other.close()

        tomorrow = person.new_page()
        widget = third_party.visit(tomorrow, f"{SHOP}/next")
        widget.get_by_test_id("launcher").click()
        expect(widget.get_by_test_id("message-text")).to_have_text(["I come back tomorrow."], timeout=15_000)
        expect(widget.get_by_test_id("cookie-question")).to_have_count(0)
        widget.get_by_test_id("own-data").click()
        shot(tomorrow, "cookie-withdraw")
        widget.get_by_test_id("withdraw").click()
        expect(widget.get_by_test_id("withdraw")).to_have_count(0)
        assert person.cookies() == []

    def test_who_says_no_is_not_asked_again_and_has_the_whole_chat(self, person: BrowserContext) -> None:
        page = person.new_page()
        widget = third_party.visit(page, f"{SHOP}/")
        widget.get_by_test_id("launcher").click()
        widget.get_by_test_id("cookie-no").click()
        self.answer(widget, "Nina")
        screens.say(widget, "No cookie for me.")
        expect(widget.get_by_test_id("message").first).to_have_attribute("data-state", "sent")
        page.reload()
        expect(widget.get_by_test_id("message-text")).to_have_text(["No cookie for me."], timeout=15_000)
        expect(widget.get_by_test_id("cookie-question")).to_have_count(0)
        assert person.cookies() == []

    def test_with_global_privacy_control_nobody_is_asked(
        self, browser: Browser, gateway: str, shopkeeper: Customer
    ) -> None:
        for options, script in (
            ({"extra_http_headers": GPC}, ""),
            ({}, "Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })"),
        ):
            context = self.context_of(browser, gateway, shopkeeper, **options)
            if script:
                context.add_init_script(script)
            page = context.new_page()
            widget = third_party.visit(page, f"{SHOP}/")
            widget.get_by_test_id("launcher").click()
            expect(widget.get_by_test_id("start")).to_be_visible()
            page.wait_for_timeout(1_000)
            expect(widget.get_by_test_id("cookie-question")).to_have_count(0)
            assert context.cookies() == []
            context.close()

    def test_with_every_cookie_and_storage_refused_the_whole_chat_works(
        self, driver: Playwright, gateway: str, shopkeeper: Customer, tmp_path: Path
    ) -> None:
        preferences = tmp_path / "Default" / "Preferences"
        preferences.parent.mkdir()
        preferences.write_text(json.dumps(REFUSING))
        context = driver.chromium.launch_persistent_context(tmp_path, ignore_https_errors=True, **HERE)
        third_party.serve_site(context, SHOP, gateway, shopkeeper.site_key)
        page = context.new_page()
        widget = third_party.visit(page, f"{SHOP}/")
        expect(widget.get_by_test_id("launcher")).to_be_visible()
        with pytest.raises(Error, match="Access is denied"):
            page.frames[-1].evaluate("sessionStorage.length")
        widget.get_by_test_id("launcher").click()
        widget.get_by_test_id("cookie-yes").click()
        self.answer(widget, "Nobody")
        screens.say(widget, "Does it work?")
        expect(widget.get_by_test_id("message").first).to_have_attribute("data-state", "sent")
        operator = shopkeeper.operator()
        [conversation] = eventually(operator.queued, timeout=20)
        operator.accept(conversation["conversation_id"])
        operator.say(conversation["conversation_id"], "It does.")
        expect(widget.get_by_test_id("message-text")).to_have_text(["Does it work?", "It does."], timeout=30_000)
        assert context.cookies() == []
        context.close()

    def test_without_a_cookie_an_invitation_comes_once_where_one_arrives_and_not_after_a_no(
        self, person: BrowserContext, shopkeeper: Customer
    ) -> None:
        shopkeeper.operator("owner").choose(shopkeeper.site_id, has_cookies=False, invitation=INVITATION)
        page = person.new_page()
        widget = third_party.visit(page, f"{SHOP}/")
        invited(widget, page)
        shot(page, "invitation")
        assert page.frames[-1].evaluate("[sessionStorage.length, localStorage.length]") == [0, 0]
        page.get_by_role("link", name="Next").click()
        not_invited(page, page.frame_locator("iframe"))

        other = person.new_page()
        widget = third_party.visit(other, f"{SHOP}/")
        invited(widget, other)
        widget.get_by_test_id("invitation-dismiss").click()
        not_invited(other, widget)
        other.reload()
        not_invited(other, other.frame_locator("iframe"))
        assert person.cookies() == []

    def test_with_a_cookie_it_comes_as_often_as_the_site_says(
        self, person: BrowserContext, shopkeeper: Customer
    ) -> None:
        shopkeeper.operator("owner").choose(shopkeeper.site_id, invitation=INVITATION)
        page = person.new_page()
        widget = third_party.visit(page, f"{SHOP}/")
        widget.get_by_test_id("launcher").click()
        widget.get_by_test_id("cookie-yes").click()
        eventually(person.cookies, timeout=10)
        page.close()

        seen = 0
        for _ in range(3):
            page = person.new_page()
            widget = third_party.visit(page, f"{SHOP}/")
            expect(widget.get_by_test_id("launcher")).to_be_visible()
            page.wait_for_timeout(4_000)
            seen += widget.get_by_test_id("invitation").count()
            page.close()
        assert seen == 1

    def test_an_invitation_leads_into_the_chat(self, person: BrowserContext, shopkeeper: Customer) -> None:
        shopkeeper.operator("owner").choose(shopkeeper.site_id, invitation=INVITATION)
        page = person.new_page()
        widget = third_party.visit(page, f"{SHOP}/")
        invited(widget, page)
        widget.get_by_test_id("invitation-accept").click()
        expect(widget.get_by_test_id("start")).to_be_visible()
        widget.get_by_test_id("minimise").click()
        not_invited(page, widget)

    def test_the_sign_in_says_what_is_kept_and_keeps_nothing_by_itself(
        self, browser: Browser, demo_site: dict[str, Any]
    ) -> None:
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{demo_site['base_url']}/console")
        expect(page.get_by_test_id("remember")).not_to_be_checked()
        expect(page.locator("#remember-detail")).to_contain_text("cookie")
        screens.enter(page, demo_site["operator"])
        [cookie] = context.cookies()
        assert cookie["expires"] == -1
        page.get_by_test_id("sign-out").click()
        page.get_by_test_id("remember").check()
        screens.enter(page, demo_site["operator"])
        [cookie] = context.cookies()
        assert cookie["expires"] > plain_time() + 29 * 24 * 3600
        context.close()
