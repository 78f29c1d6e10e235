"""What is done to the system in more than one test: in a row, and in the proof that the row can fail."""

import time
from collections.abc import Callable

from chassis.tasks import make_celery
from chassis.testing import eventually
from contracts.partitions import partition_queue
from deploy.local.processes import PARTITIONS
from deploy.local.waiting import accepts_connections
from deploy.secrets import TASKS_VHOST
from tests.faults.load import Load
from tests.faults.system import UNSUSPECTING_RELAYS, System, asleep

TRIES = 5
LATE_WRITES = 4
"""Each of the clients in the sleeper's conversations waits with one message; there are not many."""
FENCE = "velaro_relay_fence_rejections_total"
HANDLED = "velaro_bus_deliveries_total"
FAILURES = "velaro_bus_publish_failures_total"
COMMANDS = "velaro_relay_commands_total"
ARCHIVE = "transcripts.archive-transcripts"
AT_A_TIME = 4
"""Transcripts that one archive job works on at once."""


def sleep_through_the_loss(system: System, *, until: Callable[[], object] | None = None) -> None:
    """The active relay sleeps, the broker takes its partitions away, and it wakes up unsuspecting.

    Goes on when ``until`` holds, or when the late writes were fenced off. A relay that fell asleep in the middle of a
    batch looks everything up when that comes to nothing, and leaves nothing to the fences: then once more.
    """
    for _ in range(TRIES):
        if _sleep_once(system, until):
            return
    raise AssertionError(f"asleep in the middle of a batch {TRIES} times")


def _sleep_once(system: System, until: Callable[[], object] | None) -> bool:
    """The broker is told by a cut, where a lost heartbeat would take it seconds."""
    sleeper = system.active_relay(UNSUSPECTING_RELAYS)
    other = next(relay for relay in UNSUSPECTING_RELAYS if relay != sleeper)
    line = system.relays_to_broker[sleeper]
    fenced, failed, done = system.metric(sleeper, FENCE), system.metric(sleeper, FAILURES), handled(system, other)
    holds = until or (lambda: system.metric(sleeper, FENCE) > fenced)
    # Before anything else, as the broker may be the first to hang up.
    line.conceal()
    with asleep(system.pid(sleeper)):
        held = eventually(lambda: held_back(system), timeout=60)
        line.cut_server_side()
        eventually(
            lambda: all(count > done[queue] for queue, count in handled(system, other).items() if queue in held),
            timeout=60,
        )
    try:
        # What it says of its late writes reaches nobody either, but that shows only after a while.
        eventually(lambda: holds() or system.metric(sleeper, FAILURES) > failed, timeout=60)
    finally:
        line.heal()
    return bool(holds())


def held_back(system: System) -> set[str]:
    """The queues of which a relay has commands and does nothing with them, if there are enough of these.

    Others are done with theirs at the second look.
    """
    first, second = system.delivered(), system.delivered()
    held = {queue: count for queue in first if (count := min(first[queue], second[queue]))}
    return set(held) if sum(held.values()) >= LATE_WRITES else set()


def handled(system: System, relay: str) -> dict[str, float]:
    """How many commands of each partition the relay has carried out."""
    queues = map(partition_queue, range(PARTITIONS))
    return {queue: system.metric(relay, HANDLED, f'queue="{queue}"') for queue in queues}


def lose_events(system: System, act: Callable[[], object]) -> None:
    """What the relays publish during ``act`` never reaches the broker, and then their lines are cut."""
    lines = system.relays_to_broker.values()
    for line in lines:
        line.swallow(b"chat publisher")
    try:
        act()
    finally:
        for line in lines:
            line.cut()
            line.heal()


def kill_broker(system: System) -> float:
    """Returns when its port was open again."""
    dead = system.broker_machine()
    system.kill_pid(dead)
    port = system.instance.ports.amqp
    eventually(lambda: not accepts_connections(port), timeout=30, every=0.01)
    eventually(lambda: accepts_connections(port), timeout=60)
    return time.perf_counter()


def kill_database(system: System) -> None:
    """Returns when it takes connections again."""
    system.kill("mongod")
    eventually(lambda: accepts_connections(system.instance.ports.mongo), timeout=60)


def kill_in_the_middle_of_archiving(system: System, load: Load, worker: str) -> None:
    """One job, and no other comes: its worker is killed when some of the load's transcripts are archived."""
    broker = make_celery("transcripts", broker_url=system.instance.amqp_url("admin", TASKS_VHOST))
    broker.send_task(ARCHIVE)
    eventually(lambda: archived(system, load) >= AT_A_TIME, timeout=60)
    assert archived(system, load) < len(load.pairs), "it was too late to kill it"
    system.kill_family(worker)


def archived(system: System, load: Load) -> int:
    """How many of the load's conversations are in the archive."""
    with system.database("transcripts") as database:
        return database["transcripts"].count_documents({"_id": {"$in": load.conversation_ids}, "storage": "archived"})
