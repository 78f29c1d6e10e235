"""The screens in a real browser: what a visitor and an operator see and do."""

import re

from playwright.sync_api import Browser, expect

from tests.edge import screens
from tests.edge.browser import shot


def test_a_conversation_from_the_first_click_to_the_archived_transcript(
    browser: Browser, demo_site: dict, address: str
) -> None:
    shop = browser.new_context(viewport={"width": 1100, "height": 760}).new_page()
    console = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    console.goto(f"{demo_site['base_url']}/console")
    expect(console.get_by_label("E-mail")).to_be_focused()
    shot(console, "console-sign-in")
    screens.enter(console, demo_site["operator"])

    shop.goto(demo_site["site_page"])
    widget = shop.frame_locator("iframe")
    widget.get_by_test_id("launcher").click()
    shot(shop, "widget-notice")
    assert shop.context.cookies() == []
    widget.get_by_test_id("answer-name").fill("Vera")
    widget.get_by_test_id("answer-email").fill("vera@example.org")
    screens.answer_topic(widget)
    widget.get_by_test_id("acknowledge").check()
    shot(shop, "widget-survey")
    screens.begin(widget)
    screens.say(widget, "Is the green watering can in stock?")
    sent = widget.get_by_test_id("message").filter(has_text="watering can")
    expect(sent).to_have_attribute("data-state", "sent")

    console.get_by_test_id("queue-item").filter(has_text="watering can").click()
    shot(console, "console-queue")
    console.get_by_test_id("accept").click()
    expect(console.get_by_test_id("message").filter(has_text="watering can")).to_be_visible()
    screens.say(console, "Yes, twelve of them.")
    expect(widget.get_by_test_id("message").filter(has_text="twelve")).to_be_visible()
    screens.say(widget, "Wonderful!")
    expect(console.get_by_test_id("message").filter(has_text="Wonderful")).to_be_visible()
    for place in (widget, console):
        said = place.get_by_test_id("message").evaluate_all("all => all.map(one => Number(one.dataset.seq))")
        assert said == [1, 2, 3]
    shot(console, "console-conversation")
    shot(shop, "widget-conversation")

    console.get_by_test_id("close").click()
    console.get_by_test_id("close-confirm").click()
    expect(widget.get_by_text(re.compile("(closed|ended)", re.IGNORECASE)).first).to_be_visible()
    shot(shop, "widget-closed")

    console.get_by_test_id("transcripts").click()
    console.get_by_test_id("transcript-row").filter(has_text="Vera").first.click()
    for words in ("Is the green watering can in stock?", "Yes, twelve of them.", "Wonderful!"):
        expect(console.get_by_test_id("transcript-message").filter(has_text=words)).to_be_visible()
    expect(console.get_by_test_id("transcript-answer").filter(has_text="An order")).to_be_visible()
    expect(console.get_by_test_id("transcript-captured")).to_contain_text(address)
    expect(console.get_by_test_id("transcript-captured")).to_contain_text("Chrom")
    shot(console, "console-transcript")
    before = console.get_by_test_id("transcript-message").all_inner_texts()
    expect(console.get_by_test_id("storage")).to_be_visible()

    def archived() -> bool:
        console.reload()
        expect(console.get_by_test_id("transcript-message").first).to_be_visible()
        return "archived" in console.get_by_test_id("storage").inner_text().lower()

    assert any(archived() for _ in range(30))
    assert console.get_by_test_id("transcript-message").all_inner_texts() == before
    shot(console, "console-archived")


def test_the_whole_chat_works_with_every_storage_refused(browser: Browser, demo_site: dict) -> None:
    context = browser.new_context()
    context.add_init_script(
        "for (const name of ['localStorage', 'sessionStorage'])"
        " Object.defineProperty(window, name, { get() { throw new DOMException('refused', 'SecurityError') } })"
    )
    page = context.new_page()
    widget = screens.start_chat(page, demo_site, "Nobody")
    screens.say(widget, "No cookies, please.")
    expect(widget.get_by_test_id("message").filter(has_text="No cookies")).to_have_attribute("data-state", "sent")
    assert context.cookies() == []


def test_nothing_is_stored_before_a_click(browser: Browser, demo_site: dict) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(demo_site["site_page"])
    expect(page.frame_locator("iframe").get_by_test_id("launcher")).to_be_visible()
    assert context.cookies() == []
    for frame in page.frames:
        assert frame.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
