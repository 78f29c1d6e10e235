"""`python -m tests.bench.markdown var/bench/FILE.json`: what a report says, as tables for `docs/performance.md`."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.bench.bench import Row
from tests.bench.plots import number
from tests.bench.reach import reached
from tests.bench.report import summarised, verdict_of

FIGURES = {
    "latency": ("delivered_p50_ms", "delivered_p99_ms", "cpu_ms_per_msg"),
    "open-loop": ("msg_per_s", "delivered_p50_ms", "delivered_p99_ms", "cpu_ms_per_msg"),
    "closed-loop": ("msg_per_s", "delivered_p50_ms", "delivered_p99_ms", "cpu_ms_per_msg"),
    "idle": ("pss_kib_per_socket", "rss_kib_per_socket", "delivered_p99_ms"),
    "reconnect": ("all_back_after_order_s", "away_p50_ms", "away_p99_ms"),
}
"""What is worth a column; a part that is not here shows all its figures."""


class Report(msgspec.Struct):
    """What is read of a report's file."""

    machine: dict[str, str]
    settings: dict[str, Any]
    rows: list[Row]


def document(report: Report) -> str:
    """The whole of it: the machine, what was to be reached, and a table for each part."""
    parts = dict.fromkeys(row.part for row in report.rows if not row.part.endswith("sealed"))
    about = {**report.machine, "command": report.settings["command"], "runs": report.settings["runs"]}
    sections = [
        _table(("", ""), ((name, str(value)) for name, value in about.items())),
        verdict_of(report.rows),
        _table(("", "wanted", "measured", ""), _reached(report.rows)),
        *(f"### {part}\n\n{_part(part, report.rows)}" for part in parts),
    ]
    return "\n\n".join(sections) + "\n"


def _reached(rows: Sequence[Row]) -> Iterator[Sequence[str]]:
    for one in reached(summarised(rows)):
        yield one.what, one.wanted, one.measured, one.verdict


def _part(part: str, rows: Sequence[Row]) -> str:
    found = {label: spread for (name, label, _), spread in summarised(rows).items() if name == part}
    there = dict.fromkeys(figure for spread in found.values() for figure in spread)
    names = [name for name in FIGURES.get(part, there) if name in there]
    lines = ((label, *(_cell(spread.get(name)) for name in names)) for label, spread in found.items())
    return _table(("", *(name.replace("_", " ") for name in names)), lines)


def _cell(spread: Mapping[str, float] | None) -> str:
    if spread is None:
        return ""
    return f"{number(spread['median'])} ({number(spread['min'])} to {number(spread['max'])})"


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    sys.stdout.write(document(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Report)))
