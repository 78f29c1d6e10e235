"""The broker's definitions: one user for each service, with the rights it needs and no others."""

import base64
import hashlib
import json
import secrets
from pathlib import Path
from typing import Any

from deploy.secrets import BUS_VHOST, SERVICES, TASKS_VHOST, WITH_TASKS, Secrets

DEFINITIONS = Path(__file__).parent / "rabbitmq" / "definitions.json"
SHARED_EXCHANGES = "events|commands|signals"


def with_users(chosen: Secrets, *, spare_vhosts: int = 0) -> dict[str, Any]:
    """The committed definitions, plus what only one installation knows: users, rights and spare virtual hosts."""
    definitions: dict[str, Any] = json.loads(DEFINITIONS.read_text())
    spare = [f"test-{number:02d}" for number in range(spare_vhosts)]
    definitions["vhosts"] += [{"name": name} for name in spare]
    definitions["users"] = [
        user(name, password, tags=["administrator"] if name == "admin" else [])
        for name, password in chosen.amqp.items()
    ]
    definitions["permissions"] = [
        *(_rights(service, BUS_VHOST, service) for service in SERVICES),
        *(_everything(service, TASKS_VHOST) for service in WITH_TASKS),
        *(_everything("admin", vhost["name"]) for vhost in definitions["vhosts"]),
    ]
    definitions["policies"] += [
        policy | {"vhost": vhost}
        for policy in definitions["policies"]
        if policy["vhost"] == BUS_VHOST
        for vhost in spare
    ]
    return definitions


def user(name: str, password: str, *, tags: list[str]) -> dict[str, Any]:
    """A user as RabbitMQ's definitions have it: only a salted hash of the password is in it."""
    salt = secrets.token_bytes(4)
    digest = hashlib.sha256(salt + password.encode()).digest()
    return {
        "name": name,
        "password_hash": base64.b64encode(salt + digest).decode(),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": tags,
        "limits": {},
    }


def _rights(user: str, vhost: str, prefix: str) -> dict[str, str]:
    """A service declares and reads its own queues and the exchanges all share, and publishes to those."""
    own = rf"{prefix}\..*|amq\.gen.*"
    return {
        "user": user,
        "vhost": vhost,
        "configure": rf"^({own}|{SHARED_EXCHANGES})$",
        "write": rf"^({own}|{SHARED_EXCHANGES}|amq\.default)$",
        "read": rf"^({own}|{SHARED_EXCHANGES})$",
    }


def _everything(user: str, vhost: str) -> dict[str, str]:
    return {"user": user, "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"}
