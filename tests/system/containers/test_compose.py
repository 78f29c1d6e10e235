"""`docker compose up`, as an engineer runs it: the story in a browser, a stop under traffic, volumes that keep."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from chassis.testing import eventually
from deploy.compose import Compose
from tests.edge.customers import Customer, new_customer
from tests.edge.dialogue import Dialogue
from tests.system.containers.compose import inspect
from tests.system.containers.conftest import RAN
from tests.system.containers.project import Project
from tests.system.test_browser import (  # noqa: F401 - the story is a test here as well
    test_a_conversation_from_the_first_click_to_the_archived_transcript,
)

EACH = 200
TRANSCRIPT_SECONDS = 60


@pytest.fixture(scope="module")
def project(images: Compose) -> Iterator[Project]:
    running = Project("velaro-compose", "docker-compose.yml", "docker-compose.override.yml")
    running.forget()
    try:
        running.up()
        RAN.extend(running.names())
        yield running
    finally:
        running.forget()


@pytest.fixture(scope="module")
def demo_site(project: Project) -> dict[str, Any]:
    return dict(json.loads(project.run("demo", "json")))


@pytest.fixture(scope="module")
def customers(project: Project) -> Callable[[], Customer]:
    return partial(new_customer, project.base_url, project.seed)


@pytest.fixture(scope="module")
def customer(customers: Callable[[], Customer]) -> Customer:
    return customers()


@pytest.fixture(scope="module")
def address(project: Project) -> str:
    """Where we come from, as the gateway sees it: the engine's side of the network at the edge."""
    [described] = inspect("network", f"{project.project}_edge")
    return str(described["IPAM"]["Config"][0]["Gateway"])


def test_it_prints_where_to_go(project: Project, demo_site: dict[str, Any]) -> None:
    printed = project.up()
    assert demo_site["site_page"] in printed
    assert demo_site["operator"]["password"] in printed


def test_nothing_but_the_gateway_is_published(project: Project) -> None:
    published = {
        described["Config"]["Labels"]["com.docker.compose.service"]
        for described in inspect("container", *project.container_ids())
        if any(described["NetworkSettings"]["Ports"].values())
    }
    assert published == {"gateway"}


@pytest.mark.timeout(400)
def test_a_stop_under_traffic_loses_nothing_and_up_goes_on(project: Project, customer: Customer) -> None:
    dialogue = Dialogue(customer, EACH, patience=350, pause=0.02)
    dialogue.start()
    dialogue.wait_for(said=EACH // 2)
    project("stop")
    assert dialogue.is_going_on
    project.up()
    dialogue.finish()
    dialogue.close_and_check_the_transcript()


@pytest.mark.timeout(400)
def test_what_was_said_is_still_there_after_down_and_up(project: Project, customer: Customer) -> None:
    visitor, operator = customer.visitor(), customer.operator()
    conversation_id = visitor.open("Do you keep this?")
    operator.accept(conversation_id)
    operator.close(conversation_id)
    before = eventually(lambda: operator.transcript(conversation_id), timeout=TRANSCRIPT_SECONDS)

    project("down")
    project.up()

    after = customer.operator().transcript(conversation_id)
    assert after["messages"] == before["messages"]
    assert [message["text"] for message in after["messages"]] == ["Do you keep this?"]
