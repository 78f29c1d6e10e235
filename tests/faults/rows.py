"""Rows of the matrix: how often each is repeated, with which seeds, and what came of it."""

import json
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.faults.load import Run
from tests.faults.system import FOLDER

IS_FULL = os.environ.get("FAULTS", "short") == "full"
"""All rows as often as they say, instead of the most telling ones once."""

SLACK = 1 if IS_FULL else 10

SEED = int(os.environ.get("FAULTS_SEED", "20261124"))


def promised(seconds: float) -> float:
    """The limit of the row. In the short form far more: that is about losses, and runs on machines however slow."""
    return seconds * SLACK


def row(number: str, *, times: int, is_short: bool = False) -> Callable[[Any], Any]:
    """A test that is one row: repeated ``times`` with a seed each, or ``FAULTS_K`` times if that says less or more."""
    count = int(os.environ.get("FAULTS_K", times if IS_FULL else 1))
    chance = random.Random(f"{SEED} {number}")
    seeds = [chance.randrange(1_000_000) for _ in range(count)]
    marks = [pytest.mark.row(number), *([] if is_short else [pytest.mark.full_form])]

    def mark(test: Any) -> Any:
        test = pytest.mark.parametrize("seed", seeds)(test)
        for each in marks:
            test = each(test)
        return test

    return mark


@dataclass
class Summary:
    """What came of all repetitions of each row."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, number: str, name: str, seed: int, run: Run) -> None:
        facts = {
            "test": name,
            "seed": seed,
            "longest_wait": round(run.longest_wait, 2),
            "troubles": dict(run.troubles),
            **run.verdict.counts(),
        }
        self.rows.setdefault(number, []).append(facts)
        if not run.verdict.is_clean:
            FOLDER.mkdir(parents=True, exist_ok=True)
            run.outcome.ledger.save(FOLDER / f"row-{number}-{seed}.ledger.jsonl")

    def write(self, folder: Path, outcomes: dict[str, dict[str, int]]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        document = {"seed": SEED, "form": "full" if IS_FULL else "short", "outcomes": outcomes, "rows": self.rows}
        (folder / "summary.json").write_text(json.dumps(document, indent=1) + "\n")
        lines = [
            "| row | repetitions | passed | messages | lost | duplicated | reordered | gaps | unexpected | recovered "
            "| longest wait, s |",
            "|---|---|---|---|---|---|---|---|---|---|---|",
            *(_line(number, self.rows.get(number, []), outcomes[number]) for number in sorted(outcomes, key=_order)),
        ]
        (folder / "summary.md").write_text("\n".join(lines) + "\n")


def _order(number: str) -> tuple[int, str]:
    digits = "".join(character for character in number if character.isdigit())
    return (int(digits or 99), number)


def _line(number: str, runs: list[dict[str, Any]], outcome: dict[str, int]) -> str:
    names = ("attempts", "lost", "duplicated", "reordered", "gaps", "unexpected", "recovered")
    sums = [sum(run[name] for run in runs) for name in names]
    longest = max((run["longest_wait"] for run in runs), default=0.0)
    cells = [number, sum(outcome.values()), outcome.get("passed", 0), *sums, longest]
    return "| " + " | ".join(map(str, cells)) + " |"
