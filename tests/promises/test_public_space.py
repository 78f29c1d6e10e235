"""Promise 7: what is said in a chat may be read by others; nothing is accepted before that notice is acknowledged."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect

from chassis.testing import eventually
from deploy.local.stack import Stack
from tests.edge import screens
from tests.edge.browser import shot
from tests.edge.customers import Customer
from tests.edge.http import made
from tests.edge.people import ANSWERS, WIDGET, Visitor
from tests.promises.policy import Versions


@pytest.fixture(scope="module")
def versions(stack: Stack) -> Iterator[Versions]:
    opened = Versions(stack.instance)
    yield opened
    opened.close()


def acknowledge(visitor: Visitor, conversation_id: str, version: str) -> Any:
    return visitor.edge.post(f"{WIDGET}/conversations/{conversation_id}/acknowledgements", {"policy_version": version})


def post(visitor: Visitor, conversation_id: str, text: str) -> Any:
    body = {"client_id": str(uuid4()), "text": text}
    return visitor.edge.post(f"{WIDGET}/conversations/{conversation_id}/messages", body)


def test_the_notice_and_the_policy_are_there_before_anything_is_said(customer: Customer, versions: Versions) -> None:
    config = customer.visitor().config()

    assert "can read what you write" in config["notice"]
    assert config["policy"]["version"] == versions.in_force()
    assert config["policy"]["text"]


@pytest.mark.parametrize("version", [None, "", "0", "999", "x"])
def test_no_conversation_opens_without_acknowledging_the_version_in_force(
    customer: Customer, versions: Versions, version: str | None
) -> None:
    visitor = customer.visitor()
    body: dict[str, Any] = {"answers": ANSWERS, "text": "unread"}
    body |= {} if version is None else {"acknowledged_policy_version": version}

    answer = visitor.edge.post(f"{WIDGET}/conversations", body)

    assert (answer.status_code, answer.json()["code"]) == (409, "policy-not-acknowledged")
    assert answer.json()["policy_version"] == versions.in_force()
    assert made(visitor.edge.get(f"{WIDGET}/conversations"), 200)["conversations"] == []


def test_when_a_new_version_takes_effect_it_is_asked_again_and_both_are_on_the_record(
    customer: Customer, neighbour: Customer, versions: Versions
) -> None:
    visitor, operator = customer.visitor(), customer.operator()
    before = versions.in_force()
    conversation_id = visitor.open("under the old one")
    operator.accept(conversation_id)
    with visitor.socket() as socket:
        assert socket.say(conversation_id, "still the old one")["seq"] == 2
        version = versions.put_into_force()

        refused = post(visitor, conversation_id, "unread")
        assert (refused.status_code, refused.json()["code"]) == (409, "policy-not-acknowledged")
        assert refused.json()["policy_version"] == version
        socket.send(type="message", conversation_id=conversation_id, client_id="unread", text="unread")
        assert socket.until("rejected", client_id="unread")["code"] == "policy-not-acknowledged"
        operator.say(conversation_id, "I may go on")
        assert [each["text"] for each in visitor.history(conversation_id)["messages"]] == [
            "under the old one",
            "still the old one",
            "I may go on",
        ]

        for stranger in (customer.visitor(), neighbour.visitor()):
            assert acknowledge(stranger, conversation_id, version).status_code == 404
        assert acknowledge(visitor, conversation_id, before).status_code == 409
        assert post(visitor, conversation_id, "unread").status_code == 409
        said = made(acknowledge(visitor, conversation_id, version))
        assert (said["conversation_id"], said["policy_version"]) == (conversation_id, version)
        assert made(acknowledge(visitor, conversation_id, version)) == said

        assert post(visitor, conversation_id, "over HTTP").status_code == 201
        assert socket.say(conversation_id, "over the socket")["seq"] == 5
    operator.close(conversation_id)

    record = eventually(lambda: operator.transcript(conversation_id), timeout=60)
    assert [each["version"] for each in record["acknowledgements"]] == [before, version]
    moments = [datetime.fromisoformat(each["acknowledged_at"]) for each in record["acknowledgements"]]
    assert moments == sorted(moments)
    assert moments[1] == datetime.fromisoformat(said["acknowledged_at"])
    assert datetime.now(UTC) - moments[1] < timedelta(minutes=5)
    assert "unread" not in [message["text"] for message in record["messages"]]


def test_a_message_on_its_way_since_before_is_answered_as_it_was(customer: Customer, versions: Versions) -> None:
    visitor = customer.visitor()
    conversation_id = visitor.open("first")
    said = visitor.say(conversation_id, "second", client_id="again")
    versions.put_into_force()

    assert visitor.say(conversation_id, "second", client_id="again") == said


def test_the_widget_shows_the_notice_again_and_sends_what_was_refused(
    browser: Browser, stack: Stack, demo_site: dict[str, Any], versions: Versions
) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{stack.instance.base_url}/widget/v1/frame?site={demo_site['site_key']}")
    page.get_by_test_id("answer-name").fill("Vera")
    page.get_by_label("An order").check()
    screens.begin(page)
    page.get_by_test_id("composer").fill("before")
    page.get_by_test_id("send").click()
    expect(page.locator('[data-testid=message][data-state="sent"]')).to_have_count(1)
    version = versions.put_into_force()

    page.get_by_test_id("composer").fill("after")
    page.get_by_test_id("send").click()

    asked = page.get_by_test_id("acknowledge-again")
    expect(asked).to_have_attribute("data-policy-version", version)
    expect(page.get_by_test_id("notice")).to_be_visible()
    shot(page, "policy-changed")
    expect(page.get_by_test_id("composer")).to_have_count(0)
    asked.click()
    expect(page.locator('[data-testid=message][data-state="sent"]')).to_have_count(2)
    expect(page.get_by_test_id("composer")).to_be_visible()
    context.close()
