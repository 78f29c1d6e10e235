"""Celery as a service uses it: for slow or scheduled work of its own, never for another service's.

Quorum queue, acknowledged after the work, published with confirms; so a task may run twice and must
not mind. A beat fires into every process that runs one: ``claim_slot`` lets only one firing count.

No task waits at the broker for its time: what is due later is a date in a database, and a beat has somebody look.
"""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, Self, TypeVar

from amqp.exceptions import AMQPError
from celery import Celery, Task
from celery.app.amqp import AMQP
from celery.schedules import schedule
from celery.signals import beat_init, worker_before_create_process, worker_ready
from celery.worker.consumer import Consumer as CeleryConsumer
from kombu import Connection, Exchange, Queue
from pymongo import ASCENDING
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from chassis import correlation, operations
from chassis.bus import urls_of
from chassis.forking import share_inherited
from chassis.mongo import unavailable
from chassis.problems import Unavailable

C = TypeVar("C")

CORRELATION_HEADER = "velaro_correlation_id"
SLOTS = "task_slots"
_KEEP_SLOTS = timedelta(days=7)
CLOCKS_DIFFER = timedelta(hours=1)
"""By how much the clock of a beat may be wrong before the workers take its firings for stale."""
_DEAD_LETTERS = Queue(
    "dead-letters", Exchange("dead-letters", type="fanout", durable=True), queue_arguments={"x-queue-type": "quorum"}
)
"""Tasks that ended twenty workers. The broker moves them there by a policy of its virtual host, and may lose one on the
way: a task only says that somebody should look, and a beat says so again."""


