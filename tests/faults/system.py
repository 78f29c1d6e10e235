"""The system that is broken: an instance of its own, with lines in it, spares, and changed programs."""

import os
import shutil
import signal
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import psutil
from pymongo import MongoClient
from pymongo.database import Database

from chassis.testing import eventually
from contracts.partitions import partition_queue
from deploy.local import broker
from deploy.local.instance import REPOSITORY, Instance, Ports
from deploy.local.processes import PARTITIONS, Process, all_of
from deploy.local.stack import Stack
from deploy.secrets import BUS_VHOST
from tests import ports
from tests.bench.costs import pids_of
from tests.faults import effects
from tests.faults.line import Line

FOLDER = REPOSITORY / "var" / "faults"
PATCHES = Path(__file__).parent / "patches"
WATERMARK = ("absolute", "4GB")
DISK_FREE = "200MB"

# The driver is many people at one address, and a crowd of sockets that nobody reads is one visitor.
GATEWAY = {
    "VELARO_VISITS_PER_MINUTE": "1000000",
    "VELARO_SIGN_INS_PER_MINUTE": "1000000",
    "VELARO_TICKETS_PER_MINUTE": "1000000",
    "VELARO_CONVERSATIONS_PER_MINUTE": "1000000",
    "VELARO_SOCKETS_PER_VISITOR": "1000",
    "VELARO_MESSAGES_PER_SECOND": "5000",
    "VELARO_MESSAGE_BURST": "10000",
    "VELARO_DRAIN_SECONDS": "2",
}
ARCHIVING = {"VELARO_ARCHIVE_AFTER": "PT0S", "VELARO_ARCHIVE_EVERY": "PT2S", "VELARO_SEAL_LATE_EVERY": "PT5S"}
NOT_REMINDING = {"VELARO_SEAL_REMINDER_AFTER": "PT1H"}
"""What is announced again would hide what is lost without confirms."""


@dataclass(frozen=True)
class Spare:
    """A program that starts only when a test says so: another ``of`` the same kind, with a fault in it or without."""

    name: str
    of: str
    fault: str = ""
    is_on_small_disk: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)


SPARES = (
    Spare("chat-relay-2", "chat-relay"),
    Spare("chat-relay-3", "chat-relay"),
    Spare("unsuspecting-relay", "chat-relay", "unsuspecting"),
    Spare("unsuspecting-relay-2", "chat-relay", "unsuspecting"),
    Spare("poisonable-relay", "chat-relay", "poisonable"),
    Spare("relay-without-confirms", "chat-relay", "without-confirms"),
    Spare("relay-without-majority", "chat-relay", "without-majority"),
    Spare("relay-without-single-active", "chat-relay", "without-single-active"),
    Spare("relay-without-single-active-2", "chat-relay", "without-single-active"),
    Spare("chat-consumer-soon-reminding", "chat-consumer", settings={"VELARO_SEAL_REMINDER_AFTER": "PT5S"}),
    Spare("transcripts-consumer-2", "transcripts-consumer"),
    Spare("dying-transcripts-consumer", "transcripts-consumer", "dying-before-delete"),
    Spare("transcripts-beat-2", "transcripts-beat"),
    Spare("slow-transcripts-worker", "transcripts-worker", "slow-archive"),
    Spare("worker-without-late-acks", "transcripts-worker", "slow-archive,without-late-acks"),
    Spare("relay-with-wrong-clock", "chat-relay", "wrong-clock"),
    Spare("gateway-with-wrong-clock", "gateway", "wrong-clock"),
    Spare("gateway-without-turns", "gateway", "without-turns"),
    Spare("beat-with-wrong-clock", "transcripts-beat", "wrong-clock,wrong-clock-of-beat"),
    Spare("relay-on-small-disk", "chat-relay", is_on_small_disk=True),
    Spare("consumer-on-small-disk", "transcripts-consumer", is_on_small_disk=True),
    Spare("gateway-on-small-disk", "gateway", is_on_small_disk=True),
)
RELAYS = ("chat-relay", "chat-relay-2")
UNSUSPECTING_RELAYS = ("unsuspecting-relay", "unsuspecting-relay-2")


