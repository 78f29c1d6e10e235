"""A real browser."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Error, Page, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SHOTS = Path("var/screenshots")


@contextmanager
def launched() -> Iterator[Browser]:
    """The machine's Chromium, without a window."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield chromium
        chromium.close()


def shot(page: Page, name: str) -> None:
    """Keeps what the page looks like, for people."""
    page.screenshot(path=SHOTS / f"{name}.png")


def screens_of(browser: Browser) -> Iterator[tuple[str, str]]:
    """The address of every open page and of what is embedded in it, each with the words on its screen."""
    for frame in (frame for context in browser.contexts for page in context.pages for frame in page.frames):
        try:
            yield frame.url, frame.locator("body").inner_text(timeout=2_000)
        except Error as error:
            yield frame.url, f"cannot be read: {error.message}"
