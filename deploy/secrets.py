"""The secrets of one installation: generated once, kept in one file that only its owner reads."""

import base64
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from chassis.auth import new_key, public_keys

SERVICES = ("accounts", "chat", "transcripts", "surveys", "gateway")
WITH_DATABASE = tuple(service for service in SERVICES if service != "gateway")
WITH_TASKS = ("accounts", "transcripts")
STAFF_ROLES = ("support", "reviewer", "legal", "admin")
DEMO_SECRETS = ("owner", "operator", "site_key", *(f"staff-{role}" for role in STAFF_ROLES))
BUS_VHOST = "velaro"
TASKS_VHOST = "velaro-tasks"


@dataclass(frozen=True)
class Secrets:
    """Generated once per instance and kept in files that only their owner reads."""

    mongo: dict[str, str]
    amqp: dict[str, str]
    keys: dict[str, str]
    demo: dict[str, str]
    erlang_cookie: str
    replica_key: str
    identity_key: str

    def mongo_url(self, user: str, database: str, hosts: str, *, replica_set: str = "velaro") -> str:
        """Where ``user`` finds ``database`` of the replica set on ``hosts`` (``one:27017,two:27017``)."""
        return f"mongodb://{user}:{self.mongo[user]}@{hosts}/{database}?authSource=admin&replicaSet={replica_set}"

    def amqp_url(self, user: str, vhost: str, hosts: str) -> str:
        """Where ``user`` finds the broker on ``hosts`` (``one:5672,two:5672``)."""
        return f"amqp://{user}:{self.amqp[user]}@{hosts}/{vhost}"

    def files_of(
        self, service: str, *, mongo_hosts: str, amqp_hosts: str, replica_set: str = "velaro"
    ) -> dict[str, str]:
        """What the processes of ``service`` find in their folder of secrets: names and contents."""
        files = {
            "velaro_amqp_url": self.amqp_url(service, BUS_VHOST, amqp_hosts),
            "velaro_service_key": self.keys[service],
            "velaro_service_keys": self.public_keys,
        }
        if service in WITH_DATABASE:
            files["velaro_mongo_url"] = self.mongo_url(service, service, mongo_hosts, replica_set=replica_set)
        if service in WITH_TASKS:
            files["velaro_tasks_url"] = self.amqp_url(service, TASKS_VHOST, amqp_hosts)
        if service == "accounts":
            files["velaro_identity_key"] = self.identity_key
        return files

    @property
    def public_keys(self) -> str:
        return public_keys(self.keys.values())

    @classmethod
    def kept_in(cls, folder: Path) -> "Secrets":
        path = folder / "secrets.json"
        if not path.exists():
            write_private(path, json.dumps(_fresh()))
        kept = json.loads(path.read_text())
        if missing := [who for who in DEMO_SECRETS if who not in kept["demo"]]:
            kept["demo"] |= {who: secrets.token_urlsafe(12) for who in missing}
            write_private(path, json.dumps(kept))
        if "identity_key" not in kept:
            kept["identity_key"] = _identity_key()
            write_private(path, json.dumps(kept))
        return cls(**kept)


def _fresh() -> dict[str, object]:
    users = (*SERVICES, "admin")
    return {
        "mongo": {user: secrets.token_urlsafe(24) for user in users},
        "amqp": {user: secrets.token_urlsafe(24) for user in users},
        "keys": {service: new_key(service) for service in SERVICES},
        "demo": {who: secrets.token_urlsafe(12) for who in DEMO_SECRETS},
        "erlang_cookie": secrets.token_hex(24),
        "replica_key": secrets.token_hex(64),
        "identity_key": _identity_key(),
    }


def _identity_key() -> str:
    """The master key of identity documents: 32 bytes in base64, and in no database."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def write_private(path: Path, content: str, mode: int = 0o600) -> None:
    """Complete or absent: a kill in the middle leaves no half-written secret."""
    draft = path.with_suffix(".draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
    draft.rename(path)
