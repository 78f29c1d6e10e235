"""Promise 2: a transcript of the dialogue, and what standard web technologies tell, as far as the site wants it.

What a site does not want is looked for where it could have been written: in every database, queue and log.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from playwright.sync_api import Browser, expect

from chassis.testing import eventually
from deploy.local.instance import REPOSITORY, Instance
from deploy.local.processes import environment
from deploy.local.stack import Stack
from tests.edge import screens
from tests.edge.browser import shot
from tests.edge.customers import Customer
from tests.edge.everywhere import answers_everywhere
from tests.edge.http import Edge
from tests.edge.people import BROWSER, WIDGET, Visitor
from tests.edge.traces import Traces

ALL = {
    "ip_capture": "full",
    "has_browser": True,
    "has_language": True,
    "page_capture": "full",
    "has_trail": True,
}
NOTHING = {
    "ip_capture": "off",
    "has_browser": False,
    "has_language": False,
    "page_capture": "off",
    "has_trail": False,
}
PORT = 45
"""Of another gateway, behind a proxy; counted from the first port of the instance."""


def page(path: str, title: str = "") -> dict[str, str]:
    return {"url": f"https://shop.example{path}", "title": title, "referrer": "https://search.example/?q=pots"}


def transcript_of(customer: Customer, conversation_id: str) -> Any:
    operator = customer.operator()
    operator.accept(conversation_id)
    operator.close(conversation_id)
    return eventually(lambda: operator.transcript(conversation_id), timeout=60)


@pytest.fixture
def chosen(customers: Callable[[], Customer]) -> Callable[..., Customer]:
    """A customer whose owner has chosen what is captured before anybody came."""

    def make(**choices: Any) -> Customer:
        customer = customers()
        customer.operator("owner").choose(customer.site_id, **choices)
        return customer

    return make


def test_the_record_has_every_word_and_what_the_browser_told(chosen: Callable[..., Customer], address: str) -> None:
    customer = chosen(**ALL)
    visitor = Visitor(customer.base_url, customer.site_key)
    visitor.edge._session.headers["Accept-Language"] = "de-AT,de;q=0.8"
    visitor.edge.bear(visitor.visit(page("/tools?colour=red", "Tools"))["visitor_token"])
    conversation_id = visitor.open("Is the red one in stock?")
    visitor.say(conversation_id, "Or the blue one?")

    record = transcript_of(customer, conversation_id)

    assert [message["text"] for message in record["messages"]] == ["Is the red one in stock?", "Or the blue one?"]
    captured = record["captured"]
    assert (captured["ip"], captured["language"], captured["user_agent"]) == (address, "de-AT", BROWSER)
    assert (captured["browser"], captured["os"], captured["device"]) == ("Firefox 140", "Linux", "Computer")
    assert captured["page"]["url"] == "https://shop.example/tools?colour=red"
    assert captured["page"]["referrer"] == "https://search.example/?q=pots"


def test_the_trail_is_on_the_record_from_the_first_page_of_the_visit_to_the_last(
    chosen: Callable[..., Customer],
) -> None:
    customer = chosen(**ALL)
    visitor, operator = Visitor(customer.base_url, customer.site_key), customer.operator()
    visitor.edge.bear(visitor.visit(page("/", "Home"))["visitor_token"])
    visitor.visit(page("/bowls", "Bowls"))
    visitor.visit(page("/bowls", "Bowls"))
    conversation_id = visitor.open("Which bowl?")
    visitor.visit(page("/bowls/7", "Bowl 7"))

    assert [each["title"] for each in operator.visit_of(conversation_id)["trail"]] == ["Home", "Bowls", "Bowl 7"]
    record = transcript_of(customer, conversation_id)
    visitor.visit(page("/afterwards", "Afterwards"))

    assert [each["url"] for each in record["trail"]] == [
        f"https://shop.example{path}" for path in ("/", "/bowls", "/bowls/7")
    ]
    moments = [each["seen_at"] for each in record["trail"]]
    assert all(moments)
    assert moments == sorted(moments)
    assert transcript_again(operator, conversation_id) == record["trail"]
    for form in ("json", "txt", "html"):
        exported = operator.edge.get(f"/api/v1/transcripts/{conversation_id}.{form}").text
        assert "https://shop.example/bowls/7" in exported, form
    live = f"/api/v1/conversations/{conversation_id}/visit"
    eventually(lambda: operator.edge.get(live).status_code == 404, timeout=30)


def transcript_again(operator: Any, conversation_id: str) -> Any:
    return operator.transcript(conversation_id)["trail"]


def test_of_a_long_visit_the_latest_fifty_pages_are_kept(chosen: Callable[..., Customer]) -> None:
    customer = chosen(**ALL)
    visitor = customer.visitor()
    for number in range(60):
        visitor.visit(page(f"/{number}/{'x' * 1000}"))
    conversation_id = visitor.open("I am lost")

    trail = customer.operator().visit_of(conversation_id)["trail"]

    assert len(trail) == 50
    assert trail[-1]["url"].startswith("https://shop.example/59/")
    assert max(len(each["url"]) for each in trail) <= 500


def test_secrets_in_addresses_are_never_written_and_with_path_no_query_is(
    chosen: Callable[..., Customer], stack: Stack
) -> None:
    marker, harmless = f"hush{uuid4().hex}", f"colour{uuid4().hex}"
    found = []
    for page_capture in ("full", "path"):
        customer = chosen(**ALL | {"page_capture": page_capture})
        visitor = Visitor(customer.base_url, customer.site_key)
        seen = page(f"/reset?token={marker}&Session_ID={marker}&q={harmless}#key={marker}")
        seen |= {"url": seen["url"].replace("https://", f"https://user:{marker}@"), "referrer": seen["url"]}
        visitor.edge.bear(visitor.visit(seen)["visitor_token"])
        conversation_id = visitor.open("My password does not work")
        found.append(transcript_of(customer, conversation_id)["captured"]["page"])

    assert found[0]["url"] == f"https://shop.example/reset?token=hidden&Session_ID=hidden&q={harmless}"
    assert (found[1]["url"], found[1]["referrer"]) == ("https://shop.example/reset", "https://shop.example/reset")
    assert Traces(stack.instance).of(marker) == []


@contextmanager
def behind_a_proxy(instance: Instance, log: Path, *, proxies: int) -> Iterator[str]:
    """One more gateway of the same system, which believes so many proxies; its address."""
    port = instance.ports.base + PORT
    variables = environment(instance, "gateway") | {
        "VELARO_BIND": f"127.0.0.1:{port}",
        "VELARO_WORKERS": "1",
        "VELARO_TRUSTED_PROXIES": str(proxies),
    }
    with log.open("ab") as output:
        started = subprocess.Popen(
            [sys.executable, "-m", "services.gateway", "web"],
            cwd=REPOSITORY,
            env=os.environ | variables,
            stdout=output,
            stderr=output,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: is_ready(url), timeout=60)
        yield url
    finally:
        started.terminate()
        started.wait(60)


def is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/ready", timeout=2).ok
    except requests.ConnectionError:
        return False


def forwarded(url: str, customer: Customer, hops: str | None) -> str:
    """The address that is captured of a visitor whose request comes with this header."""
    visitor = Visitor(url, customer.site_key)
    if hops is not None:
        visitor.edge._session.headers["X-Forwarded-For"] = hops
    visitor.edge.bear(visitor.visit(page("/"))["visitor_token"])
    return str(visitor.copy()["visits"][0]["ip"])


def test_the_address_comes_through_exactly_the_configured_proxies(
    chosen: Callable[..., Customer], stack: Stack, tmp_path: Path
) -> None:
    full, cut = chosen(**ALL), chosen(**ALL | {"ip_capture": "truncated"})
    spoofed = "6.6.6.6, 7.7.7.7, 198.51.100.23"

    assert forwarded(full.base_url, full, spoofed) == "127.0.0.1"
    with behind_a_proxy(stack.instance, tmp_path / "one.log", proxies=1) as url:
        assert forwarded(url, full, spoofed) == "198.51.100.23"
        assert forwarded(url, full, "6.6.6.6, [2001:db8:1:2::3]:4711") == "2001:db8:1:2::3"
        assert forwarded(url, full, "6.6.6.6, nonsense") == "127.0.0.1"
        assert forwarded(url, full, None) == "127.0.0.1"
        assert forwarded(url, cut, spoofed) == "198.51.100.0"
        assert forwarded(url, cut, "2001:db8:1:2::3") == "2001:db8:1::"
    with behind_a_proxy(stack.instance, tmp_path / "two.log", proxies=2) as url:
        assert forwarded(url, full, spoofed) == "7.7.7.7"
        assert forwarded(url, full, "6.6.6.6") == "127.0.0.1"


def test_what_is_off_is_written_nowhere(chosen: Callable[..., Customer], stack: Stack, tmp_path: Path) -> None:
    customer = chosen(**NOTHING)
    number = uuid4().int % 200 + 20
    planted = f"198.18.{number}.{number + 5}"
    marker = f"shelf{uuid4().hex}"
    with behind_a_proxy(stack.instance, tmp_path / "gateway.log", proxies=1) as url:
        visitor = Visitor(url, customer.site_key)
        visitor.edge._session.headers.update(
            {"X-Forwarded-For": planted, "Accept-Language": marker[:30], "User-Agent": f"Browser/{marker}"}
        )
        seen = {"url": f"https://shop.example/{marker}", "title": marker, "referrer": f"https://{marker}.example/"}
        visitor.edge.bear(visitor.visit(seen)["visitor_token"])
        conversation_id = visitor.open("Who am I?")
        visitor.visit(seen | {"url": f"https://shop.example/2/{marker}"})
        record = transcript_of(customer, conversation_id)
        [visit] = visitor.copy()["visits"]

    assert (record["captured"]["ip"], record["captured"]["user_agent"], record["captured"]["page"]) == ("", "", None)
    assert record["trail"] == []
    assert (visit["ip"], visit["pages"]) == ("", [])
    assert Traces(stack.instance).of(planted, marker[:30]) == []
    assert planted not in (tmp_path / "gateway.log").read_text()
    assert marker[:30] not in (tmp_path / "gateway.log").read_text()


def test_turned_off_it_stops_for_a_visitor_who_is_there(chosen: Callable[..., Customer], stack: Stack) -> None:
    customer = chosen(**ALL)
    visitor, operator = Visitor(customer.base_url, customer.site_key), customer.operator()
    visitor.edge.bear(visitor.visit(page("/before"))["visitor_token"])
    customer.operator("owner").choose(customer.site_id, has_trail=False)
    eventually(lambda: not any(each["has_trail"] for each in configs(customer, stack)), timeout=40)
    marker = f"shelf{uuid4().hex}"

    visitor.visit(page(f"/{marker}"))
    visitor.visit(page("/last"))

    assert operator.visit_of(visitor.open("Hello"))["trail"] == []
    assert Traces(stack.instance).of(marker) == []


def configs(customer: Customer, stack: Stack) -> list[Any]:
    return answers_everywhere(stack.instance, f"{WIDGET}/config?site={customer.site_key}")


def test_only_owners_and_admins_of_the_customer_choose(customer: Customer, neighbour: Customer) -> None:
    before = customer.operator("owner").choices(customer.site_id)
    body = before | {"ip_capture": "off"}
    path = f"/api/v1/sites/{customer.site_id}/choices"

    assert customer.operator().edge.call("PUT", path, body).status_code == 403
    assert neighbour.operator("owner").edge.call("PUT", path, body).status_code == 404
    assert Edge(customer.base_url).call("PUT", path, body).status_code == 401
    owner = customer.operator("owner").edge
    for wrong in ({"ip_capture": "some"}, {"has_trail": "yes"}, {"page_capture": None}, {"nonsense": True}):
        assert owner.call("PUT", path, body | wrong).status_code == 422
    assert customer.operator("owner").choices(customer.site_id) == before


def test_the_console_shows_the_trail_beside_the_conversation_and_lets_the_owner_choose(
    browser: Browser, demo_site: dict[str, Any]
) -> None:
    shop = browser.new_context(viewport={"width": 1100, "height": 760}).new_page()
    console = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    name = f"Tess {uuid4().hex[:6]}"
    widget = screens.start_chat(shop, demo_site, name)
    screens.say(widget, "Where am I?")
    expect(widget.get_by_test_id("message").first).to_have_attribute("data-state", "sent")
    shop.evaluate("history.pushState({}, '', '/demo?shelf=7&token=abc'); document.title = 'Shelf 7'")
    screens.to_console(console, demo_site)
    console.get_by_test_id("queue-item").filter(has_text=name).click()
    expect(console.get_by_test_id("trail-page").first).to_be_visible(timeout=20_000)
    shot(console, "console-trail")
    console.get_by_test_id("accept").click()
    console.get_by_test_id("close").click()
    console.get_by_test_id("close-confirm").click()
    console.get_by_role("link", name="Open its transcript").click()
    expect(console.get_by_test_id("transcript").get_by_test_id("trail-page").first).to_contain_text(
        re.compile("/demo"), timeout=30_000
    )
    console.get_by_test_id("sign-out").click()

    screens.enter(console, demo_site["owner"])
    console.get_by_test_id("sites").click()
    console.get_by_test_id("ip_capture").select_option("truncated")
    console.get_by_test_id("save-choices").click()
    expect(console.get_by_test_id("choices-saved")).to_contain_text("Saved")
    shot(console, "console-sites")
    console.reload()
    expect(console.get_by_test_id("ip_capture")).to_have_value("truncated")
    console.get_by_test_id("ip_capture").select_option("full")
    console.get_by_test_id("save-choices").click()
    expect(console.get_by_test_id("choices-saved")).to_contain_text("Saved")