class System:
    """Everything a test may break, by name."""

    def __init__(self, root: Path) -> None:
        plain = Instance(root=root, ports=Ports(ports.FAULTS))
        self.gateway_to_broker = Line(plain.amqp_url("gateway", BUS_VHOST))
        relays = (*RELAYS, *UNSUSPECTING_RELAYS)
        self.relays_to_broker = {relay: Line(plain.amqp_url("chat", BUS_VHOST)) for relay in relays}
        # A replica set tells its clients where it is, and they would go there, past the line.
        self.chat_to_database = Line(plain.mongo_url("chat", "chat") + "&directConnection=true")
        self.door = Line(plain.base_url)
        self.instance = replace(plain, overrides=self._overrides())
        self.servers = Stack(self.instance, say=lambda line: None)
        self.supervisor = self.servers.supervisor
        self.order_to_die = root / "die"
        self.wrong_clock = root / "wrong-clock"
        self.small_disk = root / "small-disk"

    def _overrides(self) -> dict[str, dict[str, str]]:
        database = {"VELARO_MONGO_URL": self.chat_to_database.url}
        return {
            "gateway": GATEWAY | {"VELARO_AMQP_URL": self.gateway_to_broker.url},
            "chat": database,
            "chat-relay": database | {"VELARO_AMQP_URL": self.relays_to_broker["chat-relay"].url},
            "chat-consumer": NOT_REMINDING,
            "transcripts-worker": ARCHIVING,
            "transcripts-beat": ARCHIVING,
        }

    def up(self) -> None:
        spares = map(self._on_its_disk, SPARES)
        self.supervisor.start([*all_of(self.instance), *spares, *effects.processes(self.instance)])
        self.servers.up()
        self.run("chat-relay-2")

    def down(self) -> None:
        for line in self.lines:
            line.heal()
        if self.supervisor.is_running():
            self.stop(*(spare.name for spare in SPARES))
        self.servers.down()
        for line in self.lines:
            line.close()

    @contextmanager
    def wrong_clocks(self, minutes: float) -> Iterator[None]:
        """Inside, the clocks of the programs that have a wrong one are so far ahead, or behind."""
        self._set_clocks(minutes * 60)
        try:
            yield
        finally:
            self._set_clocks(0)

    def _set_clocks(self, seconds: float) -> None:
        written = self.wrong_clock.with_suffix(".new")
        written.write_text(str(seconds))
        written.replace(self.wrong_clock)

    @property
    def lines(self) -> tuple[Line, ...]:
        return (self.gateway_to_broker, *self.relays_to_broker.values(), self.chat_to_database, self.door)

    def _on_its_disk(self, spare: Spare) -> Process:
        process = self._process_of(spare)
        if not spare.is_on_small_disk:
            return process
        command = ["sh", "-c", 'exec "$@" >>"$TMPDIR/log" 2>&1', "sh", *process.command]
        return replace(process, command=command, environment=process.environment | {"TMPDIR": str(self.small_disk)})

    def _process_of(self, spare: Spare) -> Process:
        twin = next(process for process in all_of(self.instance) if process.name == spare.of)
        changed = dict(spare.settings)
        if twin.stage == "workers":
            changed["VELARO_OPERATIONS_BIND"] = f"127.0.0.1:{self.operations_of(spare.name)}"
        if spare.name in self.relays_to_broker:
            changed["VELARO_AMQP_URL"] = self.relays_to_broker[spare.name].url
        if spare.fault:
            changed |= {
                "PYTHONPATH": str(PATCHES),
                "VELARO_FAULT": spare.fault,
                "VELARO_FAULT_FILE": str(self.order_to_die),
                "VELARO_FAULT_CLOCK": str(self.wrong_clock),
            }
        return replace(twin, name=spare.name, environment=twin.environment | changed)

    def operations_of(self, process: str) -> int:
        spares = {spare.name: spare for spare in SPARES}
        ports = self.instance.ports
        if "gateway" in (process, spares[process].of if process in spares else ""):
            return ports.gateway
        return ports.base + 70 + list(spares).index(process) if process in spares else ports.operations_of(process)

    def run(self, *names: str) -> None:
        """Start these and wait until they are ready."""
        for name in names:
            self.supervisor.run(name)
        for name in names:
            eventually(lambda name=name: self.is_ready(name), timeout=120, every=0.2)

    def stop(self, *names: str) -> None:
        self.supervisor.stop(list(names))

    def pid(self, name: str) -> int:
        """Waits for the process if it is just being started again."""
        return eventually(lambda: self.supervisor.pid_of(name), timeout=60)

    def pids(self, name: str) -> list[int]:
        """The process, and all that it forked."""
        return pids_of(self.supervisor, name)

    def kill(self, *names: str) -> None:
        for pid in [self.pid(name) for name in names]:
            self.kill_pid(pid)

    def kill_family(self, name: str) -> None:
        """A process with all that it forked, as when its container is killed."""
        parent = psutil.Process(self.pid(name))
        for process in [parent, *parent.children(recursive=True)]:
            self.kill_pid(process.pid)

    @contextmanager
    def instead(self, old: Iterable[str], new: Iterable[str]) -> Iterator[None]:
        """Inside, these programs run instead of those."""
        self.stop(*old)
        try:
            self.run(*new)
            yield
        finally:
            self.stop(*new)
            self.run(*old)

    def kill_pid(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)

    def gateway_workers(self, gateway: str = "gateway") -> list[int]:
        return [child.pid for child in psutil.Process(self.pid(gateway)).children()]

    def broker_machine(self) -> int:
        """The Erlang machine itself: it runs below RabbitMQ's start script."""
        script = psutil.Process(self.pid("rabbitmq"))
        below = [script, *script.children(recursive=True)]
        return next(process.pid for process in below if process.name() == "beam.smp")

    def is_ready(self, name: str) -> bool:
        try:
            self._ask(name, "ready")
        except OSError:
            return False
        return True

    def metric(self, process: str, name: str, label: str = "") -> float:
        """The sum over all labels, or those with ``label``, of a counter; 0 when the process does not answer."""
        try:
            lines = self._ask(process, "metrics").splitlines()
        except OSError:
            return 0
        counted = [line for line in lines if line.startswith((f"{name}{{", f"{name} ")) and label in line]
        return sum(float(line.rpartition(" ")[2]) for line in counted)

    def _ask(self, process: str, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.operations_of(process)}/{path}", timeout=3) as answer:
            return str(answer.read().decode())

    def active_relay(self, relays: Iterable[str] = RELAYS, *, least: int = 3) -> str:
        """The relay that is carrying out commands just now."""
        before = {name: self._commands_of(name) for name in relays}

        def busiest() -> str | None:
            done = {name: self._commands_of(name) - before[name] for name in before}
            found = max(done, key=lambda name: done[name])
            return found if done[found] >= least else None

        return eventually(busiest, timeout=60)

    def _commands_of(self, name: str) -> float:
        return self.metric(name, "velaro_relay_commands_total")

    def control_broker(self, *arguments: str) -> str:
        return broker.control(self.instance, *arguments)

    def delivered(self) -> dict[str, int]:
        """Of each partition, how many commands are with relays that have not acknowledged them."""
        listed = self._listed("messages_unacknowledged", BUS_VHOST)
        return {queue: listed.get(queue, 0) for queue in map(partition_queue, range(PARTITIONS))}

    def queue_length(self, queue: str, vhost: str = BUS_VHOST) -> int:
        return self._listed("messages", vhost).get(queue, 0)

    def _listed(self, figure: str, vhost: str) -> dict[str, int]:
        listed = self.control_broker("-q", "list_queues", "-p", vhost, "name", figure, "--no-table-headers")
        pairs = (line.split("\t") for line in listed.splitlines() if "\t" in line)
        return {name: int(number) for name, number in pairs}

    @contextmanager
    def database(self, name: str) -> Iterator[Database]:
        """What a service keeps, past the service."""
        client: MongoClient = MongoClient(self.instance.mongo_url("admin", name), tz_aware=True, w="majority")
        with client:
            yield client.get_database(name)


@contextmanager
def asleep(*pids: int) -> Iterator[None]:
    """Inside, these processes do nothing, and nobody is told."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            # Whoever watches over it may have replaced it.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


S = TypeVar("S", bound=System)


@contextmanager
def started(kind: type[S], root: Path) -> Iterator[S]:
    """A system that nobody has used yet, up until the block ends."""
    # A run that was cut off leaves an instance behind, whose data and passwords are not this one's.
    left_behind = kind(root)
    if left_behind.supervisor.is_running():
        left_behind.down()
    shutil.rmtree(root, ignore_errors=True)
    made = kind(root)
    try:
        made.up()
        yield made
    finally:
        made.down()
