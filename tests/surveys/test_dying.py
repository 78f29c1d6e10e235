"""Killed with SIGKILL at every command to the database, what surveys does ends complete and once."""

import signal

import msgspec
import pytest

from chassis.mongo import StoreUnavailable
from chassis.testing import eventually
from contracts.surveys import AnswersErased, ResponseRecorded
from services.surveys.bootstrap import Context
from tests.dying import exit_code_of
from tests.settings import environment_of
from tests.surveys.story import ERASED, KEPT, play

COMMANDS = 30
"""So many there are from the first response to the receipt."""
LIFETIME, USUAL_LIFETIME = 2, 60
"""Seconds until the database gives up the transaction of who is gone; until then, what it wrote is locked."""

pytestmark = [pytest.mark.xdist_group("impatient"), pytest.mark.usefixtures("impatient")]


@pytest.fixture
def impatient(administrator):
    administrator.admin.command("setParameter", 1, transactionLifetimeLimitSeconds=LIFETIME)
    yield
    administrator.admin.command("setParameter", 1, transactionLifetimeLimitSeconds=USUAL_LIFETIME)


def play_on(context: Context) -> bool:
    """As the broker hands over again what was not acknowledged, for as long as the database is not to be had."""
    try:
        play(context.store)
    except StoreUnavailable:
        return False
    return True


def run_until(step: int, context: Context) -> int:
    return exit_code_of("tests.surveys.dying_handler", step, environment=environment_of(context.settings))


def announced(context: Context, kind):
    rows = context.database["outbox"].find({"type": kind.routing_key}).sort("_id", 1)
    return [msgspec.json.decode(row["payload"], type=kind) for row in rows]


@pytest.mark.parametrize("step", range(COMMANDS))
def test_killed_at_any_command_it_ends_complete_and_once(context, step):
    assert run_until(step, context) == -signal.SIGKILL
    eventually(lambda: play_on(context), timeout=60)

    [kept] = context.database["responses"].find()
    assert (kept["conversation_id"], kept["expires_at"]) == (KEPT, None)
    assert [event.conversation_id for event in announced(context, ResponseRecorded)] == [KEPT]
    receipts = announced(context, AnswersErased)
    assert {receipt.conversation_id for receipt in receipts} == {ERASED}
    assert [receipt.removed for receipt in receipts if receipt.removed] == [{"responses": 1, "announcements": 1}]
    # What was said about our service holds no identity, and so stays when who said it is forgotten.
    assert sum(row["count"] for row in context.database["service_ratings"].find()) == 2


def test_the_commands_are_all_there_are(context):
    """So that a command that is added is a step to be killed at as well."""
    assert run_until(COMMANDS, context) == 0
