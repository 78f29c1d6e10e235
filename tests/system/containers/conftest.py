"""The same system in containers: container by container, and as the compose file starts it."""

import os
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from deploy.compose import Compose, is_missing
from tests.edge.customers import Customer, new_customer
from tests.system.containers.compose import HOW_TO_GET_IT, in_haste
from tests.system.containers.stack import ContainerStack

os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"

ONE_OF_EACH = ("secrets", "accounts", "chat", "surveys", "transcripts", "gateway")


RAN: list[str] = []
"""The containers of this run, for its log."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if RAN:
        terminalreporter.write_line(f"Containers that ran: {', '.join(RAN)}")


@pytest.fixture(scope="session", autouse=True)
def images() -> Compose:
    """Every image, built from this tree; and a word about what is left out where there is no engine."""
    if is_missing():
        if os.environ.get("VELARO_NOTHING_SKIPPED"):
            pytest.fail(HOW_TO_GET_IT)
        pytest.skip(HOW_TO_GET_IT)
    builder = in_haste("velaro", "docker-compose.yml")
    builder("build", *ONE_OF_EACH)
    return builder


@pytest.fixture(scope="session")
def containers(images: Compose) -> Iterator[ContainerStack]:
    """Each service of the compose file in a container that a test may stop, kill or replace."""
    running = ContainerStack("velaro-stories")
    running.down()
    try:
        running.up()
        RAN.extend(running.names())
        yield running
    finally:
        running.down()


@pytest.fixture(scope="session")
def customers(containers: ContainerStack) -> Callable[[], Customer]:
    return partial(new_customer, containers.base_url, containers.seed)


@pytest.fixture(scope="session")
def customer(customers: Callable[[], Customer]) -> Customer:
    return customers()


@pytest.fixture(scope="session")
def neighbour(customers: Callable[[], Customer]) -> Customer:
    return customers()


@pytest.fixture(scope="session")
def address(containers: ContainerStack) -> str:
    """Where we come from, as the gateway sees it: the engine's side of the network."""
    return containers.host_address
