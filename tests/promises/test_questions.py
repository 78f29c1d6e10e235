"""Promise 12, as far as a visitor's token goes: a copy of one's own data, and its erasure with a certificate.

Questions by e-mail to support; a visitor can ask for a copy or erasure of their own data.
"""

import json
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect

from chassis.certificates import NotGenuine, verified
from chassis.testing import eventually
from deploy.local.stack import Stack
from services.chat.model import CERTIFICATE
from tests.edge import screens
from tests.edge.browser import shot
from tests.edge.customers import Customer
from tests.edge.http import Edge, made
from tests.edge.people import ANSWERS, WIDGET, Operator, Visitor
from tests.edge.traces import Traces


@pytest.fixture
def operator(customer: Customer) -> Operator:
    return customer.operator()


@pytest.fixture
def traces(stack: Stack) -> Traces:
    return Traces(stack.instance)


def sealed_conversation(visitor: Visitor, operator: Operator, text: str) -> str:
    conversation_id = visitor.open(text)
    operator.accept(conversation_id)
    operator.say(conversation_id, f"About {text}")
    operator.close(conversation_id)
    eventually(lambda: operator.transcript(conversation_id), timeout=30)
    return conversation_id


def keys(customer: Customer) -> str:
    """What is published for anybody to check certificates with."""
    return json.dumps(made(Edge(customer.base_url).get("/api/v1/certificate-keys"), 200))


def test_a_copy_has_everything_there_is_of_the_visitor_and_of_nobody_else(
    customer: Customer, operator: Operator, address: str
) -> None:
    visitor, other = customer.visitor(), customer.visitor()
    closed, live = sealed_conversation(visitor, operator, "an old order"), visitor.open("a new order")
    strange = sealed_conversation(other, operator, "a stranger's order")

    copy = visitor.copy()

    by_id = {each["conversation_id"]: each for each in copy["conversations"]}
    assert set(by_id) == {closed, live}
    assert strange not in json.dumps(copy)
    assert [message["text"] for message in by_id[closed]["messages"]] == ["an old order", "About an old order"]
    assert [message["text"] for message in by_id[live]["messages"]] == ["a new order"]
    for each in by_id.values():
        answers = {answer["question_id"]: answer["value"] for answer in each["responses"][0]["answers"]}
        assert (answers["name"], answers["email"]) == (ANSWERS["name"], ANSWERS["email"])
        assert "Firefox" in each["captured"]["user_agent"]
        assert each["captured"]["page"]["url"] == "https://shop.example/tools"
    [visit] = copy["visits"]
    assert visit["pages"][0]["referrer"] == "https://search.example/"
    assert visit["ip"]
    assert copy["visitor"]["visitor_id"]


def test_an_erasure_leaves_nothing_and_gives_a_certificate_that_anybody_can_check(
    customer: Customer, operator: Operator, traces: Traces
) -> None:
    marker = f"egret{uuid4().hex}"
    visitor, bystander = customer.visitor(), customer.visitor()
    sealed_conversation(visitor, operator, marker)
    visitor.open(marker)
    kept = bystander.open("I stay")

    asked = visitor.ask_erasure()

    assert (asked["status"], asked["reason"], asked["certificate"]) == ("running", "asked", "")
    done = eventually(visitor.erased, timeout=60)
    statement = verified(done["certificate"], kind=CERTIFICATE, service="chat", jwks=keys(customer))
    assert statement["erasure_id"] == asked["erasure_id"]
    assert statement["customer_id"] == customer.customer_id
    assert (statement["reason"], statement["left"]) == ("asked", 0)
    assert statement["removed"] == done["removed"]
    assert done["removed"] | {"visitors": 1, "conversations": 2, "visits": 1, "responses": 2} == done["removed"]
    assert statement["looks"] >= 2
    assert traces.of(marker) == []
    assert bystander.history(kept)["messages"][0]["text"] == "I stay"


def test_a_certificate_that_was_touched_is_not_genuine(customer: Customer) -> None:
    visitor = customer.visitor()
    visitor.ask_erasure()
    certificate = eventually(visitor.erased, timeout=60)["certificate"]
    head, statement, signature = certificate.split(".")
    other = customer.visitor()
    other.ask_erasure()
    _, other_statement, _ = eventually(other.erased, timeout=60)["certificate"].split(".")

    for forged in (f"{head}.{other_statement}.{signature}", f"{head}.{statement}.{signature[:-4]}AAAA", "", "a.b.c"):
        with pytest.raises(NotGenuine):
            verified(forged, kind=CERTIFICATE, service="chat", jwks=keys(customer))


def test_asking_again_with_the_dead_token_shows_the_same_erasure(customer: Customer) -> None:
    visitor = customer.visitor()
    first = visitor.ask_erasure()

    assert visitor.ask_erasure()["erasure_id"] == first["erasure_id"]
    done = eventually(visitor.erased, timeout=60)
    assert visitor.ask_erasure() == done
    assert visitor.edge.get(f"{WIDGET}/copy").status_code == 401


def test_nobody_sees_or_causes_the_erasure_of_another(customer: Customer, neighbour: Customer) -> None:
    visitor = customer.visitor()
    visitor.open("mine")
    for stranger in (customer.visitor(), neighbour.visitor()):
        stranger.ask_erasure()
        eventually(stranger.erased, timeout=60)
    nobody = Edge(customer.base_url)
    for method, path in (("GET", "erasure"), ("POST", "erasure"), ("GET", "copy")):
        assert nobody.call(method, f"{WIDGET}/{path}").status_code == 401
        nobody.bear("no-such-token")
    assert visitor.edge.get(f"{WIDGET}/erasure").status_code == 404
    assert [each["messages"][0]["text"] for each in visitor.copy()["conversations"]] == ["mine"]


def test_a_visitor_whose_erasure_was_asked_for_may_come_again_as_somebody_new(customer: Customer) -> None:
    visitor = customer.visitor()
    before = visitor.copy()["visitor"]["visitor_id"]
    visitor.ask_erasure()

    visitor.arrive()

    assert visitor.copy()["visitor"]["visitor_id"] != before
    assert visitor.copy()["conversations"] == []


def test_in_the_browser_a_visitor_downloads_a_copy_and_has_everything_erased(browser: Browser, demo_site: dict) -> None:
    shop = browser.new_context(viewport={"width": 1100, "height": 760}).new_page()
    marker = f"egret{uuid4().hex[:12]}"
    widget = screens.start_chat(shop, demo_site, marker)
    screens.say(widget, f"A word of {marker}")
    expect(widget.get_by_test_id("message").filter(has_text=marker)).to_have_attribute("data-state", "sent")

    widget.get_by_test_id("own-data").click()
    shot(shop, "widget-own-data")
    with shop.expect_download() as download:
        widget.get_by_test_id("copy").click()
    copy = json.loads(Path(download.value.path()).read_text())
    assert [message["text"] for message in copy["conversations"][0]["messages"]] == [f"A word of {marker}"]

    widget.get_by_test_id("erase").click()
    widget.get_by_test_id("erase-confirm").click()
    told = widget.get_by_test_id("erased")
    expect(told).to_have_attribute("data-reason", "asked")
    expect(told).to_have_attribute("data-status", "completed", timeout=60_000)
    with shop.expect_download() as download:
        widget.get_by_test_id("certificate").click()
    shot(shop, "widget-erased")
    certificate = Path(download.value.path()).read_text()
    keys_of_all = json.dumps(made(Edge(demo_site["base_url"]).get("/api/v1/certificate-keys"), 200))
    assert verified(certificate, kind=CERTIFICATE, service="chat", jwks=keys_of_all)["left"] == 0
