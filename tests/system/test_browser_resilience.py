"""The chat in a real browser while the network, the page or the tab fails it: nothing lost, nothing twice."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, FrameLocator, Page, WebSocket, expect

from tests.edge.browser import shot
from tests.edge.screens import say, start, to_console

WITHOUT_SOCKETS = "window.WebSocket = function () { throw new Error('blocked') }"
SOON = 10_000
EVENTUALLY = 30_000

Place = Page | FrameLocator


@pytest.fixture
def visitor(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1100, "height": 760})
    yield context
    context.close()


@pytest.fixture
def operator(browser: Browser, demo_site: dict) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    to_console(page, demo_site)
    page.close()
    yield context
    context.close()


class Sockets:
    """The sockets of a browser's tabs."""

    def __init__(self, context: BrowserContext) -> None:
        self._opened: list[tuple[Page, WebSocket]] = []
        context.on("page", self._watch)

    def _watch(self, page: Page) -> None:
        page.on("websocket", lambda socket: self._opened.append((page, socket)))

    @property
    def open(self) -> list[WebSocket]:
        return [socket for page, socket in self._opened if not (page.is_closed() or socket.is_closed())]


def visit(context: BrowserContext, site: dict) -> tuple[Page, FrameLocator]:
    page = context.new_page()
    page.goto(site["site_page"])
    return page, page.frame_locator("iframe")


def take(context: BrowserContext, site: dict, name: str) -> Page:
    """The operator accepts the conversation of the visitor of that name."""
    console = context.new_page()
    console.goto(f"{site['base_url']}/console")
    console.get_by_test_id("queue-item").filter(has_text=name).first.click()
    console.get_by_test_id("accept").click()
    expect(console.get_by_test_id("composer")).to_be_visible()
    return console


def sees(place: Place, *texts: str, within: float = SOON) -> None:
    """Exactly these messages, all of them stored, each once and in order."""
    expect(place.get_by_test_id("message-text")).to_have_text(list(texts), timeout=within)
    sent = "all => all.map(one => [one.dataset.state, Number(one.dataset.seq)])"
    messages = place.get_by_test_id("message")
    expect(messages.last).to_have_attribute("data-state", "sent", timeout=within)
    assert messages.evaluate_all(sent) == [["sent", number + 1] for number in range(len(texts))]


def is_connected(place: Place, state: str = "live", within: float = SOON) -> None:
    expect(place.get_by_test_id("connection")).to_have_attribute("data-state", state, timeout=within)


@pytest.fixture
def name() -> str:
    return f"Tess {uuid4().hex[:6]}"


def test_the_chat_works_both_ways_where_sockets_are_blocked_and_returns_to_them(
    visitor: BrowserContext, operator: BrowserContext, demo_site: dict, name: str
) -> None:
    for context in (visitor, operator):
        context.add_init_script(f"window.Allowed = WebSocket; {WITHOUT_SOCKETS}")
    shop, widget = visit(visitor, demo_site)
    start(widget, name)
    console = take(operator, demo_site, name)
    say(widget, "Can you read this?")
    sees(console, "Can you read this?", within=EVENTUALLY)
    say(console, "Every word.")
    sees(widget, "Can you read this?", "Every word.", within=EVENTUALLY)
    for place in (widget, console):
        is_connected(place, "polling")
    shot(shop, "widget-polling")
    shot(console, "console-polling")

    for page in (shop, console):
        for frame in page.frames:
            frame.evaluate("void (window.WebSocket = window.Allowed)")
    for place in (widget, console):
        is_connected(place, "live", within=2 * EVENTUALLY)
    say(widget, "Faster now.")
    sees(console, "Can you read this?", "Every word.", "Faster now.")