class ServiceTask(Task, Generic[C]):  # type: ignore[type-arg]
    """A task with the sender's correlation id and ``self.context``: what bootstrap made, once a process."""

    abstract = True
    context_of: Callable[[], Any] | None = None
    _contexts: dict[int, Any] = {}

    @property
    def context(self) -> C:
        """Made at first use in this process, so that no connection is older than the fork."""
        process = os.getpid()
        if process not in self._contexts:
            if self.context_of is None:
                raise RuntimeError(f"{self.name} was given no context")
            self._contexts[process] = type(self).context_of()  # type: ignore[misc]
        found: C = self._contexts[process]
        return found

    def apply_async(self, *args: Any, **options: Any) -> Any:
        """Send, with the present correlation id. Raises ``ValueError`` for a task that is to wait for its time."""
        if options.get("countdown") or options.get("eta"):
            raise ValueError(f"{self.name} cannot be sent for later: keep when it is due, and have a beat look")
        headers = dict(options.pop("headers", None) or {})
        headers.setdefault(CORRELATION_HEADER, correlation.current())
        return super().apply_async(*args, headers=headers, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with correlation.bound(self.request.get(CORRELATION_HEADER)):
            return super().__call__(*args, **kwargs)


class Persistent(Connection):
    """To the broker, which is tried each second while it is away: celery's own pauses grow up to half a minute."""

    def ensure_connection(self, *args: Any, **options: Any) -> Self:
        """Return when it is there."""
        return super().ensure_connection(*args, **{"interval_start": 1, "interval_step": 0} | options)


class _Amqp(AMQP):
    Connection = Persistent


class Consumer(CeleryConsumer):
    """What takes tasks in a worker: celery's own, without the 28 queues in which tasks would wait for their time.

    They are quorum queues whose dead letters the broker moves at least once, which can leave it unable to lead any
    (rabbitmq-server#16652).
    """

    class Blueprint(CeleryConsumer.Blueprint):  # type: ignore[valid-type,misc]
        """The steps in which it starts."""

        default_steps = [step for step in CeleryConsumer.Blueprint.default_steps if "delayed_delivery" not in step]


@worker_before_create_process.connect
def before_fork(**_: Any) -> None:
    """Before each process of a worker."""
    share_inherited()


def make_celery(
    service: str, *, broker_url: str | Callable[[], str], context: Callable[[], Any] | None = None, **settings: Any
) -> Celery:
    """The service's Celery application, with one quorum queue ``<service>.tasks``.

    ``broker_url`` may be a function, asked when first needed, so that importing a module stays free.
    """
    bound_task = type(
        "BoundTask",
        (ServiceTask,),
        {"context_of": staticmethod(context) if context else None, "_contexts": {}, "abstract": True},
    )
    celery = Celery(service, task_cls=bound_task, amqp=_Amqp, set_as_current=False)

    def configuration() -> dict[str, Any]:
        url = broker_url() if callable(broker_url) else broker_url
        return {**_configuration(f"{service}.tasks"), "broker_url": ";".join(urls_of(url)), **settings}

    def declare_dead_letters(sender: Any, **_: Any) -> None:
        if sender.app is celery:
            with celery.connection_for_write() as connection:
                _DEAD_LETTERS(connection.default_channel).declare()

    celery.add_defaults(configuration)
    # By whoever works, and not by the broker when it starts: in a cluster the first node would keep them alone.
    worker_ready.connect(declare_dead_letters, weak=False)
    return celery


def _configuration(queue: str) -> dict[str, Any]:
    exchange = Exchange(queue, type="topic", durable=True)
    return {
        "task_default_queue": queue,
        "task_default_exchange": queue,
        "task_default_routing_key": queue,
        "task_default_exchange_type": "topic",
        "task_default_queue_type": "quorum",
        "task_queues": [Queue(queue, exchange, routing_key=queue, queue_arguments={"x-queue-type": "quorum"})],
        "task_create_missing_queues": False,
        "broker_transport_options": {"confirm_publish": True},
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "worker_consumer": Consumer,
        "worker_detect_quorum_queues": True,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        "worker_soft_shutdown_timeout": 30,
        "worker_enable_soft_shutdown_on_idle": True,
        "worker_hijack_root_logger": False,
        "control_queue_exclusive": True,
        "event_queue_exclusive": True,
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        "task_ignore_result": True,
        "task_soft_time_limit": 10 * 60,
        "task_time_limit": 15 * 60,
        "timezone": "UTC",
        "enable_utc": True,
    }


class BrokerRefuses(Unavailable):
    """The broker of the tasks does not let us in."""


def check_broker(url: str) -> None:
    """Raise ``BrokerRefuses`` if the broker is there and does not let us in; for one that is not there celery waits."""
    for each in urls_of(url):
        try:
            with Connection(each, connect_timeout=5) as connection:
                connection.connect()
        except AMQPError as error:
            raise BrokerRefuses(f"the broker of its tasks refuses us: {error}") from error
        except OSError:
            continue


class _ToBroker:
    """The connection of a worker, as a part of its process."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker

    @property
    def is_up(self) -> bool:
        connection = self._worker.connection
        return connection is not None and bool(connection.connected)


def show_operations(celery: Celery, bind: Callable[[], str]) -> None:
    """Have the workers and beats of ``celery`` answer about their health; ``bind`` is asked when one starts."""

    def show_worker(sender: Any, **_: Any) -> None:
        if sender.app is celery:
            operations.serve(celery.main, bind(), parts={"broker": _ToBroker(sender)})

    def show_beat(sender: Any, **_: Any) -> None:
        if sender.app is celery:
            operations.serve(celery.main, bind(), parts={})

    # celery would forget what nobody else holds on to.
    worker_ready.connect(show_worker, weak=False)
    beat_init.connect(show_beat, weak=False)


def plan(celery: Celery, task: Any, every: timedelta, *, clocks_differ: timedelta = CLOCKS_DIFFER) -> None:
    """Have ``task`` fired every so often, by a clock that nobody can set.

    With the time of day, beat would fall silent for as long as that is set back. A firing that nobody took
    in time is not worth keeping, but its end is a time of day, so it allows for clocks that differ so much.
    """
    steady = schedule(every, nowfun=_SteadyClock())
    celery.add_periodic_task(steady, task.s(), name=task.name, expires=(every + clocks_differ).total_seconds())


class _SteadyClock:
    """The time as it goes on from when this was made, whatever is set meanwhile. Beats may want to pickle it."""

    def __init__(self) -> None:
        self._began_at, self._began = datetime.now(UTC), time.monotonic()

    def __call__(self) -> datetime:
        return self._began_at + timedelta(seconds=time.monotonic() - self._began)


def ensure_slots(database: Database[Any]) -> None:
    """The indexes ``claim_slot`` stands on; at bootstrap."""
    slots = database[SLOTS]
    slots.create_index([("name", ASCENDING), ("slot", ASCENDING)], unique=True)
    slots.create_index("claimed_at", expireAfterSeconds=int(_KEEP_SLOTS.total_seconds()))


@unavailable()
def claim_slot(database: Database[Any], name: str, every: timedelta, now: datetime) -> bool:
    """Whether this is the first firing of ``name`` in the present slot of length ``every``; for any number of beats."""
    slot = int((now - datetime(1970, 1, 1, tzinfo=UTC)) // every)
    try:
        database[SLOTS].insert_one({"name": name, "slot": slot, "claimed_at": now})
    except DuplicateKeyError:
        return False
    return True
