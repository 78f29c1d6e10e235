"""Questions that many have at the same moment, asked at once.

When thousands of sockets come back, each has the same few questions. One alone is asked at once; those that come while
an answer is awaited are asked together after it, so that the cost of asking is shared the more there are.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, cast

import gevent
from gevent.event import AsyncResult

from chassis.http import RemoteProblem

Q = TypeVar("Q")
A = TypeVar("A")


class Together(Generic[Q, A]):
    """Asks ``ask`` for at most ``most`` answers at once, which come in the order of the questions.

    One question is on its way at a time. If there is no answer, then for nobody who waits: they would fare no better.
    If it is refused, that is for those who asked it alone. Greenlets of one hub may share it.
    """

    def __init__(self, ask: Callable[[list[Q]], Sequence[A]], *, most: int) -> None:
        self._ask = ask
        self._most = most
        self._waiting: deque[tuple[Q, AsyncResult[A]]] = deque()
        self._is_asking = False

    def __call__(self, question: Q) -> A:
        """The answer. Raises what ``ask`` raised."""
        answer: AsyncResult[A] = AsyncResult()
        self._waiting.append((question, answer))
        if not self._is_asking:
            self._is_asking = True
            gevent.spawn(self._ask_all)
        return cast("A", answer.get())

    def _ask_all(self) -> None:
        try:
            while self._waiting:
                self._ask_some()
        finally:
            self._is_asking = False

    def _ask_some(self) -> None:
        asked = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        try:
            answers = list(zip(asked, self._ask([question for question, _ in asked]), strict=True))
        except RemoteProblem as error:
            self._fail(asked, error)
            return
        except Exception as error:  # noqa: BLE001 - it is for whoever waits; gevent would print it
            self._fail([*asked, *self._waiting], error)
            self._waiting.clear()
            return
        for (_, waiting), answer in answers:
            waiting.set(answer)

    def _fail(self, waiting: Sequence[tuple[Q, "AsyncResult[A]"]], error: Exception) -> None:
        for _, answer in waiting:
            answer.set_exception(error)
