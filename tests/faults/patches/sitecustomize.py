"""Faults inside a process: what the tests change in a program they start, named by ``VELARO_FAULT``.

Python imports this before anything else because its folder is on the ``PYTHONPATH`` of that program.
Nothing may be imported early for it, so each change waits until its module is there.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

POISON = "poison:"
SLOW_SECONDS = 0.4


def poisonable(relay: ModuleType) -> None:
    """Carrying out a message that begins with ``POISON`` fails, always."""
    stored = relay.Relay._stored

    def _stored(self: Any, commands: Any, **options: Any) -> Any:
        if any(command.text.startswith(POISON) for command in commands):
            raise ValueError("poison")
        return stored(self, commands, **options)

    relay.Relay._stored = _stored


def unsuspecting(relay: ModuleType) -> None:
    """A relay does not find out for a minute that its broker has taken it for dead."""
    relay.HEARTBEAT_SECONDS = 60


def without_confirms(publisher: ModuleType) -> None:
    """What was handed to the socket counts as published, whatever the broker says."""
    send = publisher.Publisher._send

    def _send(self: Any, wire: Any) -> None:
        send(self, wire)
        for publication in self._unconfirmed.values():
            self._settle(publication, None)
        self._unconfirmed.clear()

    publisher.Publisher._send = _send


def without_single_active(relay: ModuleType) -> None:
    """All relays get deliveries of all partitions at once, a few at a time each."""

    def partition_queues(count: int) -> tuple[Any, ...]:
        return tuple(
            relay.WorkQueue(name=relay.partition_queue(partition), key=relay.partition_key(partition, count))
            for partition in range(count)
        )

    relay.partition_queues = partition_queues


def without_turns(turns: ModuleType) -> None:
    """The gateway sends a client's next message on before chat has answered the last."""

    def take(self: Any, command: Any) -> None:
        self._fanout.expect_answer(command.command_id, lambda event: self._answered(command.client_id, event))
        self._commands.send(command)

    turns.Turns.take = take


def without_majority(mongo: ModuleType) -> None:
    """A write counts once one member has it in memory."""
    client = mongo.MongoClient

    def careless(url: str, **options: Any) -> Any:
        return client(url, **options | {"w": 1, "journal": False})

    mongo.MongoClient = careless


def dying_before_delete(outbox: ModuleType) -> None:
    """Killed when events are confirmed and their rows not deleted; once, if told to by a file."""
    publish_one = outbox.Dispatcher._publish_one
    order = os.environ["VELARO_FAULT_FILE"]

    class Dying:
        def __init__(self, answer: Any) -> None:
            self._answer = answer

        def result(self) -> None:
            self._answer.result()
            if os.path.exists(order):
                os.unlink(order)
                os.kill(os.getpid(), signal.SIGKILL)

    outbox.Dispatcher._publish_one = lambda self, row: Dying(publish_one(self, row))


def slow_archive(actions: ModuleType) -> None:
    """Each transcript takes its time, so that there is a middle to be killed in."""
    archive = actions.archive_transcript

    def archive_transcript(*arguments: Any, **options: Any) -> Any:
        time.sleep(SLOW_SECONDS)
        return archive(*arguments, **options)

    actions.archive_transcript = archive_transcript


def without_late_acks(tasks: ModuleType) -> None:
    """A task counts as done when it begins."""
    configuration = tasks._configuration

    def careless(queue: str) -> dict[str, Any]:
        return configuration(queue) | {"task_acks_late": False, "task_reject_on_worker_lost": False}

    tasks._configuration = careless


def wrong_by() -> float:
    """By how many seconds the clock of this process is wrong just now: what the test has written down."""
    try:
        with open(os.environ["VELARO_FAULT_CLOCK"]) as file:
            return float(file.read() or 0)
    except FileNotFoundError:
        return 0.0


def wrong_clock() -> None:
    """The time of day is wrong from here on; the clock that only measures is not, as nobody can set that."""
    seconds, nanoseconds = time.time, time.time_ns
    time.time = lambda: seconds() + wrong_by()
    time.time_ns = lambda: nanoseconds() + int(wrong_by() * 1e9)


def wrong_dates(clock: ModuleType) -> None:
    """The same for who asks for the time with its date."""
    now = clock.now
    clock.now = lambda: now() + timedelta(seconds=wrong_by())


def wrong_beat(base: ModuleType) -> None:
    """The same for celery, which asks by itself."""
    now = base.Celery.now
    base.Celery.now = lambda self: now(self) + timedelta(seconds=wrong_by())


CHANGES: dict[str, tuple[str, Callable[[ModuleType], None]]] = {
    "unsuspecting": ("services.chat.relay", unsuspecting),
    "poisonable": ("services.chat.relay", poisonable),
    "without-confirms": ("chassis.bus.publisher", without_confirms),
    "without-single-active": ("services.chat.relay", without_single_active),
    "without-turns": ("services.gateway.turns", without_turns),
    "without-majority": ("chassis.mongo", without_majority),
    "dying-before-delete": ("chassis.outbox", dying_before_delete),
    "slow-archive": ("services.transcripts.actions", slow_archive),
    "without-late-acks": ("chassis.tasks", without_late_acks),
    "wrong-clock": ("chassis.clock", wrong_dates),
    "wrong-clock-of-beat": ("celery.app.base", wrong_beat),
}


class _Changed(Loader):
    def __init__(self, loader: Loader, change: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._change = change

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        self._change(module)


class _Finder(MetaPathFinder):
    def __init__(self, changes: dict[str, Callable[[ModuleType], None]]) -> None:
        self._changes = changes

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name not in self._changes:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Changed(spec.loader, self._changes[name])
        return spec


if chosen := os.environ.get("VELARO_FAULT"):
    sys.meta_path.insert(0, _Finder(dict(CHANGES[name] for name in chosen.split(","))))
    if "wrong-clock" in chosen:
        wrong_clock()
