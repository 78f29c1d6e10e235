"""The whole system on this machine, as `make up` starts it, driven through the public edge alone."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import uuid4

import pytest

from deploy.demo import offer_survey
from deploy.local import demo
from deploy.local.instance import REPOSITORY, Instance, Ports
from deploy.local.stack import Stack
from tests.edge.people import Operator, Visitor

ARCHIVING = {"VELARO_ARCHIVE_AFTER": "PT3S", "VELARO_ARCHIVE_EVERY": "PT2S"}
HASTE = {
    "transcripts-worker": ARCHIVING,
    "transcripts-beat": ARCHIVING,
    "gateway": {"VELARO_SIGN_INS_PER_MINUTE": "10000", "VELARO_DRAIN_SECONDS": "2"},
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """There is one stack, so one worker runs the tests on it; they take longest, so they come first.

    xdist looks for the mark in this same hook, which is why ours must be the first to run.
    """
    items.sort(key=lambda item: not needs_stack(item))
    for item in filter(needs_stack, items):
        item.add_marker(pytest.mark.xdist_group("system"))


def needs_stack(item: pytest.Item) -> bool:
    return "stack" in getattr(item, "fixturenames", ())


@dataclass(frozen=True)
class Customer:
    """A business of its own, with whom nobody else shares anything."""

    base_url: str
    customer_id: str
    site_id: str
    site_key: str
    people: list[dict[str, Any]]

    def visitor(self) -> Visitor:
        return Visitor(self.base_url, self.site_key).arrive()

    def operator(self, role: str = "operator") -> Operator:
        one = next(person for person in self.people if person["role"] == role)
        return Operator(self.base_url, one["email"], one["password"])


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Servers of its own as well: a test that kills the broker must not disturb those that run beside it."""
    root = REPOSITORY / "var" / "test-system"
    # A run that was cut off leaves a stack behind, whose data and passwords are not this one's.
    Stack(Instance(root=root, ports=Ports(19080)), say=lambda line: None).down()
    shutil.rmtree(root, ignore_errors=True)
    running = Stack(Instance(root=root, ports=Ports(19080), overrides=HASTE), say=lambda line: None)
    try:
        running.up()
        yield running
    finally:
        running.down()
    shutil.rmtree(root)


@pytest.fixture(scope="session")
def new_customer(stack: Stack) -> Callable[[], Customer]:
    numbers = count()

    def make() -> Customer:
        number = f"{next(numbers)}-{uuid4().hex[:8]}"
        people = [
            {
                "email": f"{role}-{number}@example.org",
                "name": f"{role.title()} {number}",
                "role": role,
                "password": uuid4().hex,
            }
            for role in ("owner", "operator")
        ]
        instance = stack.instance
        site = {"name": f"Site {number}", "origins": [instance.base_url]}
        made = demo.seed_customer(
            instance, {"customer": {"name": f"Customer {number}"}, "site": site, "operators": people}
        )
        offer_survey(instance.base_url, {k: people[0][k] for k in ("email", "password")}, made["site_key"])
        return Customer(instance.base_url, made["customer_id"], made["site_id"], made["site_key"], people)

    return make


@pytest.fixture(scope="session")
def customer(new_customer: Callable[[], Customer]) -> Customer:
    return new_customer()


@pytest.fixture(scope="session")
def neighbour(new_customer: Callable[[], Customer]) -> Customer:
    return new_customer()
