"""RabbitMQ for a local instance: the command that runs it, its files, its users."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from deploy.broker_users import with_users
from deploy.local.instance import Instance


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
    definitions.write_text(json.dumps(with_users(instance.secrets, spare_vhosts=instance.test_vhosts)))
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


def control(instance: Instance, *arguments: str) -> str:
    """Runs rabbitmqctl against this instance's node and returns what it printed."""
    return control_as(environment(instance), *arguments)


def control_as(node: dict[str, str], *arguments: str) -> str:
    """Runs rabbitmqctl against the node that has this environment."""
    result = subprocess.run(
        [commands() / "rabbitmqctl", *arguments],
        env=os.environ | node,
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout
