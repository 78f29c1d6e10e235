"""A thousand messages, and in the middle of them one part is killed: all arrive once and in order."""

import os
import signal
from collections.abc import Callable

import psutil
import pytest

from chassis.testing import eventually
from deploy.local.stack import Stack
from tests.edge.customers import Customer
from tests.edge.socket import Party

EACH = 500


def relay(stack: Stack) -> int:
    return stack.supervisor.pid_of("chat-relay")


def gateway_worker(stack: Stack) -> int:
    return psutil.Process(stack.supervisor.pid_of("gateway")).children()[0].pid


def transcripts_consumer(stack: Stack) -> int:
    return stack.supervisor.pid_of("transcripts-consumer")


def broker(stack: Stack) -> int:
    """The Erlang machine itself: it runs below RabbitMQ's start script."""
    below = psutil.Process(stack.supervisor.pid_of("rabbitmq")).children(recursive=True)
    script = psutil.Process(stack.supervisor.pid_of("rabbitmq"))
    return next(process.pid for process in [script, *below] if process.name() == "beam.smp")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("victim", [relay, gateway_worker, transcripts_consumer, broker])
def test_a_kill_loses_doubles_and_reorders_nothing(
    stack: Stack, customer: Customer, victim: Callable[[Stack], int]
) -> None:
    visitor, operator = customer.visitor(), customer.operator()
    conversation_id = visitor.open()
    operator.accept(conversation_id)
    sides = [
        Party(visitor.socket, conversation_id, [f"visitor {number}" for number in range(EACH)]),
        Party(operator.socket, conversation_id, [f"operator {number}" for number in range(EACH)]),
    ]
    for side in sides:
        side.start()
    eventually(lambda: sum(side.said for side in sides) > EACH, timeout=90)
    os.kill(victim(stack), signal.SIGKILL)
    eventually(lambda: all(len(side.seen) == 2 * EACH for side in sides), timeout=120)
    for side in sides:
        side.finish()

    for side in sides:
        assert side.duplicates == []
        assert side.reordered == []
        assert sorted(side.seen) == list(range(1, 2 * EACH + 1))
    operator.close(conversation_id)
    sealed = eventually(lambda: operator.transcript(conversation_id), timeout=60)
    assert [message["text"] for message in sealed["messages"]] == [
        sides[0].seen[n]["text"] for n in sorted(sides[0].seen)
    ]
    for who in ("visitor", "operator"):
        said = [message["text"] for message in sealed["messages"] if message["sender"]["kind"] == who]
        assert said == [f"{who} {number}" for number in range(EACH)]
