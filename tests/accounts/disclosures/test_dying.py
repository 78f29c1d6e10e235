"""Killed with SIGKILL at every step, carrying out ends with one whole bundle."""

import signal
from datetime import UTC, datetime

import pytest

from services.accounts.audit.model import STAFF_CHAIN
from tests.accounts.disclosures.words import THREE
from tests.dying import exit_code_of
from tests.settings import environment_of

HALF_STEPS = 27
"""What making a bundle of three conversations in three parts asks of others, each a step before and a step after."""


def run_until(step: int | None, context, disclosure) -> int:
    steps = [] if step is None else [step]
    environment = environment_of(context.settings)
    return exit_code_of(
        "tests.accounts.disclosures.dying_maker", disclosure.disclosure_id, *steps, environment=environment
    )


@pytest.fixture
def approved(request_one, decide):
    disclosure = request_one()
    decide(disclosure)
    return disclosure


@pytest.mark.parametrize("step", range(HALF_STEPS))
def test_killed_at_any_step_there_is_one_bundle_in_the_end(here, approved, execute, opened, step):
    assert run_until(step, here, approved) == -signal.SIGKILL

    # What it was claimed for is over.
    over = {"$set": {"claimed_until": datetime(2026, 1, 1, tzinfo=UTC)}}
    here.database["disclosures"].update_one({"_id": approved.disclosure_id}, over)
    execute(approved)

    assert here.disclosures.get(approved.disclosure_id).disclosure.state == "executed"
    manifest, _ = opened(approved)
    assert len(manifest.files) == len(THREE)
    parts = here.database["disclosure_parts"]
    bundle = here.disclosures.get(approved.disclosure_id).disclosure.bundle
    assert len(parts.distinct("attempt")) == 1
    assert parts.count_documents({}) == bundle.parts
    noted = [entry.act for entry in here.audit.newest(STAFF_CHAIN, before=None, limit=50)]
    assert noted.count("disclosures.execute") == 1


def test_the_steps_are_all_there_are(here, approved):
    """So that a call that is added is a step to be killed at as well."""
    assert run_until(HALF_STEPS, here, approved) == 0
    assert here.disclosures.get(approved.disclosure_id).disclosure.state == "executed"
