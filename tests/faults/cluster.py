"""The system on three brokers and a replica set of three, to see what becomes of it when some of them are lost."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import pika
import psutil
from pika.adapters.blocking_connection import BlockingChannel
from pymongo import MongoClient
from pymongo.errors import AutoReconnect, PyMongoError

from chassis.bus.topology import COMMANDS
from chassis.testing import eventually
from contracts.partitions import partition_key
from deploy import database_users
from deploy.local import broker
from deploy.local.instance import Instance, Ports
from deploy.local.processes import PARTITIONS, Process, all_of
from deploy.local.stack import Stack
from deploy.local.waiting import accepts_connections
from deploy.secrets import BUS_VHOST
from tests import ports
from tests.faults.members import NUMBERS, Door, Member, has_port
from tests.faults.system import GATEWAY, Spare, System

SPARES = (Spare("chat-relay-2", "chat-relay"),)
MIRROR = "tests.commands"
PARTITION_PREFIX = "chat.p."
STEPPED_DOWN_SECONDS, CATCH_UP_SECONDS = 10, 5
"""Short: who has stepped down cannot be elected for so long, and the next repetition needs somebody who can."""
IN_VHOST = ("-q", "-p", BUS_VHOST, "--no-table-headers")


@dataclass(frozen=True)
class Spread(Instance):
    """An instance whose clients are given the address of every broker and every database."""

    brokers: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()

    def mongo_url(self, user: str, database: str) -> str:
        return self.secrets.mongo_url(user, database, ",".join(self.databases))

    def amqp_url(self, user: str, vhost: str) -> str:
        return self.secrets.amqp_url(user, vhost, ",".join(self.brokers))


class Copy(NamedTuple):
    """Of a command: the key it was sent with, its conversation, and the client id if it says something."""

    key: str
    conversation_id: str
    client_id: str | None


class Cluster(System):
    """Everything a test may break, by name; servers by their number."""

    def __init__(self, root: Path) -> None:
        plain = Instance(root=root, ports=Ports(ports.CLUSTER))
        self.members = {number: Member.of(plain, number) for number in NUMBERS}
        self.doors = {
            number: Door(member.mongo_url("admin", "admin"), self._database_at)
            for number, member in self.members.items()
        }
        self.instance = Spread(
            root=root,
            ports=plain.ports,
            overrides={"gateway": GATEWAY},
            brokers=tuple(f"127.0.0.1:{member.ports.amqp}" for member in self.members.values()),
            databases=tuple(door.address for door in self.doors.values()),
        )
        self.servers = Stack(self.instance, say=lambda line: None)
        self.supervisor = self.servers.supervisor
        self.order_to_die = root / "die"

    @property
    def lines(self) -> tuple[Door, ...]:
        return tuple(self.doors.values())

    def up(self) -> None:
        for member in self.members.values():
            member.write_broker_files(other.node for other in self.members.values())
        self.supervisor.start(list(self._processes()))
        self.run_servers()
        self.servers.up_services()
        self.run("chat-relay-2")

    def down(self) -> None:
        for door in self.lines:
            door.heal()
        if self.supervisor.is_running():
            self.stop(*(spare.name for spare in SPARES))
        self.servers.down()
        for door in self.lines:
            door.close()

    def _processes(self) -> Iterable[Process]:
        for member in self.members.values():
            yield from member.processes()
        # Of the servers of a plain instance, only the one that has the brokers' names.
        yield from (
            process for process in all_of(self.instance) if process.stage != "servers" or process.name == "epmd"
        )
        yield from self._spares()

    def _spares(self) -> Iterable[Process]:
        programs = {process.name: process for process in all_of(self.instance)}
        for spare in SPARES:
            twin = programs[spare.of]
            changed = {"VELARO_OPERATIONS_BIND": f"127.0.0.1:{self.operations_of(spare.name)}"}
            yield replace(twin, name=spare.name, environment=twin.environment | changed)

    def run_servers(self) -> None:
        """All of them, until each knows the others and has what they have."""
        self.supervisor.run("epmd")
        for member in self.members.values():
            self.supervisor.run(member.database)
            self.supervisor.run(member.broker)
        for member in self.members.values():
            eventually(lambda member=member: accepts_connections(member.ports.mongo), timeout=60)
        database_users.prepare(self.instance.secrets, list(self.instance.databases), here=self.doors[1].address)
        self.wait_until_whole()

    def wait_until_whole(self) -> None:
        """Every server runs, and holds all that it should."""
        for member in self.members.values():
            self.supervisor.run(member.database)
            self.supervisor.run(member.broker)
        for member in self.members.values():
            eventually(lambda member=member: accepts_connections(member.ports.amqp), timeout=120, every=0.2)
        eventually(self.is_broker_whole, timeout=120, every=0.5)
        eventually(self.is_database_whole, timeout=60, every=0.2)

    # The brokers.

    def control(self, number: int, *arguments: str) -> str:
        """What rabbitmqctl prints when it is asked of this node."""
        return broker.control_as(self.members[number].broker_environment, *arguments)

    def control_broker(self, *arguments: str) -> str:
        return self.control(self.running_brokers()[0], *arguments)

    def running_brokers(self) -> list[int]:
        return [number for number, member in self.members.items() if accepts_connections(member.ports.amqp)]

    def is_broker_whole(self) -> bool:
        """Whether every queue of work has all its members at hand."""
        listed = self.control(self.running_brokers()[0], "list_queues", *IN_VHOST, "type", "online")
        online = [line.count("@") for line in listed.splitlines() if line.startswith("quorum")]
        return len(self.running_brokers()) == len(self.members) and all(count == len(self.members) for count in online)

    def leaders(self) -> dict[str, int]:
        """For each partition, the number of the broker that leads it."""
        listed = self.control(self.running_brokers()[0], "list_queues", *IN_VHOST, "name", "leader")
        pairs = [line.split("\t") for line in listed.splitlines() if line.startswith(PARTITION_PREFIX)]
        numbers = {member.node: number for number, member in self.members.items()}
        return {name: numbers[leader] for name, leader in pairs if name[len(PARTITION_PREFIX) :].isdigit()}

    def busiest_broker(self) -> int:
        """The number of the broker that leads most partitions."""
        return Counter(self.leaders().values()).most_common(1)[0][0]

    def kill_brokers(self, *numbers: int) -> None:
        """At once, and they stay dead."""
        machines = [self.erlang_of(number) for number in numbers]
        for machine in machines:
            self.kill_pid(machine)
        for number in numbers:
            port = self.members[number].ports.amqp
            eventually(lambda port=port: not accepts_connections(port), timeout=10, every=0.01)

    def erlang_of(self, number: int) -> int:
        """The Erlang machine of a broker: it runs below RabbitMQ's start script."""
        script = psutil.Process(self.pid(self.members[number].broker))
        below = [script, *script.children(recursive=True)]
        return next(process.pid for process in below if process.name() == "beam.smp")

    def run_brokers(self, *numbers: int) -> None:
        """Start these and wait until they take connections."""
        for number in numbers:
            name = self.members[number].broker
            eventually(lambda name=name: not self.supervisor.pid_of(name), timeout=30)
            self.supervisor.run(name)
        for number in numbers:
            port = self.members[number].ports.amqp
            eventually(lambda port=port: accepts_connections(port), timeout=120, every=0.2)

    def is_paused(self, number: int) -> bool:
        """Whether a broker that runs takes no connections, as it sees too few of the others."""
        member = self.members[number]
        return bool(self.supervisor.pid_of(member.broker)) and not accepts_connections(member.ports.amqp)

    @contextmanager
    def parted(self, one: int, *others: int) -> Iterator[None]:
        """Inside, one broker and these others do not know each other any more.

        Each has a password for the others that they do not have, so that none gets through again.
        """
        nodes = ", ".join(f"'{self.members[other].node}'" for other in others)
        self.control(one, "eval", f"[{{erlang:set_cookie(N, parted), erlang:disconnect_node(N)}} || N <- [{nodes}]].")
        try:
            yield
        finally:
            self.control(one, "eval", f"[erlang:set_cookie(N, erlang:get_cookie()) || N <- [{nodes}]].")

    @contextmanager
    def mirrored_commands(self) -> Iterator[list[Copy]]:
        """Inside, every command is copied; afterwards the list has the copies."""
        seen: list[Copy] = []
        with self._channel() as channel:
            channel.queue_declare(MIRROR, durable=True, arguments={"x-queue-type": "quorum"})
            for partition in range(PARTITIONS):
                channel.queue_bind(MIRROR, COMMANDS, partition_key(partition, PARTITIONS))
        try:
            yield seen
        finally:
            with self._channel() as channel:
                while (copy := channel.basic_get(MIRROR, auto_ack=True))[0] is not None:
                    command = json.loads(copy[2])
                    seen.append(Copy(copy[0].routing_key, command["conversation_id"], command.get("client_id")))
                channel.queue_delete(MIRROR)

    @contextmanager
    def _channel(self) -> Iterator[BlockingChannel]:
        url = self.instance.secrets.amqp_url("admin", BUS_VHOST, self.instance.brokers[0])
        with pika.BlockingConnection(pika.URLParameters(url)) as connection:
            yield connection.channel()

    # The databases.

    def primary(self) -> int:
        """The number of the member that all of a majority take for the primary; waits while there is none."""
        with self.databases() as client:
            host, port = eventually(lambda: client.primary, timeout=60)
        return next(number for number, door in self.doors.items() if door.address == f"{host}:{port}")

    @contextmanager
    def databases(self) -> Iterator[MongoClient]:
        url = self.instance.mongo_url("admin", "admin")
        client: MongoClient
        with MongoClient(url, serverSelectionTimeoutMS=30_000) as client:
            yield client

    def is_database_whole(self) -> bool:
        """Whether there is a primary, and the other two follow it closely."""
        try:
            with self.databases() as client:
                members = client.admin.command("replSetGetStatus")["members"]
        except PyMongoError:
            return False
        states = Counter(member["stateStr"] for member in members)
        return states == {"PRIMARY": 1, "SECONDARY": len(self.members) - 1}

    def kill_primary(self) -> int:
        """It stays dead; its number."""
        number = self.primary()
        self.kill(self.members[number].database)
        return number

    def step_down(self) -> None:
        """The primary gives up being one, in good order."""
        with self.databases() as client:
            try:
                client.admin.command(
                    "replSetStepDown", STEPPED_DOWN_SECONDS, secondaryCatchUpPeriodSecs=CATCH_UP_SECONDS
                )
            except AutoReconnect:
                # Those before 4.2 say goodbye to everybody; what counts is who is the primary then.
                return

    @contextmanager
    def isolated(self, number: int) -> Iterator[None]:
        """Inside, nothing passes between this member and the others; clients reach all of them."""
        others = [other for other in self.doors if other != number]
        self.doors[number].keep_out(self.members[other].database for other in others)
        for other in others:
            self.doors[other].keep_out([self.members[number].database])
        try:
            yield
        finally:
            for door in self.doors.values():
                door.heal()

    def _database_at(self, port: int) -> str:
        """The database from which a connection comes, if it is one."""
        for member in self.members.values():
            pid = self.supervisor.pid_of(member.database)
            if pid and has_port(pid, port):
                return member.database
        return ""
