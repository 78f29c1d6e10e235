"""One `make bench`: the instance, its people, and the rows that the parts add to the report."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from deploy.local.stack import Stack
from tests.bench.costs import Costs
from tests.bench.figures import Figures
from tests.bench.people import World
from tests.bench.talk import Outcome
from tests.ledger.checker import FORBIDDEN, Verdict

# The driver is many people at one address, and its lone pairs write faster than a person may.
OVERRIDES = {
    "VELARO_VISITS_PER_MINUTE": "1000000",
    "VELARO_SIGN_INS_PER_MINUTE": "1000000",
    "VELARO_UNAUTHENTICATED_SOCKETS_PER_ADDRESS": "12000",
    "VELARO_MESSAGES_PER_SECOND": "5000",
    "VELARO_MESSAGE_BURST": "10000",
    "VELARO_MESSAGES_PER_CONVERSATION": "10000000",
}


class Row(msgspec.Struct, kw_only=True):
    """One run of one part at one level: ``level`` is what is turned up, such as the rate."""

    part: str
    label: str
    level: float
    run: int
    figures: Figures
    verdict: dict[str, int] = {}
    cpu: dict[str, float] = {}
    memory_kib: dict[str, int] = {}
    troubles: dict[str, int] = {}
    course: list[tuple[float, float]] = []
    """What was measured at which second, for what is drawn over time."""


@dataclass
class Bench:
    """What every part works with."""

    stack: Stack
    world: World
    runs: int
    is_quick: bool
    folder: Path
    rows: list[Row] = field(default_factory=list)
    soak_seconds: float = 3600.0

    def __post_init__(self) -> None:
        self.costs = Costs(self.stack.supervisor)

    def seconds(self, full: float, quick: float) -> float:
        return quick if self.is_quick else full

    def levels(self, full: Iterable[int], quick: Iterable[int]) -> list[int]:
        return list(quick if self.is_quick else full)

    def add(self, row: Row) -> None:
        """Keep the row and show it."""
        self.rows.append(row)
        figures = "  ".join(f"{name} {value:,.6g}" for name, value in row.figures.items())
        print(f"{row.part:12} {row.label:22} run {row.run}:  {figures}", flush=True)
        if row.verdict:
            zeros = " ".join(f"{kind} {row.verdict[kind]}" for kind in FORBIDDEN)
            print(f"{'':36}   of {row.verdict['attempts']:,} messages: {zeros}", flush=True)
        if row.troubles:
            print(f"{'':36}   {row.troubles}", flush=True)

    def say(self, line: str) -> None:
        print(f"  {line}", flush=True)

    def explain(self, outcome: Outcome, name: str) -> None:
        """Leave the ledger behind when something that has to be 0 is not."""
        if not outcome.verdict.is_clean:
            path = self.folder / f"{name}.ledger.jsonl"
            outcome.ledger.save(path)
            self.say(f"The ledger is in {path.name}; {_first(outcome.verdict)}")

    async def restart_gateway(self) -> None:
        """New gateway processes, which have seen nothing yet."""
        supervisor = self.stack.supervisor
        await asyncio.to_thread(supervisor.stop, ["gateway"])
        await asyncio.to_thread(self.stack.up_services)
        self.world.http.close()


def _first(verdict: Verdict) -> Mapping[str, list[str]]:
    return {kind: found[:3] for kind, found in verdict.findings.items() if found}
