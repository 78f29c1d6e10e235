from datetime import timedelta

import msgspec
import pytest

from chassis.clock import now
from services.accounts.policy.model import first_version
from tests.accounts.conftest import callers


@pytest.mark.parametrize("role", ["public", "visitor", "operator"])
def test_everybody_may_read_the_policy_in_force_and_the_one_to_come(client, context, role):
    later = now() + timedelta(days=15)
    upcoming = msgspec.structs.replace(first_version(now()), version="2", effective_at=later, text="New.")
    context.policies.add_once(upcoming)

    reply = client.get("/internal/v1/policy", headers=callers.headers("accounts", role)).json

    assert reply["in_force"]["version"] == "1"
    assert set(reply["in_force"]) == {"version", "effective_at", "posted_at", "text"}
    assert reply["upcoming"]["version"] == "2"


def test_nothing_may_be_to_come(client):
    assert client.get("/internal/v1/policy", headers=callers.headers("accounts", "public")).json["upcoming"] is None
