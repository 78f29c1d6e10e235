"""Killed with SIGKILL at every step, nothing of a document outlives what it was kept for."""

import signal
import subprocess
import sys
from datetime import timedelta

import pytest

from tests.accounts.builders import NOW
from tests.accounts.identity.test_actions import GONE
from tests.settings import environment_of

WEEK = NOW + timedelta(days=7)
UPLOAD = ("begin", "put_document", "admit")
DESTROY = ("destroy_key", "destroy_document", "look", "set_destroyed")
DECIDE = ("decide", *DESTROY, "get", "put_once", "set_told", "get")
SWEEP = ("expire", "to_destroy", *DESTROY, "destroy_strays", "untold", "put_once", "set_told")


def run(context, what, step, *arguments, now=NOW):
    command = [
        sys.executable,
        "-m",
        "tests.accounts.identity.dying_worker",
        what,
        str(step),
        now.isoformat(),
        *arguments,
    ]
    done = subprocess.run(command, env=environment_of(context.settings), capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


@pytest.mark.parametrize("step", range(2 * len(UPLOAD)))
def test_of_an_upload_that_is_killed_nothing_stays_but_what_waits_for_a_reviewer(context, owner, sweep, left, step):
    assert run(context, "upload", step, owner.operator_id) == -signal.SIGKILL
    is_admitted = context.database["identity_verifications"].count_documents({"state": "waiting"}) == 1
    assert (left()[0] == 1) == is_admitted

    sweep(NOW + timedelta(minutes=2))
    assert left() == ([1, 1, 1] if is_admitted else GONE)
    sweep(WEEK)
    assert left() == GONE


@pytest.mark.parametrize("step", range(2 * len(DECIDE)))
def test_a_decision_that_is_killed_is_there_or_not_and_once_it_is_the_document_goes(
    context, olga, upload, sweep, left, step
):
    made = upload(olga)
    assert run(context, "decide", step, made.verification_id) == -signal.SIGKILL
    is_decided = context.verifications.get(made.verification_id).state == "approved"

    sweep(NOW)
    assert left() == (GONE if is_decided else [1, 1, 1])
    assert context.database["letters"].count_documents({}) == int(is_decided)
    if is_decided:
        assert context.verifications.get(made.verification_id).receipt.is_clean


@pytest.mark.parametrize("step", range(2 * len(SWEEP)))
def test_a_sweep_that_is_killed_is_ended_by_the_next(context, olga, upload, sweep, left, step):
    made = upload(olga)
    assert run(context, "sweep", step, now=WEEK) == -signal.SIGKILL
    keys, files, chunks = left()
    # The key goes first: there is never one without what it opens.
    assert keys <= min(files, chunks)

    sweep(WEEK)
    assert left() == GONE
    assert context.verifications.get(made.verification_id).receipt.is_clean
    assert context.database["letters"].count_documents({}) == 1


@pytest.mark.parametrize(("what", "calls"), [("upload", UPLOAD), ("decide", DECIDE), ("sweep", SWEEP)])
def test_the_steps_are_all_there_are(context, owner, olga, upload, what, calls):
    """So that a call that is added is a step to be killed at as well."""
    made = upload(olga) if what != "upload" else None
    argument = made.verification_id if made else owner.operator_id
    assert run(context, what, 2 * len(calls), argument, now=WEEK if what == "sweep" else NOW) == 0
