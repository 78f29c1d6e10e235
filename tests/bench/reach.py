"""What the system must reach, held against what was measured. It is said, also where it falls short."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tests.bench.plots import number

Summary = Mapping[tuple[str, str, float], Mapping[str, Mapping[str, float]]]


@dataclass(frozen=True)
class Goal:
    """A figure of one part at one level, and the bound it must keep."""

    what: str
    part: str
    level: float
    figure: str
    bound: float
    unit: str
    is_least: bool = False


@dataclass(frozen=True)
class Reached:
    """One line of the table."""

    what: str
    wanted: str
    measured: str
    verdict: str


GOALS = (
    Goal("one message, socket to socket, 200/s", "open-loop", 200, "delivered_p50_ms", 4, "ms"),
    Goal("the same, one in a hundred", "open-loop", 200, "delivered_p99_ms", 15, "ms"),
    Goal("200 conversations, as fast as it goes", "closed-loop", 200, "msg_per_s", 4_000, "msg/s", is_least=True),
    Goal("the same, one in a hundred", "closed-loop", 200, "delivered_p99_ms", 150, "ms"),
    Goal("an idle socket of 10,000", "idle", 10_000, "pss_kib_per_socket", 25, "KiB"),
    Goal("delivery while 10,000 idle", "idle", 10_000, "delivered_p99_ms", 50, "ms"),
    Goal("5,000 sockets back and in sync", "reconnect", 5_000, "all_back_after_order_s", 20, "s"),
)


def reached(summary: Summary) -> Iterator[Reached]:
    """The goals of the parts that were measured."""
    for goal in GOALS:
        for (part, _, level), figures in summary.items():
            if (part, level) == (goal.part, goal.level) and goal.figure in figures:
                yield _held_against(goal, figures[goal.figure])


def _held_against(goal: Goal, spread: Mapping[str, float]) -> Reached:
    keeps: Callable[[float], bool] = (lambda v: v >= goal.bound) if goal.is_least else (lambda v: v <= goal.bound)
    verdict = "reached" if keeps(spread["median"]) else "not reached"
    if keeps(spread["min"]) != keeps(spread["max"]):
        verdict += ", not in every run"
    sign = "≥" if goal.is_least else "≤"
    measured = f"{number(spread['median'])} {goal.unit} ({number(spread['min'])} to {number(spread['max'])})"
    return Reached(goal.what, f"{sign} {number(goal.bound)} {goal.unit}", measured, verdict)
