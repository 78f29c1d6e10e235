"""What people do on the screens, in a real browser."""

import re
from typing import Any

from playwright.sync_api import FrameLocator, Page, expect

STARTS = 3


def sign_in(page: Page, site: dict[str, Any]) -> None:
    """An operator of the demo site comes to the console."""
    page.goto(f"{site['base_url']}/console")
    page.get_by_label("E-mail").fill(site["operator"]["email"])
    page.get_by_label("Password").fill(site["operator"]["password"])
    page.get_by_role("button", name="Sign in").click()


def start_chat(page: Page, site: dict[str, Any], name: str) -> FrameLocator:
    """A visitor comes to the demo shop, reads the notice, answers and starts; the widget they are in from then on."""
    page.goto(site["site_page"])
    widget = page.frame_locator("iframe")
    widget.get_by_test_id("launcher").click()
    widget.get_by_test_id("answer-name").fill(name)
    topic = widget.get_by_test_id("answer-topic")
    if topic.evaluate("element => element.tagName") == "SELECT":
        topic.select_option("An order")
    else:
        topic.get_by_text("An order").click()
    begin(widget)
    return widget


def begin(place: Page | FrameLocator) -> None:
    """A visitor acknowledges the notice and starts; refused for the moment, they try again, as they are asked to."""
    refusals = []
    for _ in range(STARTS):
        place.get_by_test_id("acknowledge").check()
        place.get_by_test_id("start").click()
        problem = place.get_by_test_id("start-problem").filter(has_text=re.compile(r"\S"))
        expect(place.get_by_test_id("composer").or_(problem).first).to_be_visible(timeout=30_000)
        if place.get_by_test_id("composer").is_visible():
            return
        refusals.append(problem.inner_text())
    raise AssertionError(f"not started: {refusals}")


def say(place: Page | FrameLocator, text: str) -> None:
    composer = place.get_by_test_id("composer")
    composer.fill(text)
    composer.press("Enter")
