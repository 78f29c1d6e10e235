"""How a client's messages keep their order: in each conversation one is under way until chat has answered it.

That the broker holds a message safely is no answer yet. If its queue is deleted, the message goes with it and is said
again; one that was sent in the meantime would be stored before it.
"""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

import gevent
import structlog

from contracts.chat import ConversationEvent, PostMessage
from services.gateway.commands import Commands
from services.gateway.fanout import Fanout

log = structlog.get_logger(__name__)

BACKLOG = 64
ANSWER_SECONDS, MOST_SENDINGS = 5.0, 3
# Within this, another broker of a cluster has taken over.
REFUSED_SECONDS, REFUSED_PAUSE = 3.0, 0.1

Answered = Callable[[str, ConversationEvent], None]


class _Turn:
    """The message of a conversation that is under way, and those behind it."""

    __slots__ = ("behind", "command", "deadline", "give_up_at", "sendings")

    def __init__(self, command: PostMessage) -> None:
        self.behind: deque[PostMessage] = deque()
        self.begin(command)

    def begin(self, command: PostMessage) -> None:
        self.command = command
        self.sendings = 0
        self.give_up_at = 0.0
        self.deadline: gevent.Greenlet[[_Turn], None] | None = None


class Turns:
    """The messages of one socket that chat has not answered."""

    def __init__(self, *, commands: Commands, fanout: Fanout, answered: Answered, given_up: Callable[[], None]) -> None:
        """``answered`` is told the client id of a message and chat's event; after ``given_up`` nothing more is sent."""
        self._commands = commands
        self._fanout = fanout
        self._answered = answered
        self._given_up = given_up
        self._turns: dict[str, _Turn] = {}

    def take(self, command: PostMessage) -> None:
        """Send now, or when it is its turn."""
        turn = self._turns.get(command.conversation_id)
        if turn:
            turn.behind.append(command)
        else:
            turn = self._turns[command.conversation_id] = _Turn(command)
            self._send(turn)

    def is_full(self, conversation_id: str) -> bool:
        """Whether so many wait for their turn that the client should be held back."""
        turn = self._turns.get(conversation_id)
        return turn is not None and len(turn.behind) > BACKLOG

    def forget(self, conversation_id: str) -> None:
        """The conversation is erased: nothing more of it is sent."""
        turn = self._turns.get(conversation_id)
        if turn:
            turn.behind.clear()

    def stop(self) -> None:
        """The socket is over: whatever has no answer is said again on the next one."""
        for turn in self._turns.values():
            self._stop_waiting(turn)
        self._turns.clear()

    def recover(self) -> None:
        """An answer may have been missed: chat gives it again to whoever asks again."""
        for turn in tuple(self._turns.values()):
            if turn.deadline:
                self._stop_waiting(turn)
                self._send(turn)

    def _send(self, turn: _Turn) -> None:
        command = turn.command
        self._fanout.expect_answer(command.command_id, partial(self._answer, turn))
        self._commands.send(command).add_done_callback(partial(self._sent, turn, command))

    def _sent(self, turn: _Turn, command: PostMessage, sending: "Future[None]") -> None:
        if not self._is_under_way(turn, command):
            return
        if error := sending.exception():
            self._not_sent(turn, error)
            return
        turn.sendings += 1
        turn.give_up_at = 0.0
        turn.deadline = gevent.spawn_later(ANSWER_SECONDS, self._not_answered, turn)

    def _is_under_way(self, turn: _Turn, command: PostMessage) -> bool:
        return turn.command is command and self._turns.get(command.conversation_id) is turn

    def _not_sent(self, turn: _Turn, error: BaseException) -> None:
        """Once more, for a while: to come back takes a client longer than a broker needs to be followed by another.

        It may have been taken all the same; chat knows it again by its client id.
        """
        now = time.monotonic()
        turn.give_up_at = turn.give_up_at or now + REFUSED_SECONDS
        if now < turn.give_up_at:
            gevent.spawn_later(REFUSED_PAUSE, self._send_again, turn, turn.command)
        else:
            self._give_up(type(error).__name__)

    def _send_again(self, turn: _Turn, command: PostMessage) -> None:
        if self._is_under_way(turn, command):
            self._send(turn)

    def _not_answered(self, turn: _Turn) -> None:
        """It, or its answer, may be lost."""
        turn.deadline = None
        self._commands.note_unanswered(turn.command)
        if turn.sendings < MOST_SENDINGS:
            self._fanout.forget_answer(turn.command.command_id)
            self._send(turn)
        else:
            self._give_up("no answer")

    def _give_up(self, reason: str) -> None:
        # The client comes back and says everything again, in order; to go on could let the next overtake this one.
        log.warning("command not sent", reason=reason)
        self.stop()
        self._given_up()

    def _answer(self, turn: _Turn, event: ConversationEvent) -> None:
        command = turn.command
        self._stop_waiting(turn)
        self._answered(command.client_id, event)
        if not self._is_under_way(turn, command):
            return
        if turn.behind:
            turn.begin(turn.behind.popleft())
            self._send(turn)
        else:
            del self._turns[command.conversation_id]

    def _stop_waiting(self, turn: _Turn) -> None:
        self._fanout.forget_answer(turn.command.command_id)
        if turn.deadline:
            turn.deadline.kill(block=False)
            turn.deadline = None
