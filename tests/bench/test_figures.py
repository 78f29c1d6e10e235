"""Percentiles and spreads."""

import pytest

from tests.bench.figures import MOST_DOUBT, of_latencies, percentile, spread, trend


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.9, 90), (0.99, 99), (1.0, 100)])
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(share: float, value: float) -> None:
    assert percentile([float(number) for number in range(1, 101)], share) == value


def test_of_one_measurement_every_percentile_is_that_one() -> None:
    assert {percentile([7.0], share) for share in (0.0, 0.5, 0.99, 1.0)} == {7.0}


def test_of_no_measurement_there_is_nothing_to_tell() -> None:
    assert percentile([], 0.5) == 0


def test_latencies_are_told_in_milliseconds() -> None:
    figures = of_latencies("echoed", [0.001, 0.002, 0.010])
    assert (figures["echoed_p50_ms"], figures["echoed_max_ms"]) == (2.0, 10.0)


def test_the_spread_has_least_median_and_most_of_the_runs() -> None:
    assert spread([{"a": 3.0}, {"a": 1.0}, {"a": 2.0}]) == {"a": {"min": 1.0, "median": 2.0, "max": 3.0}}


def test_a_figure_that_a_run_does_not_have_does_not_count_in_it() -> None:
    assert spread([{"a": 1.0}, {"b": 2.0}])["b"]["median"] == 2.0


def test_a_steady_climb_is_told_from_ups_and_downs() -> None:
    climb = trend([(float(at), 100 + at / 10 + at % 3) for at in range(120)])
    assert climb.slope == pytest.approx(0.1, rel=0.05)
    assert climb.slope > MOST_DOUBT * climb.doubt
    waves = trend([(float(at), 100.0 + at % 3) for at in range(120)])
    assert waves.slope < MOST_DOUBT * waves.doubt
    assert waves.last == pytest.approx(101, abs=0.2)
