"""Numbers out of many measurements."""

import math
import statistics
from collections.abc import Mapping, Sequence

Figures = dict[str, float]


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
