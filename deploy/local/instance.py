"""One installation on this machine: its folder, its ports and its generated secrets."""

import json
import os
import secrets
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from chassis.auth import new_key, public_keys

SERVICES = ("accounts", "chat", "transcripts", "surveys", "gateway")
BUS_VHOST = "velaro"
TASKS_VHOST = "velaro-tasks"
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

    def of(self, service: str) -> int:
        return self.base if service == "gateway" else self.base + 21 + SERVICES.index(service)

    def metrics_of(self, process: str) -> int:
        """Where a process without a web server of its own shows its metrics."""
        return self.base + 50 + ("chat-relay", "chat-consumer", "transcripts-consumer").index(process)


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
    def secrets(self) -> "Secrets":
        return Secrets.kept_in(self.folder("secrets"))

    def mongo_url(self, user: str, database: str) -> str:
        password = self.secrets.mongo[user]
        return (
            f"mongodb://{user}:{password}@127.0.0.1:{self.ports.mongo}/{database}"
            f"?authSource=admin&replicaSet=velaro&directConnection=false"
        )

    def amqp_url(self, user: str, vhost: str) -> str:
        return f"amqp://{user}:{self.secrets.amqp[user]}@127.0.0.1:{self.ports.amqp}/{vhost}"


@dataclass(frozen=True)
class Secrets:
    """Generated once per instance and kept in files that only their owner reads."""

    mongo: dict[str, str]
    amqp: dict[str, str]
    keys: dict[str, str]
    demo: dict[str, str]
    erlang_cookie: str
    replica_key: str

    @property
    def public_keys(self) -> str:
        return public_keys(self.keys.values())

    @classmethod
    def kept_in(cls, folder: Path) -> "Secrets":
        path = folder / "secrets.json"
        if not path.exists():
            _write_private(path, json.dumps(_fresh()))
        return cls(**json.loads(path.read_text()))


def _fresh() -> dict[str, object]:
    users = (*SERVICES, "admin")
    return {
        "mongo": {user: secrets.token_urlsafe(24) for user in users},
        "amqp": {user: secrets.token_urlsafe(24) for user in users},
        "keys": {service: new_key(service) for service in SERVICES},
        "demo": {who: secrets.token_urlsafe(12) for who in ("owner", "operator", "site_key")},
        "erlang_cookie": secrets.token_hex(24),
        "replica_key": secrets.token_hex(64),
    }


def _write_private(path: Path, content: str) -> None:
    """Complete or absent: a kill in the middle leaves no half-written secret."""
    draft = path.with_suffix(".draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
    draft.rename(path)
