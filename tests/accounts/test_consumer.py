"""The outbox reaches the broker: the real process, the real servers."""

import signal
import subprocess
import sys

from chassis.bus import WorkQueue
from chassis.testing import eventually, hearing
from contracts.accounts import SessionRevoked
from services.accounts.sessions import actions
from tests.accounts.builders import NOW, PASSWORD
from tests.settings import environment_of


def test_what_was_revoked_is_announced(amqp_url, context, settings, ann):
    queue = WorkQueue("tests.revocations", hears=(SessionRevoked,))
    command = [sys.executable, "-m", "services.accounts", "consumer"]
    with hearing(amqp_url, queue) as heard, subprocess.Popen(command, env=environment(settings, amqp_url)) as process:
        try:
            session_id = signed_out(context, ann)
            eventually(lambda: any(event.session_id == session_id for event in heard), timeout=30)
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0
        finally:
            process.kill()

    assert {event.session_id for event in heard} == {session_id}
    assert heard[0].operator_id == ann.operator_id
    assert context.database["outbox"].count_documents({}) == 0


def signed_out(context, operator):
    _, session, _ = actions.sign_in(
        operator.email,
        PASSWORD,
        ip="",
        user_agent="",
        now=NOW,
        operators=context.operators,
        sessions=context.sessions,
        audit=context.audit,
        passwords=context.passwords,
        limits=context.limits,
    )
    actions.sign_out("c1", operator.operator_id, session.session_id, now=NOW, sessions=context.sessions)
    return session.session_id


def environment(settings, amqp_url):
    return environment_of(settings, amqp_url=amqp_url)
