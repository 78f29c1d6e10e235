"""`make bench`: one message, socket to socket, with nothing else going on."""

import json
import platform
import statistics
import sys
import time
from pathlib import Path

from deploy.local import demo
from deploy.local.instance import REPOSITORY, Instance, Ports
from deploy.local.stack import Stack
from tests.edge.people import Operator, Visitor
from tests.edge.socket import Socket

RUNS = 5
MESSAGES = 200
WARM_UP = 50
PAUSE_SECONDS = 0.03  # keeps a lone pair below the rate that one socket may send


def main() -> int:
    stack = Stack(Instance(root=REPOSITORY / "var" / "bench", ports=Ports(38080)))
    stack.up()
    try:
        seeded = demo.seed(stack.instance)
        runs = [one_run(seeded) for _ in range(RUNS)]
    finally:
        stack.down()
    report(runs)
    return 0


def one_run(seeded: dict) -> list[float]:
    """Milliseconds from the visitor's send to the operator's receipt, of each message."""
    visitor = Visitor(seeded["base_url"], seeded["site_key"]).arrive()
    operator = Operator(seeded["base_url"], **seeded["operator"])
    conversation_id = visitor.open()
    operator.accept(conversation_id)
    with visitor.socket() as sender, operator.socket() as receiver:
        receiver.send(type="sync", conversation_id=conversation_id, after=0)
        latencies = [one_message(sender, receiver, conversation_id) for _ in range(WARM_UP + MESSAGES)]
    return latencies[WARM_UP:]


def one_message(sender: Socket, receiver: Socket, conversation_id: str) -> float:
    client_id = str(time.perf_counter_ns())
    began = time.perf_counter()
    sender.send(type="message", conversation_id=conversation_id, client_id=client_id, text="How long does this take?")
    receiver.until("message", client_id=client_id)
    took = time.perf_counter() - began
    sender.until("message", client_id=client_id)
    time.sleep(PAUSE_SECONDS)
    return took * 1000


def report(runs: list[list[float]]) -> None:
    figures = [
        {"median_ms": statistics.median(run), "p99_ms": statistics.quantiles(run, n=100)[98], "max_ms": max(run)}
        for run in runs
    ]
    for figure in figures:
        print("  ".join(f"{name[:-3]} {value:6.2f} ms" for name, value in figure.items()))
    medians = [figure["median_ms"] for figure in figures]
    print(
        f"One message, socket to socket, stored before it is shown: median {statistics.median(medians):.2f} ms "
        f"(of {RUNS} runs with {MESSAGES} messages each: {min(medians):.2f} to {max(medians):.2f} ms)"
    )
    result = REPOSITORY / "var" / "bench.json"
    result.write_text(json.dumps({"machine": platform.platform(), "python": sys.version, "runs": figures}, indent=2))
    print(f"All figures: {Path(result).relative_to(REPOSITORY)}")


if __name__ == "__main__":
    sys.exit(main())
