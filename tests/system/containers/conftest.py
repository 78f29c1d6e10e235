"""The same system in containers: container by container, and as the compose file starts it."""

import os
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.edge.customers import Customer, new_customer
from tests.system.containers import compose
from tests.system.containers.compose import Compose
from tests.system.containers.stack import ContainerStack

os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"

ONE_OF_EACH = ("secrets", "accounts", "chat", "surveys", "transcripts", "gateway")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One engine, so one worker; and first, because these take longest."""
    items.sort(key=lambda item: not is_ours(item))
    for item in filter(is_ours, items):
        item.add_marker(pytest.mark.xdist_group("containers"))


def is_ours(item: pytest.Item) -> bool:
    return "images" in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session", autouse=True)
def images() -> Compose:
    """Every image, built from this tree; and a word about what is left out where there is no engine."""
    if compose.is_missing():
        if os.environ.get("VELARO_NOTHING_SKIPPED"):
            pytest.fail(compose.HOW_TO_GET_IT)
        pytest.skip(compose.HOW_TO_GET_IT)
    builder = Compose("velaro", "docker-compose.yml")
    builder("build", *ONE_OF_EACH)
    return builder


@pytest.fixture(scope="session")
def containers(images: Compose) -> Iterator[ContainerStack]:
    """Each service of the compose file in a container that a test may stop, kill or replace."""
    running = ContainerStack("velaro-stories")
    running.down()
    try:
        running.up()
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