def test_what_is_written_offline_is_sent_once_after_a_reload(
    visitor: BrowserContext, operator: BrowserContext, demo_site: dict, name: str
) -> None:
    shop, widget = visit(visitor, demo_site)
    start(widget, name)
    console = take(operator, demo_site, name)
    say(widget, "Before the tunnel.")
    sees(widget, "Before the tunnel.")

    visitor.set_offline(True)
    say(widget, "Deep in the tunnel.")
    say(widget, "Still in the tunnel.")
    pending = widget.get_by_test_id("message").filter(has_text="Deep in")
    expect(pending).to_contain_text("Not sent yet, trying again")
    expect(widget.get_by_test_id("connection")).to_have_text("Connection lost \u2013 reconnecting")
    expect(widget.get_by_test_id("connection")).to_have_attribute("aria-live", "polite")
    shot(shop, "widget-offline")
    sees(console, "Before the tunnel.")

    with pytest.raises(Error, match="ERR_INTERNET_DISCONNECTED"):
        shop.reload()
    visitor.set_offline(False)
    shop.reload()
    everything = ("Before the tunnel.", "Deep in the tunnel.", "Still in the tunnel.")
    for place in (widget, console):
        sees(place, *everything)
    assert shop.frames[-1].evaluate("Object.keys(sessionStorage).filter(key => key.includes('unsent'))") == []


def test_what_an_operator_writes_offline_is_sent_once_after_a_reload(
    visitor: BrowserContext, operator: BrowserContext, demo_site: dict, name: str
) -> None:
    _, widget = visit(visitor, demo_site)
    start(widget, name)
    console = take(operator, demo_site, name)
    is_connected(console)
    operator.set_offline(True)
    say(console, "Written offline.")
    expect(console.get_by_test_id("message")).to_contain_text("Not sent yet, trying again")
    expect(console.get_by_test_id("connection")).to_have_text("Connection lost \u2013 reconnecting")
    shot(console, "console-offline")
    with pytest.raises(Error, match="ERR_INTERNET_DISCONNECTED"):
        console.reload()
    operator.set_offline(False)
    console.goto(f"{demo_site['base_url']}/console#/transcripts")
    sees(widget, "Written offline.")


def test_what_is_unsent_ends_with_the_session(
    visitor: BrowserContext, operator: BrowserContext, demo_site: dict, name: str
) -> None:
    _, widget = visit(visitor, demo_site)
    start(widget, name)
    console = take(operator, demo_site, name)
    is_connected(console)
    operator.set_offline(True)
    say(console, "Never mind.")
    assert console.evaluate("sessionStorage.length") == 1
    operator.set_offline(False)
    operator.clear_cookies()
    expect(console.get_by_test_id("sign-in")).to_be_visible(timeout=EVENTUALLY)
    assert console.evaluate("sessionStorage.length") == 0


def test_a_visitors_tabs_share_one_socket_and_hand_it_over(
    visitor: BrowserContext, operator: BrowserContext, demo_site: dict, name: str
) -> None:
    sockets = Sockets(visitor)
    first, widget = visit(visitor, demo_site)
    start(widget, name)
    console = take(operator, demo_site, name)
    say(widget, "From the first tab.")
    sees(widget, "From the first tab.")

    second, other = visit(visitor, demo_site)
    other.get_by_test_id("launcher").click()
    sees(other, "From the first tab.")
    say(other, "From the second.")
    sees(console, "From the first tab.", "From the second.")
    say(console, "I see both.")
    everything = ["From the first tab.", "From the second.", "I see both."]
    for place in (widget, other, console):
        sees(place, *everything)
    assert len(sockets.open) == 1
    shot(second, "widget-second-tab")

    first.close()
    say(other, "And now?")
    sees(console, *everything, "And now?")
    say(console, "Still here.")
    for place in (other, console):
        sees(place, *everything, "And now?", "Still here.")
    assert len(sockets.open) == 1


def test_an_operators_tabs_share_one_socket_and_hand_it_over(
    visitor: BrowserContext, operator: BrowserContext, demo_site: dict, name: str
) -> None:
    sockets = Sockets(operator)
    _, widget = visit(visitor, demo_site)
    start(widget, name)
    first = take(operator, demo_site, name)
    second = operator.new_page()
    second.goto(first.url)
    say(first, "One.")
    sees(second, "One.")
    say(second, "Two.")
    for place in (first, second, widget):
        sees(place, "One.", "Two.")
    assert len(sockets.open) == 1

    first.close()
    say(widget, "Three.")
    sees(second, "One.", "Two.", "Three.")
    is_connected(second)
    assert len(sockets.open) == 1
