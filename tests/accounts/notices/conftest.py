import dataclasses
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from chassis.clock import now
from chassis.mail import Mailer
from services.accounts.bootstrap import Context
from services.accounts.customers.model import Customer
from services.accounts.notices import actions
from tests.accounts.builders import NOW, a_posted_version, an_operator
from tests.accounts.notices.post_office import PostOffice

CLAIMED_FOR = timedelta(seconds=1)
SENDER = "Velaro <no-reply@velaro.example>"


@pytest.fixture
def office() -> Iterator[PostOffice]:
    opened = PostOffice().open()
    yield opened
    opened.close()


@pytest.fixture
def here(context: Context, office: PostOffice) -> Context:
    """Accounts with version 2 posted just now, and a mail server."""
    a_posted_version(context.database["policy_versions"], 2, posted_at=now())
    return dataclasses.replace(context, mailer=Mailer(office.url, sender=SENDER, timeout=5))


def a_customer(here: Context, name: str, *, owners: int = 1) -> None:
    here.customers.add_once(Customer(customer_id=name, name=name, created_at=NOW))
    for number in range(owners):
        an_operator(here, name, email=f"owner{number}@{name}.example", role="owner")
    an_operator(here, name, email=f"operator@{name}.example")


@pytest.fixture
def start_due(here: Context) -> Callable[[], list[tuple[int, Any]]]:
    """What the sweeper would have sent now."""

    def started() -> list[tuple[int, Any]]:
        runs: list[tuple[int, Any]] = []
        actions.start_due(
            lambda *run: runs.append(run), policies=here.policies, notices=here.notices, customers=here.customers
        )
        return runs

    return started


@pytest.fixture
def send(here: Context) -> Callable[..., bool]:
    def send_notices(kind: Any = "notice", **options: Any) -> bool:
        return actions.send(
            2,
            kind,
            public_url="https://chat.velaro.example",
            policies=here.policies,
            notices=here.notices,
            customers=here.customers,
            operators=here.operators,
            mailer=here.mailer,
            **{"claimed_for": CLAIMED_FOR, **options},
        )

    return send_notices


@pytest.fixture
def progress(here: Context) -> Callable[..., Any]:
    def of(kind: Any = "notice") -> Any:
        return here.notices.progress(2, kind)

    return of
