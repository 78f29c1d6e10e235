"""At a fixed rate, everything is due once, in order, at its time, whatever the driver is held up by."""

import asyncio
import itertools
import time

import pytest

from tests.bench.pace import at_rate


def test_everything_is_due_once_and_in_order() -> None:
    seen: list[tuple[int, float]] = []
    asyncio.run(at_rate(2_000, 0.1, lambda number, at: seen.append((number, at))))
    assert [number for number, _ in seen] == list(range(200))


def test_the_times_are_those_of_the_rate_and_never_in_the_future() -> None:
    intended: list[float] = []
    early: list[float] = []

    def due(_number: int, at: float) -> None:
        intended.append(at)
        if at > time.perf_counter():
            early.append(at)

    asyncio.run(at_rate(500, 0.1, due))
    pauses = [after - before for before, after in itertools.pairwise(intended)]
    assert pauses == [pytest.approx(1 / 500)] * (len(intended) - 1)
    assert not early


def test_what_is_late_keeps_the_time_at_which_it_was_due() -> None:
    intended: list[float] = []

    def due(number: int, at: float) -> None:
        intended.append(at)
        if number == 5:
            # The driver itself is held up, for several periods.
            time.sleep(0.05)

    asyncio.run(at_rate(100, 0.2, due))
    assert intended[-1] - intended[0] == pytest.approx(19 / 100)
