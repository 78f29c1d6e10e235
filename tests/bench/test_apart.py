"""What is measured apart works, with small numbers: so that no change to accounts leaves it behind."""

import pytest

from deploy.local.instance import Instance
from deploy.local.stack import Stack
from tests.bench import audit, notices


@pytest.fixture
def stack(servers: Instance) -> Stack:
    return Stack(servers, say=lambda line: None)


def test_the_audit_is_looked_through(stack, monkeypatch):
    monkeypatch.setattr(audit, "NOTED", 40)
    assert audit.measured(stack, 200)["entries"] == 200


def test_every_customer_is_noticed_once(stack):
    figures = notices.measured(stack, 5)
    assert (figures["customers"], figures["mails"]) == (5, 5)
