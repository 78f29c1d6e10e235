"""Tasks whose effects can be counted; their worker and their beat stand on the chassis as a service's own do.

``python -m tests.faults.effects worker|beat`` is one of them.
"""

import os
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from celery import Celery
from kombu import Connection
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from chassis.tasks import ServiceTask, claim_slot, ensure_slots, make_celery, plan
from deploy.local.instance import Instance
from deploy.local.processes import Process
from deploy.secrets import TASKS_VHOST

WORKER, BEAT = "effects-worker", "effects-beat"
SERVICE = "effects"
QUEUE = f"{SERVICE}.tasks"
TAKE_EFFECT, SWEEP = "effects.take-effect", "effects.sweep"
SWEEP_EVERY = timedelta(seconds=2)
DATABASE, EFFECTS, WAITING = "faults", "effects", "waiting"
COMMANDS = {
    "worker": ["--concurrency", "2", "--without-gossip", "--without-mingle"],
    "beat": ["--scheduler", "celery.beat:Scheduler", "--pidfile", ""],
}


def processes(instance: Instance) -> list[Process]:
    """How the supervisor starts them."""
    environment = {
        "EFFECTS_BROKER": instance.amqp_url("admin", TASKS_VHOST),
        "EFFECTS_DATABASE": instance.mongo_url("admin", DATABASE),
    }
    commands = {name: [sys.executable, "-m", "tests.faults.effects", name] for name in COMMANDS}
    return [
        Process(name, commands[command], "workers", environment, stop_seconds=40)
        for name, command in ((WORKER, "worker"), (BEAT, "beat"))
    ]


def database_at(url: str) -> "Database[Any]":
    """Where the effects are, each under its name, and what waits for its time."""
    client: MongoClient[Any] = MongoClient(url, tz_aware=True, w="majority", timeoutMS=5000)
    database: Database[Any] = client.get_database(DATABASE)
    ensure_slots(database)
    return database


def take_effect(self: ServiceTask["Database[Any]"], name: str) -> None:
    """Once, however often it is told to; how often it was told is kept beside it."""
    effects = self.context[EFFECTS]
    try:
        effects.insert_one({"_id": name, "at": datetime.now(UTC), "repeats": 0})
    except DuplicateKeyError:
        effects.update_one({"_id": name}, {"$inc": {"repeats": 1}})


def sweep(self: ServiceTask["Database[Any]"]) -> None:
    """What is due takes effect, as far as it has not."""
    now = datetime.now(UTC)
    if not claim_slot(self.context, SWEEP, SWEEP_EVERY, now):
        return
    for found in self.context[WAITING].find({"due_at": {"$lte": now}}):
        take_effect(self, found["_id"])
        self.context[WAITING].delete_one({"_id": found["_id"]})


def celery_for(broker_url: str, database_url: str) -> Celery:
    celery = make_celery(SERVICE, broker_url=broker_url, context=partial(database_at, database_url))
    celery.task(bind=True, name=TAKE_EFFECT)(take_effect)  # type: ignore[call-overload]
    plan(celery, celery.task(bind=True, name=SWEEP)(sweep), SWEEP_EVERY)  # type: ignore[call-overload]
    return celery


def declare(celery: Celery, connection: Connection) -> None:
    """What the worker declares when it starts, for who sends before that."""
    celery.amqp.queues[QUEUE](connection.default_channel).declare()


if __name__ == "__main__":
    made = celery_for(os.environ["EFFECTS_BROKER"], os.environ["EFFECTS_DATABASE"])
    made.start([sys.argv[1], *COMMANDS[sys.argv[1]]])
