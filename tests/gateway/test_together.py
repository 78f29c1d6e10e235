import gevent
import pytest
from gevent.event import Event

from chassis.http import RemoteProblem
from services.gateway.together import Together


class Asked:
    """Answers each question with its double, when it is let."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_answer = Event()
        self.failure: Exception | None = None

    def __call__(self, questions: list[int]) -> list[int]:
        self.batches.append(questions)
        self.may_answer.wait()
        if self.failure:
            raise self.failure
        return [2 * question for question in questions]


@pytest.fixture
def asked() -> Asked:
    return Asked()


def all_of(together: Together[int, int], questions: list[int]) -> list[gevent.Greenlet]:
    waiting = [gevent.spawn(together, question) for question in questions]
    gevent.sleep(0)
    gevent.sleep(0)
    return waiting


def test_one_alone_is_asked_at_once(asked):
    asked.may_answer.set()
    assert Together(asked, most=10)(1) == 2
    assert asked.batches == [[1]]


def test_those_that_come_meanwhile_are_asked_together_and_each_gets_its_own_answer(asked):
    together = Together(asked, most=3)
    first = all_of(together, [1])
    rest = all_of(together, [2, 3, 4, 5])
    asked.may_answer.set()
    gevent.joinall(first + rest, raise_error=True)
    assert [one.value for one in first + rest] == [2, 4, 6, 8, 10]
    assert asked.batches == [[1], [2, 3, 4], [5]]


def test_what_keeps_one_from_an_answer_keeps_all_who_wait_and_nobody_after_them(asked):
    together = Together(asked, most=1)
    asked.failure = OSError("gone")
    waiting = all_of(together, [1, 2, 3])
    asked.may_answer.set()
    gevent.joinall(waiting)
    assert [type(one.exception) for one in waiting] == [OSError] * 3
    assert asked.batches == [[1]]
    asked.failure = None
    assert together(4) == 8


def test_what_is_refused_is_refused_to_those_who_asked_it_and_to_nobody_behind_them():
    def ask(questions: list[int]) -> list[int]:
        if 1 in questions:
            raise RemoteProblem(413, {"code": "too-large"})
        return questions

    together = Together(ask, most=2)
    waiting = [gevent.spawn(together, question) for question in (1, 2, 3, 4, 5)]
    gevent.joinall(waiting)
    assert [type(one.exception) for one in waiting[:2]] == [RemoteProblem] * 2
    assert [one.value for one in waiting[2:]] == [3, 4, 5]


def test_too_few_answers_are_a_failure_and_not_somebody_elses(asked):
    asked.may_answer.set()
    with pytest.raises(ValueError, match="zip"):
        Together(lambda questions: [], most=1)(1)
