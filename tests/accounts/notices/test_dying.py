"""Killed with SIGKILL at every step, the sending ends complete; and once, but where that cannot be known."""

import signal
from datetime import timedelta

import pytest

from chassis.testing import eventually
from services.accounts.bootstrap import Context
from tests.accounts.notices.conftest import SENDER, a_customer
from tests.accounts.notices.post_office import PostOffice
from tests.dying import exit_code_of
from tests.settings import environment_of

CUSTOMERS = ("a", "b")
CALLS = (
    *("begin", "plan", "stay_engaged", "set_planned", "claim", "set_back"),
    *("send", "set_sent", "claim") * len(CUSTOMERS),
    "disengage",
)
"""What a run over two customers asks of the ledger and of the mail server, each a step before and a step after."""

BETWEEN_ANSWER_AND_MARK = [
    step
    for place, call in enumerate(CALLS)
    for step in {"send": (2 * place + 1,), "set_sent": (2 * place,)}.get(call, ())
]


def environment(context: Context, office: PostOffice) -> dict[str, str]:
    return environment_of(
        context.settings, smtp_url=office.url, mail_sender=SENDER, notice_claimed_for=timedelta(seconds=1)
    )


def run_until(step: int | None, context: Context, office: PostOffice) -> int:
    steps = [] if step is None else [step]
    return exit_code_of("tests.accounts.notices.dying_sender", *steps, environment=environment(context, office))


@pytest.mark.parametrize("step", range(2 * len(CALLS)))
def test_killed_at_any_step_it_ends_complete_and_once(here, office, send, progress, step):
    for name in CUSTOMERS:
        a_customer(here, name)

    assert run_until(step, here, office) == -signal.SIGKILL
    eventually(lambda: not send() and progress().sent == len(CUSTOMERS), timeout=20, every=0.2)

    copies = office.copies()
    assert set(copies) == {f"owner0@{name}.example" for name in CUSTOMERS}
    assert progress().waiting == progress().failed == 0
    if step in BETWEEN_ANSWER_AND_MARK:
        # The server said yes and nobody lived to write it down: once more, known by its id, and counted.
        assert sorted(copies.values()) == [1, 2]
        assert sorted(office.ids().values()) == [1, 2]
        assert progress().repeated == 1
    else:
        assert set(copies.values()) == {1}


def test_the_steps_are_all_there_are(here, office, progress):
    """So that a call that is added is a step to be killed at as well."""
    for name in CUSTOMERS:
        a_customer(here, name)

    assert run_until(2 * len(CALLS), here, office) == 0
    assert progress().sent == len(CUSTOMERS)
