"""Three brokers, three members of the database, two of each process, behind one door."""

import re
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from deploy.compose import Compose
from tests.edge.customers import Customer, new_customer
from tests.edge.dialogue import Dialogue
from tests.system.containers.compose import inspect
from tests.system.containers.conftest import RAN
from tests.system.containers.project import Project

EACH = 150
PARTITIONS = 8
WHAT = ("name", "type", "members")


@pytest.fixture(scope="module")
def cluster(images: Compose) -> Iterator[Project]:
    running = Project("velaro-cluster", "docker-compose.yml", "docker-compose.cluster.yml")
    running.forget()
    try:
        running.up()
        RAN.extend(running.names())
        yield running
    finally:
        running.forget()


@pytest.fixture(scope="module")
def customers(cluster: Project) -> Callable[[], Customer]:
    return partial(new_customer, cluster.base_url, cluster.seed)


@pytest.fixture(scope="module")
def customer(customers: Callable[[], Customer]) -> Customer:
    return customers()


@pytest.mark.timeout(300)
def test_a_relay_killed_in_mid_conversation_is_followed_by_the_other(cluster: Project, customer: Customer) -> None:
    dialogue = Dialogue(customer, EACH, pause=0.02)
    dialogue.start()
    dialogue.wait_for(said=EACH // 2)
    cluster.kill("chat-relay")
    assert dialogue.is_going_on
    dialogue.finish()
    dialogue.close_and_check_the_transcript()


def test_every_queue_of_work_is_held_by_three_nodes(cluster: Project) -> None:
    listed = cluster("exec", "-T", "rabbitmq", "rabbitmqctl", "-q", "list_queues", "-p", "velaro", *WHAT)
    members = [line.split("\t")[2].count("@") for line in listed.splitlines() if "\tquorum\t" in line]
    assert len(members) > PARTITIONS
    assert set(members) == {3}


def test_there_are_two_of_each_process_behind_one_door(cluster: Project) -> None:
    running = cluster.names()
    for process in ("gateway", "accounts", "chat", "transcripts-worker"):
        assert len([name for name in running if re.search(rf"[_-]{process}[_-]\d$", name)]) == 2
    published = [
        described["Config"]["Labels"]["com.docker.compose.service"]
        for described in inspect("container", *cluster.container_ids())
        if any(described["NetworkSettings"]["Ports"].values())
    ]
    assert published == ["edge"]
