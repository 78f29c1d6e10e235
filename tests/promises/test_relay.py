"""Promise 1, relay: a thousand messages, and in the middle of them one part is killed: all arrive once and in order."""

import os
import signal
from collections.abc import Callable

import psutil
import pytest

from deploy.local.stack import Stack
from tests.edge.customers import Customer
from tests.edge.dialogue import Dialogue

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
    dialogue = Dialogue(customer, EACH)
    dialogue.start()
    dialogue.wait_for(said=EACH)
    os.kill(victim(stack), signal.SIGKILL)
    dialogue.finish()
    dialogue.close_and_check_the_transcript()
