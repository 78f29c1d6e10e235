"""RabbitMQ for a local instance: the command that runs it, its files, its users."""

import base64
import hashlib
import json
import os
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import Any

from deploy.local.instance import BUS_VHOST, REPOSITORY, SERVICES, TASKS_VHOST, Instance

DEFINITIONS = REPOSITORY / "deploy/rabbitmq/definitions.json"
SHARED_EXCHANGES = "events|commands|signals|dead-letters"


class BrokerMissing(Exception):
    """There is no RabbitMQ on this machine."""

    def __str__(self) -> str:
        return (
            "RabbitMQ is not installed; on Debian and Ubuntu: apt-get install --no-install-recommends rabbitmq-server"
        )


def commands() -> Path:
    """The folder of RabbitMQ's own scripts: not Debian's wrappers, which insist on one system-wide node."""
    found = shutil.which("rabbitmq-server")
    candidates = [Path("/usr/lib/rabbitmq/bin"), *([Path(found).resolve().parent] if found else [])]
    for folder in candidates:
        if (folder / "rabbitmq-server").exists():
            return folder
    raise BrokerMissing


def epmd() -> str:
    """Erlang's name server, run as a child of ours so that it ends with the instance."""
    found = shutil.which("epmd")
    if not found:
        raise BrokerMissing
    return found


def environment(instance: Instance) -> dict[str, str]:
    home = instance.folder("rabbitmq")
    return {
        "HOME": str(home),
        "RABBITMQ_NODENAME": f"velaro-{instance.ports.base}@localhost",
        "RABBITMQ_NODE_PORT": str(instance.ports.amqp),
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_DIST_PORT": str(instance.ports.erlang_distribution),
        "ERL_EPMD_PORT": str(instance.ports.erlang_names),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_MNESIA_BASE": str(home / "data"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_PID_FILE": str(home / "pid"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none",
        "LANG": "C.UTF-8",
    }


def write_files(instance: Instance) -> None:
    home = instance.folder("rabbitmq")
    _write_cookie(home / ".erlang.cookie", instance.secrets.erlang_cookie)
    (home / "enabled_plugins").write_text("[].\n")
    definitions = home / "definitions.json"
    definitions.touch(mode=0o600)
    definitions.write_text(json.dumps(with_users(instance)))
    (home / "rabbitmq.conf").write_text(
        f"load_definitions = {definitions}\n"
        "loopback_users = none\n"
        "log.file.level = warning\n"
        "log.console = false\n"
        "vm_memory_high_watermark.absolute = 4GB\n"
        "disk_free_limit.absolute = 200MB\n"
    )


def _write_cookie(path: Path, cookie: str) -> None:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(cookie)
    path.chmod(0o400)


def with_users(instance: Instance) -> dict[str, Any]:
    """The committed definitions, plus what only this instance knows: users, rights and spare virtual hosts."""
    definitions: dict[str, Any] = json.loads(DEFINITIONS.read_text())
    spare = [f"test-{number:02d}" for number in range(instance.test_vhosts)]
    definitions["vhosts"] += [{"name": name} for name in spare]
    definitions["users"] = [
        user(name, password, tags=["administrator"] if name == "admin" else [])
        for name, password in instance.secrets.amqp.items()
    ]
    definitions["permissions"] = [
        *(_rights(service, BUS_VHOST, service) for service in SERVICES),
        _everything("transcripts", TASKS_VHOST),
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


def control(instance: Instance, *arguments: str) -> str:
    """Runs rabbitmqctl against this instance's node and returns what it printed."""
    result = subprocess.run(
        [commands() / "rabbitmqctl", *arguments],
        env=os.environ | environment(instance),
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout
