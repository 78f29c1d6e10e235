"""What people do on the screens, in a real browser."""

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import FrameLocator, Locator, Page, expect

ATTEMPTS = 3


def sign_in(page: Page, where: str, person: dict[str, str]) -> None:
    """Somebody comes to a page of the console or the desk, and signs in."""
    page.goto(where)
    enter(page, person)


def enter(page: Page, person: dict[str, str]) -> None:
    """Somebody signs in where they are asked to."""
    for field in ("email", "password"):
        page.get_by_test_id(field).fill(person[field])
    _try(page.get_by_test_id("sign-in").click, page.get_by_test_id("sign-out"), page.get_by_test_id("sign-in-problem"))


def to_console(page: Page, site: dict[str, Any]) -> None:
    """The operator of the demo site comes to the console."""
    sign_in(page, f"{site['base_url']}/console", site["operator"])


def start_chat(page: Page, site: dict[str, Any], name: str) -> FrameLocator:
    """A visitor comes to the demo shop and starts; the widget they are in from then on."""
    page.goto(site["site_page"])
    widget = page.frame_locator("iframe")
    start(widget, name)
    return widget


def start(widget: FrameLocator, name: str) -> None:
    """A visitor opens the widget, reads the notice, answers and begins."""
    widget.get_by_test_id("launcher").click()
    widget.get_by_test_id("answer-name").fill(name)
    answer_topic(widget)
    begin(widget)


def answer_topic(widget: FrameLocator) -> None:
    """A visitor says that it is about an order."""
    topic = widget.get_by_test_id("answer-topic")
    if topic.evaluate("element => element.tagName") == "SELECT":
        topic.select_option("An order")
    else:
        topic.get_by_text("An order").click()


def begin(place: Page | FrameLocator) -> None:
    """A visitor acknowledges the notice and starts."""

    def ask() -> None:
        place.get_by_test_id("acknowledge").check()
        place.get_by_test_id("start").click()

    _try(ask, place.get_by_test_id("composer"), place.get_by_test_id("start-problem"))


def say(place: Page | FrameLocator, text: str) -> None:
    """Somebody writes a message."""
    composer = place.get_by_test_id("composer")
    composer.fill(text)
    composer.press("Enter")


def _try(ask: Callable[[], None], done: Locator, problem: Locator) -> None:
    """Who is refused for the moment tries again, as they are asked to."""
    refusal = problem.filter(has_text=re.compile(r"\S"))
    refusals = []
    for _ in range(ATTEMPTS):
        ask()
        expect(done.or_(refusal).first).to_be_visible(timeout=30_000)
        if done.is_visible():
            return
        refusals.append(refusal.inner_text())
    raise AssertionError(f"refused each time: {refusals}")
