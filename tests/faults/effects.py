"""Tasks whose effects can be counted, done by a worker that stands on the chassis as a service's own does.

``python -m tests.faults.effects`` is the worker.
"""

import os
import sys
from datetime import UTC, datetime
from functools import partial
from typing import Any

from celery import Celery
from kombu import Connection
from kombu.transport import native_delayed_delivery as delayed
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from chassis.tasks import ServiceTask, make_celery
from deploy.local.instance import Instance
from deploy.local.processes import Process
from deploy.secrets import TASKS_VHOST

WORKER = "effects-worker"
SERVICE = "effects"
QUEUE = f"{SERVICE}.tasks"
TAKE_EFFECT = "effects.take-effect"
DATABASE, EFFECTS = "faults", "effects"


def worker(instance: Instance) -> Process:
    """How the supervisor starts it."""
    environment = {
        "EFFECTS_BROKER": instance.amqp_url("admin", TASKS_VHOST),
        "EFFECTS_DATABASE": instance.mongo_url("admin", DATABASE),
    }
    return Process(WORKER, [sys.executable, "-m", "tests.faults.effects"], "workers", environment, stop_seconds=40)


def kept_in(database_url: str) -> "Collection[Any]":
    """The effects, each under the name of its task."""
    client: MongoClient[Any] = MongoClient(database_url, tz_aware=True, w="majority", timeoutMS=5000)
    return client.get_database(DATABASE)[EFFECTS]


def take_effect(self: ServiceTask["Collection[Any]"], name: str) -> None:
    """Once, however often it is told to; how often it was told is kept beside it."""
    effects = self.context
    try:
        effects.insert_one({"_id": name, "at": datetime.now(UTC), "repeats": 0})
    except DuplicateKeyError:
        effects.update_one({"_id": name}, {"$inc": {"repeats": 1}})


def celery_for(broker_url: str, database_url: str) -> Celery:
    celery = make_celery(SERVICE, broker_url=broker_url, context=partial(kept_in, database_url))
    celery.task(bind=True, name=TAKE_EFFECT)(take_effect)  # type: ignore[call-overload]
    return celery


def declare(celery: Celery, connection: Connection) -> None:
    """What the worker declares when it starts, for who sends before that."""
    queue = celery.amqp.queues[QUEUE]
    queue(connection.default_channel).declare()
    delayed.declare_native_delayed_delivery_exchanges_and_queues(connection, "quorum")
    delayed.bind_queue_to_native_delayed_delivery_exchange(connection, queue)


if __name__ == "__main__":
    made = celery_for(os.environ["EFFECTS_BROKER"], os.environ["EFFECTS_DATABASE"])
    name = f"{SERVICE}-{os.getpid()}@%h"
    made.worker_main(["worker", "-n", name, "--concurrency", "2", "--without-gossip", "--without-mingle"])
