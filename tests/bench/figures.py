"""Numbers out of many measurements."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

Figures = dict[str, float]
MOST_DOUBT = 2.0
"""A slope of so many standard errors is no chance any more."""


class Trend(NamedTuple):
    """The line that fits best through what was measured over time: its ends, its slope, and the slope's doubt."""

    first: float
    last: float
    slope: float
    doubt: float


def trend(points: Sequence[tuple[float, float]]) -> Trend:
    """By least squares; ``doubt`` is the standard error of the slope."""
    times, values = zip(*points, strict=True)
    slope, start = statistics.linear_regression(times, values)
    middle = statistics.fmean(times)
    spread_of_times = sum((at - middle) ** 2 for at in times)
    rest = sum((value - start - slope * at) ** 2 for at, value in points)
    doubt = math.sqrt(rest / max(1, len(points) - 2) / spread_of_times)
    return Trend(start + slope * times[0], start + slope * times[-1], slope, doubt)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value that ``share`` of the measurements do not exceed; 0 if there are none."""
    if not ordered:
        return 0.0
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]


def of_latencies(name: str, seconds: Sequence[float]) -> Figures:
    """Milliseconds at the usual places of the distribution."""
    ordered = sorted(seconds)
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999, "max": 1.0}
    return {f"{name}_{place}_ms": round(percentile(ordered, share) * 1000, 3) for place, share in shares.items()}


def spread(runs: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Least, median and most of each figure over the runs."""
    names = dict.fromkeys(name for run in runs for name in run)
    values = {name: [run[name] for run in runs if name in run] for name in names}
    return {
        name: {"min": min(found), "median": statistics.median(found), "max": max(found)}
        for name, found in values.items()
    }
