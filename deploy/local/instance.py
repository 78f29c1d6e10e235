"""One installation on this machine: its folder, its ports and its generated secrets."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from deploy.secrets import SERVICES, Secrets

WORKERS = (
    "chat-relay",
    "chat-consumer",
    "transcripts-consumer",
    "surveys-consumer",
    "accounts-consumer",
    "transcripts-worker",
    "transcripts-beat",
    "accounts-worker",
    "accounts-beat",
    "accounts-inbox",
)
REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ports:
    """Every port of an instance, counted from the gateway's."""

    base: int

    @property
    def gateway(self) -> int:
        return self.base

    @property
    def mongo(self) -> int:
        return self.base + 30

    @property
    def amqp(self) -> int:
        return self.base + 40

    @property
    def erlang_distribution(self) -> int:
        return self.base + 41

    @property
    def erlang_names(self) -> int:
        return self.base + 42

    @property
    def smtp(self) -> int:
        return self.base + 43

    @property
    def inbox(self) -> int:
        """Where mail for our support address comes in."""
        return self.base + 44

    def of(self, service: str) -> int:
        return self.base if service == "gateway" else self.base + 21 + SERVICES.index(service)

    def operations_of(self, process: str) -> int:
        """Where a process without a web server of its own shows its health and metrics."""
        return self.base + 50 + WORKERS.index(process)


@dataclass(frozen=True)
class Instance:
    """A folder that holds all state of one installation; two instances share nothing but the code.

    ``overrides`` maps ``<process>`` or ``*`` to environment variables that replace the defaults,
    and ``test_vhosts`` asks for that many spare virtual hosts on the broker.
    """

    root: Path
    ports: Ports
    overrides: dict[str, dict[str, str]] = field(default_factory=dict)
    test_vhosts: int = 0

    @property
    def base_url(self) -> str:
        return f"http://localhost:{self.ports.gateway}"

    @property
    def demo_file(self) -> Path:
        return self.root / "demo.json"

    def folder(self, name: str) -> Path:
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    @cached_property
    def secrets(self) -> Secrets:
        return Secrets.kept_in(self.folder("secrets"))

    @property
    def mails(self) -> Path:
        """Where all mail that is sent ends: each is a file in ``new``."""
        return self.root / "mails"

    def mongo_url(self, user: str, database: str) -> str:
        return self.secrets.mongo_url(user, database, f"127.0.0.1:{self.ports.mongo}")

    def amqp_url(self, user: str, vhost: str) -> str:
        return self.secrets.amqp_url(user, vhost, f"127.0.0.1:{self.ports.amqp}")
