"""`make bench`: measures the whole system through its public edge, checks every message, and writes a report."""

import argparse
import resource
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import uvloop

from deploy.local.instance import REPOSITORY, Instance, Ports
from deploy.local.stack import Stack
from tests import ports
from tests.bench import machine, report
from tests.bench.alone import alone
from tests.bench.bench import OVERRIDES, Bench, Row
from tests.bench.calls import calls
from tests.bench.crowds import idle, reconnect
from tests.bench.http import Http
from tests.bench.loads import closed_loops, latency, open_loops
from tests.bench.people import World
from tests.bench.soak import soak

PARTS: dict[str, Callable[[Bench], Awaitable[None]]] = {
    "latency": latency,
    "open-loop": open_loops,
    "closed-loop": closed_loops,
    "calls": calls,
    "alone": alone,
    "idle": idle,
    "reconnect": reconnect,
    "soak": soak,
}
USUAL = [name for name in PARTS if name != "soak"]
RUNS = 3
SOAK_SECONDS, QUICK_SOAK_SECONDS = 3600.0, 60.0
FOLDER = REPOSITORY / "var" / "bench"


def main() -> int:
    arguments = _arguments()
    _allow_many_files()
    # Whoever ends the bench ends its instance too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    overrides = OVERRIDES | {"VELARO_WORKERS": str(arguments.gateways)}
    instance = Instance(
        root=FOLDER / "instance", ports=Ports(arguments.port), overrides={"gateway": overrides}, test_vhosts=1
    )
    rows: list[Row] = []
    about, began = machine.described(), time.monotonic()
    try:
        _measure(Stack(instance), arguments, rows)
    finally:
        settings = {
            "command": " ".join(["python -m tests.bench", *sys.argv[1:]]),
            "runs": arguments.runs,
            "overrides": overrides,
            "seconds": round(time.monotonic() - began),
        }
        # What was measured before something went wrong is worth reading too.
        status = report.write(rows, FOLDER, settings, about)
    return status


def _measure(stack: Stack, arguments: argparse.Namespace, rows: list[Row]) -> None:
    try:
        stack.up()
        uvloop.run(_run(stack, arguments, rows))
    finally:
        stack.down()


async def _run(stack: Stack, arguments: argparse.Namespace, rows: list[Row]) -> None:
    http = Http(stack.instance.ports.gateway)
    bench = Bench(stack, World(stack.instance, http), arguments.runs, arguments.quick, FOLDER, rows, arguments.seconds)
    for name in arguments.only:
        print(f"\n{datetime.now(UTC):%H:%M:%S}  {name}: {PARTS[name].__doc__}", flush=True)
        await PARTS[name](bench)
    http.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", type=_parts, default=USUAL, help=f"some of {','.join(PARTS)}; soak only if named")
    parser.add_argument("--runs", type=int, default=None, help=f"how often each is measured ({RUNS})")
    parser.add_argument("--quick", action="store_true", help="one short run of each, to see that all of it works")
    parser.add_argument("--port", type=int, default=ports.BENCH, help="the gateway's port; the others follow it")
    parser.add_argument("--gateways", type=int, default=2, help="how many gateway processes")
    parser.add_argument("--seconds", type=float, default=None, help=f"how long the soak takes ({SOAK_SECONDS:.0f})")
    arguments = parser.parse_args()
    arguments.seconds = arguments.seconds or (QUICK_SOAK_SECONDS if arguments.quick else SOAK_SECONDS)
    arguments.runs = arguments.runs or (1 if arguments.quick else RUNS)
    return arguments


def _parts(names: str) -> list[str]:
    chosen = [name for name in names.split(",") if name]
    if unknown := set(chosen) - set(PARTS):
        raise argparse.ArgumentTypeError(f"no such part: {', '.join(sorted(unknown))}")
    return chosen or USUAL


def _allow_many_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
