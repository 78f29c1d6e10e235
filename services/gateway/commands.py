"""How the gateway asks chat for something: a command to the conversation's partition, and the event that answers it."""

import time
from concurrent.futures import Future, InvalidStateError

from prometheus_client import Counter

from chassis.bus import Bus
from contracts.chat import CommandRejected, ConversationCommand, ConversationEvent
from contracts.partitions import command_key, partition_of, partition_queue
from services.gateway.fanout import Fanout

_unanswered = Counter(
    "velaro_gateway_commands_unanswered",
    "Commands that the broker took and chat did not answer in time.",
    ("partition",),
)


class CommandRefused(Exception):
    """Chat did not carry the command out."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


class NotAnsweredYet(Exception):
    """The broker holds the command safely; what came of it is not known yet."""


class Commands:
    """Sends commands, and waits for what comes of them."""

    def __init__(self, *, bus: Bus, fanout: Fanout, partitions: int, timeout: float) -> None:
        self._bus = bus
        self._fanout = fanout
        self._partitions = partitions
        self._timeout = timeout

    def send(self, command: ConversationCommand) -> "Future[None]":
        """Hand ``command`` to the partition that writes its conversation."""
        key = command_key(command.conversation_id, self._partitions)
        return self._bus.send(command, queue=key, correlation_id=command.command_id)

    def note_unanswered(self, command: ConversationCommand) -> None:
        """Count ``command``, which nobody has answered for long, for its partition."""
        _unanswered.labels(partition_queue(partition_of(command.conversation_id, self._partitions))).inc()

    def carry_out(self, command: ConversationCommand) -> ConversationEvent:
        """What came of ``command``.

        Raises ``CommandRefused``, ``NotAnsweredYet``, or ``chassis.problems.Unavailable`` if it was not
        (certainly) handed over. The answer cannot be missed: we listen before we ask.
        """
        deadline = time.monotonic() + self._timeout
        with self._fanout.listening(command.customer_id, self._timeout):
            answer: Future[ConversationEvent] = Future()
            self._fanout.expect_answer(command.command_id, lambda event: _settle(answer, event))
            try:
                self.send(command).result(self._timeout + 1.0)
                event = answer.result(max(0.0, deadline - time.monotonic()))
            except TimeoutError as error:
                self.note_unanswered(command)
                raise NotAnsweredYet(command.command_id) from error
            finally:
                self._fanout.forget_answer(command.command_id)
        if isinstance(event, CommandRejected):
            raise CommandRefused(event.code, event.detail)
        return event


def _settle(answer: "Future[ConversationEvent]", event: ConversationEvent) -> None:
    try:
        answer.set_result(event)
    except InvalidStateError:
        return
