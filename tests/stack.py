"""The whole system on this machine, as `make up` starts it, driven through the public edge alone."""

import shutil
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Browser

from deploy.local import demo
from deploy.local.instance import REPOSITORY, Instance, Ports
from deploy.local.stack import Stack
from tests import ports
from tests.edge.browser import launched, screens_of
from tests.edge.customers import Customer, new_customer

ARCHIVING = {"VELARO_ARCHIVE_AFTER": "PT3S", "VELARO_ARCHIVE_EVERY": "PT2S"}
POLICY = {
    "VELARO_SWEEP_POLICY_EVERY": "PT1S",
    "VELARO_SWEEP_ACCOUNTS_EVERY": "PT1S",
    "VELARO_NOTICE_CLAIMED_FOR": "PT3S",
    "VELARO_SEND_INQUIRY_MAILS_EVERY": "PT1S",
}
DISCLOSING = {
    "VELARO_SWEEP_DISCLOSURES_EVERY": "PT1S",
    "VELARO_SIGN_HEADS_EVERY": "PT2S",
    "VELARO_DISCLOSURE_CLAIMED_FOR": "PT3S",
}
ERASING = {"VELARO_ERASURE_LOOK_AFTER": "PT1S", "VELARO_ERASURE_RETRY_AFTER": "PT2S"}
HASTE = {
    "chat-consumer": ERASING,
    "transcripts-worker": ARCHIVING,
    "transcripts-beat": ARCHIVING,
    "accounts-worker": POLICY | DISCLOSING,
    "accounts-beat": POLICY | DISCLOSING,
    "gateway": {
        "VELARO_SIGN_INS_PER_MINUTE": "10000",
        "VELARO_DRAIN_SECONDS": "2",
        "VELARO_POLICY_REFRESH": "1",
        "VELARO_SITE_CACHE": "1",
        "VELARO_QUESTIONS_PER_MINUTE": "10000",
    },
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """There is one stack, so one worker runs the tests on it; they take longest, so they come first.

    xdist looks for the mark in this same hook, which is why ours must be the first to run.
    """
    items.sort(key=lambda item: not needs_stack(item))
    for item in filter(needs_stack, items):
        item.add_marker(pytest.mark.xdist_group("system"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What failed in the browser is told with what stood on its screens."""
    report = yield
    browser = getattr(item, "funcargs", {}).get("browser")
    if call.when == "call" and report.failed and browser:
        report.sections += [(f"on the screen of {url}", words) for url, words in screens_of(browser)]
    return report


def needs_stack(item: pytest.Item) -> bool:
    return "stack" in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Servers of its own as well: a test that kills the broker must not disturb those that run beside it."""
    root = REPOSITORY / "var" / "test-system"
    # A run that was cut off leaves a stack behind, whose data and passwords are not this one's.
    Stack(Instance(root=root, ports=Ports(ports.SYSTEM)), say=lambda line: None).down()
    shutil.rmtree(root, ignore_errors=True)
    temporary = Instance(root=root, ports=Ports(ports.SYSTEM)).folder("tmp")
    # A folder of its own, so that a test can tell what its processes leave there.
    overrides = {**HASTE, "*": {"TMPDIR": str(temporary)}}
    running = Stack(Instance(root=root, ports=Ports(ports.SYSTEM), overrides=overrides), say=lambda line: None)
    try:
        running.up()
        yield running
    finally:
        running.down()
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def customers(stack: Stack) -> Callable[[], Customer]:
    return partial(new_customer, stack.instance.base_url, partial(demo.seed_customer, stack.instance))


@pytest.fixture(scope="session")
def customer(customers: Callable[[], Customer]) -> Customer:
    return customers()


@pytest.fixture(scope="session")
def neighbour(customers: Callable[[], Customer]) -> Customer:
    return customers()


@pytest.fixture(scope="session")
def address() -> str:
    """Where we come from, as the gateway sees it."""
    return "127.0.0.1"


@pytest.fixture(scope="session")
def demo_site(stack: Stack) -> dict[str, Any]:
    return demo.seed(stack.instance)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as chromium:
        yield chromium
