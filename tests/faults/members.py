"""One of several brokers, and one of several databases, of an instance that has three of each on this machine."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from socket import socket
from weakref import WeakKeyDictionary

import psutil

from deploy.local import broker, database
from deploy.local.instance import REPOSITORY, Instance, Ports
from deploy.local.processes import Process
from deploy.secrets import Secrets
from tests.faults.line import Line

NUMBERS = (1, 2, 3)
PORTS_EACH = 100
SHIPPED = REPOSITORY / "deploy" / "rabbitmq" / "conf" / "cluster.conf"
OF_CLUSTERS = ("cluster_", "net_ticktime")


@dataclass(frozen=True)
class Member(Instance):
    """The servers number ``number`` of ``whole``: a folder and ports of their own, and its secrets."""

    whole: Instance = field(kw_only=True)
    number: int = field(kw_only=True)

    @classmethod
    def of(cls, whole: Instance, number: int) -> "Member":
        ports = Ports(whole.ports.base + PORTS_EACH * (number - 1))
        return cls(root=whole.root / f"member-{number}", ports=ports, whole=whole, number=number)

    @cached_property
    def secrets(self) -> Secrets:
        return self.whole.secrets

    @property
    def broker(self) -> str:
        """What the supervisor calls its broker."""
        return f"rabbitmq-{self.number}"

    @property
    def database(self) -> str:
        """What the supervisor calls its database."""
        return f"mongod-{self.number}"

    @property
    def node(self) -> str:
        """What its broker calls itself among the others."""
        return self.broker_environment["RABBITMQ_NODENAME"]

    @property
    def broker_environment(self) -> dict[str, str]:
        """One name server has the names of all of them."""
        return broker.environment(self) | {"ERL_EPMD_PORT": str(self.whole.ports.erlang_names)}

    def processes(self) -> list[Process]:
        """Whoever is killed here stays dead until it is started again."""
        server = str(broker.commands() / "rabbitmq-server")
        return [
            Process(self.database, database.command(self), "servers", stop_seconds=30, kept_up=False),
            Process(self.broker, [server], "servers", self.broker_environment, stop_seconds=60, kept_up=False),
        ]

    def write_broker_files(self, nodes: Iterable[str]) -> None:
        """As one of ``nodes``, with what we ship for a cluster."""
        broker.write_files(self)
        shipped = [line for line in SHIPPED.read_text().splitlines() if line.startswith(OF_CLUSTERS)]
        settings = [line for line in shipped if "classic_config.nodes" not in line]
        settings += [
            f"cluster_formation.classic_config.nodes.{number} = {node}" for number, node in enumerate(nodes, 1)
        ]
        with (self.folder("rabbitmq") / "rabbitmq.conf").open("a") as file:
            file.write("\n".join(settings) + "\n")


class Door(Line):
    """The way to one database, for clients and for the other members, which it can tell from one another.

    A replica set has one address for each member and everybody uses it, so ``caller_at`` has to say whose
    a port is: the name of a member, or nothing.
    """

    def __init__(self, url: str, caller_at: Callable[[int], str]) -> None:
        self._caller_at = caller_at
        self._callers: WeakKeyDictionary[socket, str] = WeakKeyDictionary()
        self._kept_out: frozenset[str] = frozenset()
        self._changed = threading.Condition()
        super().__init__(url)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def keep_out(self, members: Iterable[str]) -> None:
        """From now on nothing passes between these and this one, and nobody is told, until ``heal``."""
        self._kept_out = frozenset(members)

    def heal(self) -> None:
        with self._changed:
            self._kept_out = frozenset()
            self._changed.notify_all()
        super().heal()

    def _pass_on(self, data: bytes, sink: socket) -> None:
        if self._kept_out:
            caller = self._caller_of(sink)
            with self._changed:
                self._changed.wait_for(lambda: caller not in self._kept_out)
        super()._pass_on(data, sink)

    def _caller_of(self, sink: socket) -> str:
        client = next((ends[0] for ends in list(self._pairs) if sink in ends), None)
        if client is None:
            return ""
        if client not in self._callers:
            self._callers[client] = self._caller_at(client.getpeername()[1])
        return self._callers[client]


def has_port(pid: int, port: int) -> bool:
    """Whether one end of a connection is this process, at this port."""
    try:
        return any(connection.laddr.port == port for connection in psutil.Process(pid).net_connections("tcp"))
    except psutil.NoSuchProcess:
        return False
