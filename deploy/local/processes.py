"""Every process of an instance: what runs it and what it reads from its environment."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local import broker, database
from deploy.local.instance import WORKERS, Instance
from deploy.secrets import BUS_VHOST, SERVICES, TASKS_VHOST, write_private

PARTITIONS = 8
MAIL_SENDER = "Velaro <no-reply@velaro.example>"
SUPPORT_ADDRESS = "Velaro <support@velaro.example>"


@dataclass(frozen=True)
class Process:
    """One line of the supervisor's table. ``stage`` says when it starts: servers first, doors last.

    One that ends by itself is started again, unless it is not to be ``kept_up``.
    """

    name: str
    command: list[str]
    stage: str
    environment: dict[str, str] = field(default_factory=dict)
    stop_seconds: int = 15
    kept_up: bool = True


def all_of(instance: Instance) -> list[Process]:
    processes = [*_servers(instance), *_webs(instance), *_workers(instance)]
    return [_overridden(process, instance) for process in processes]


def _overridden(process: Process, instance: Instance) -> Process:
    if process.stage == "servers":
        return process
    extra = instance.overrides.get("*", {}) | instance.overrides.get(process.name, {})
    return Process(**{**vars(process), "environment": process.environment | extra})


def _servers(instance: Instance) -> list[Process]:
    names = broker.environment(instance)
    return [
        Process("epmd", [broker.epmd(), "-address", "127.0.0.1", "-port", str(instance.ports.erlang_names)], "servers"),
        Process("mongod", database.command(instance), "servers", stop_seconds=30),
        Process("rabbitmq", [str(broker.commands() / "rabbitmq-server")], "servers", names, stop_seconds=30),
        Process("mail", _catcher(instance), "servers"),
    ]


def _catcher(instance: Instance) -> list[str]:
    """An SMTP server that takes any mail, keeps it in a folder and delivers none."""
    where = ["-l", f"127.0.0.1:{instance.ports.smtp}", "-c", "aiosmtpd.handlers.Mailbox", str(instance.mails)]
    return [sys.executable, "-m", "aiosmtpd", "-n", *where]


def _webs(instance: Instance) -> list[Process]:
    inner = [_web(instance, service, threads="8", workers="1") for service in SERVICES if service != "gateway"]
    return [*inner, _web(instance, "gateway", workers="2", threads="1")]


def _web(instance: Instance, service: str, *, workers: str, threads: str) -> Process:
    return Process(
        service,
        _command(service, "web"),
        "web",
        environment(instance, service)
        | {
            "VELARO_BIND": f"127.0.0.1:{instance.ports.of(service)}",
            "VELARO_WORKERS": workers,
            "VELARO_THREADS": threads,
        },
        stop_seconds=20,
    )


def _workers(instance: Instance) -> list[Process]:
    return [_worker(instance, name) for name in WORKERS]


def _worker(instance: Instance, name: str) -> Process:
    service, _, process = name.partition("-")
    return Process(
        name,
        _command(service, process),
        "workers",
        environment(instance, service) | {"VELARO_OPERATIONS_BIND": f"127.0.0.1:{instance.ports.operations_of(name)}"},
        stop_seconds=40 if process == "worker" else 15,
    )


def _command(service: str, process: str) -> list[str]:
    return [sys.executable, "-m", f"services.{service}", process]


def environment(instance: Instance, service: str) -> dict[str, str]:
    """What any process of the service reads: the same for its web, its consumer and its worker."""
    secrets = instance.secrets
    common = {
        "PYTHONUNBUFFERED": "1",
        "VELARO_AMQP_URL": instance.amqp_url(service, BUS_VHOST),
        "VELARO_SERVICE_KEY": secrets.keys[service],
        "VELARO_SERVICE_KEYS": secrets.public_keys,
    } | {f"VELARO_{other.upper()}_URL": f"http://127.0.0.1:{instance.ports.of(other)}" for other in SERVICES[:-1]}
    own = {
        "gateway": {
            "VELARO_PUBLIC_URL": instance.base_url,
            "VELARO_PARTITIONS": str(PARTITIONS),
            "VELARO_DEMO_SITE_KEY": secrets.demo["site_key"],
        },
        "accounts": {
            "VELARO_TASKS_URL": instance.amqp_url("accounts", TASKS_VHOST),
            "VELARO_PUBLIC_URL": instance.base_url,
            "VELARO_SMTP_URL": f"smtp://127.0.0.1:{instance.ports.smtp}",
            "VELARO_MAIL_SENDER": MAIL_SENDER,
            "VELARO_SECRETS_DIR": str(_master_key_in(instance)),
            "VELARO_SUPPORT_ADDRESS": SUPPORT_ADDRESS,
            "VELARO_INBOX_BIND": f"127.0.0.1:{instance.ports.inbox}",
        },
        "chat": {"VELARO_PARTITIONS": str(PARTITIONS)},
        "transcripts": {"VELARO_TASKS_URL": instance.amqp_url("transcripts", TASKS_VHOST)},
    }
    database_url = {} if service == "gateway" else {"VELARO_MONGO_URL": instance.mongo_url(service, service)}
    return common | own.get(service, {}) | database_url


def _master_key_in(instance: Instance) -> Path:
    """The folder with the one secret that is read from a file here too, so that no table of processes holds it."""
    folder = instance.folder("secrets/accounts")
    path = folder / "velaro_identity_key"
    if not path.exists() or path.read_text() != instance.secrets.identity_key:
        write_private(path, instance.secrets.identity_key)
    return folder
