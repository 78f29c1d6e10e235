"""Every process of an instance: what runs it and what it reads from its environment."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local import broker, database
from deploy.local.instance import BUS_VHOST, SERVICES, TASKS_VHOST, Instance

PARTITIONS = 8
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Process:
    """One line of the supervisor's table. ``stage`` says when it starts: servers first, doors last."""

    name: str
    command: list[str]
    stage: str
    environment: dict[str, str] = field(default_factory=dict)
    stop_seconds: int = 15
    stop_signal: str = "TERM"


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
    ]


def _webs(instance: Instance) -> list[Process]:
    inner = [_web(instance, service, threads="8", workers="1") for service in SERVICES if service != "gateway"]
    return [*inner, _web(instance, "gateway", workers="2", threads="1")]


def _web(instance: Instance, service: str, *, workers: str, threads: str) -> Process:
    configuration = "services.gateway.serving" if service == "gateway" else "chassis.serving"
    return Process(
        service,
        [str(BIN / "gunicorn"), "-c", f"python:{configuration}", f"services.{service}.app:create_app()"],
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
    celery = [str(BIN / "celery"), "-A", "services.transcripts.tasks:celery"]
    schedule = str(instance.folder("beat") / "schedule")
    return [
        _module(instance, "chat-relay", "chat", "services.chat.relay"),
        _module(instance, "chat-consumer", "chat", "services.chat.consumer"),
        _module(instance, "transcripts-consumer", "transcripts", "services.transcripts.consumer"),
        _module(instance, "surveys-consumer", "surveys", "services.surveys.consumer"),
        _module(instance, "accounts-consumer", "accounts", "services.accounts.consumer"),
        Process(
            "transcripts-worker",
            [*celery, "worker", "--concurrency", "1", "--without-gossip", "--without-mingle"],
            "workers",
            environment(instance, "transcripts"),
            stop_seconds=40,
        ),
        Process(
            "transcripts-beat",
            [*celery, "beat", "--schedule", schedule, "--pidfile", ""],
            "workers",
            environment(instance, "transcripts"),
        ),
    ]


def _module(instance: Instance, name: str, service: str, module: str) -> Process:
    return Process(name, [sys.executable, "-m", module], "workers", environment(instance, service))


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
        "chat": {"VELARO_PARTITIONS": str(PARTITIONS)},
        "transcripts": {"VELARO_TASKS_URL": instance.amqp_url("transcripts", TASKS_VHOST)},
    }
    database_url = {} if service == "gateway" else {"VELARO_MONGO_URL": instance.mongo_url(service, service)}
    return common | own.get(service, {}) | database_url
