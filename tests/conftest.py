"""Real servers for every test that asks for one: a replica set with users and a broker with spare virtual hosts."""

import os
import subprocess
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from deploy.local.instance import Instance, Ports
from deploy.local.stack import Stack
from tests import ports

# What all tests of the whole system share: a fixture that two folders define is two stacks.
from tests.stack import (  # noqa: F401
    address,
    browser,
    customer,
    customers,
    demo_site,
    neighbour,
    pytest_collection_modifyitems,
    pytest_runtest_makereport,
    stack,
)

SPARE_VHOSTS = 60
REPOSITORY = Path(__file__).resolve().parents[1]


KEPT = REPOSITORY / "var" / "test-servers"


@pytest.fixture(scope="session")
def servers() -> Iterator[Instance]:
    """MongoDB and RabbitMQ: those of ``python -m tests.servers up`` if they run, else this run's own."""
    kept = Stack(test_instance(KEPT), say=lambda line: None)
    if kept.supervisor.is_running():
        yield kept.instance
        return
    own = Stack(test_instance(REPOSITORY / "var" / f"test-{os.getpid()}"), say=lambda line: None)
    own.up_servers()
    yield own.instance
    own.down()
    subprocess.run(["rm", "-r", "--", own.instance.root], check=True)


def test_instance(root: Path) -> Instance:
    return Instance(root=root, ports=Ports(ports.SERVERS), test_vhosts=SPARE_VHOSTS)


test_instance.__test__ = False  # type: ignore[attr-defined]

_databases = count()
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
_vhosts = count(WORKER * SPARE_VHOSTS // 2)


@pytest.fixture(scope="session")
def administrator(servers: Instance) -> Iterator[MongoClient]:
    client: MongoClient = MongoClient(servers.mongo_url("admin", "admin"), tz_aware=True)
    # Tests have days of their own, which by the database's clock are over: what they store would be cleaned away.
    client.admin.command("setParameter", 1, ttlMonitorEnabled=False)
    yield client
    client.close()


@pytest.fixture
def database_url(servers: Instance, administrator: MongoClient) -> Iterator[Callable[[str], str]]:
    """Makes the URL of a fresh database, dropped after the test."""
    made: list[str] = []

    def url_of(name: str) -> str:
        made.append(f"test_{name}_{os.getpid()}_{next(_databases)}")
        return servers.mongo_url("admin", made[-1])

    yield url_of
    for name in made:
        administrator.drop_database(name)


@pytest.fixture
def database(database_url: Callable[[str], str]) -> Iterator[Database]:
    from chassis.mongo import connect

    opened = connect(database_url("one"))
    yield opened
    opened.client.close()


@pytest.fixture(scope="module")
def amqp_url(servers: Instance) -> str:
    """A broker with a virtual host that no other test module of this run uses."""
    return servers.amqp_url("admin", f"test-{next(_vhosts) % SPARE_VHOSTS:02d}")
