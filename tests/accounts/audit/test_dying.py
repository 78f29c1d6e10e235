"""Killed with SIGKILL at every step, the signing of the audit ends complete, and each end of a chain is signed once."""

import signal

import pytest

from services.accounts.audit import actions
from services.accounts.audit.model import Act, Actor
from tests.accounts.conftest import callers
from tests.dying import exit_code_of
from tests.settings import environment_of

CHAINS = ("c1", "c2")
CALLS = ("changed", *("last", "latest_head", "keep_head") * len(CHAINS), "finish_round")
ANN = Actor(kind="operator", id="ann", role="owner")


def run_until(step, context):
    return exit_code_of("tests.accounts.audit.dying_signer", step, environment=environment_of(context.settings))


@pytest.fixture(autouse=True)
def acts(context):
    for chain in CHAINS:
        act = Act(act_id="act", actor=ANN, act="tokens.issue", subject={"token_id": "1"})
        actions.note(chain, act, audit=context.audit)


@pytest.mark.parametrize("step", range(2 * len(CALLS)))
def test_killed_at_any_step_every_end_is_signed_once(context, step):
    assert run_until(step, context) == -signal.SIGKILL
    actions.sign_heads(audit=context.audit, signer=context.signer)

    for chain in CHAINS:
        assert len(list(context.audit.certificates(chain))) == 1
        finding = actions.verify(chain, audit=context.audit, jwks=callers.jwks)
        assert (finding.entries, finding.heads, finding.is_whole) == (1, 1, True)


def test_the_steps_are_all_there_are(context):
    """So that a call that is added is a step to be killed at as well."""
    assert run_until(2 * len(CALLS), context) == 0
