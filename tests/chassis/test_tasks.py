import gc
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from celery import signals
from celery.contrib.testing.worker import start_worker
from kombu.exceptions import OperationalError

from chassis import correlation
from chassis.bus import Upkeep
from chassis.tasks import (
    CLOCKS_DIFFER,
    SLOTS,
    BrokerRefuses,
    check_broker,
    claim_slot,
    ensure_slots,
    make_celery,
    plan,
)
from chassis.testing import eventually

NOW = datetime(2026, 5, 1, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_one_of_many_beats_wins_a_slot(database):
    ensure_slots(database)

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda _: claim_slot(database, "sweep", MINUTE, NOW), range(8)))

    assert won.count(True) == 1


def test_slots_of_other_times_and_names_are_others(database):
    ensure_slots(database)

    assert claim_slot(database, "sweep", MINUTE, NOW)
    assert not claim_slot(database, "sweep", MINUTE, NOW + timedelta(seconds=29))
    assert claim_slot(database, "sweep", MINUTE, NOW + timedelta(seconds=30))
    assert claim_slot(database, "report", MINUTE, NOW)


def test_slots_are_cleaned_away_in_time(database):
    ensure_slots(database)

    assert any("expireAfterSeconds" in index for index in database[SLOTS].index_information().values())


def test_a_plan_goes_on_when_the_clock_is_set_back():
    celery = make_celery("shop", broker_url="memory://")

    @celery.task(name="shop.sweep")
    def sweep():
        """Nothing."""

    plan(celery, sweep, MINUTE)
    planned = celery.conf.beat_schedule["shop.sweep"]
    last_run_at = planned["schedule"].now()
    celery.now = lambda: last_run_at - timedelta(minutes=5)

    is_due, seconds = planned["schedule"].is_due(last_run_at - MINUTE)

    assert is_due
    assert seconds == MINUTE.total_seconds()
    assert pickle.loads(pickle.dumps(planned["schedule"])).run_every == MINUTE
    assert timedelta(seconds=planned["options"]["expires"]) == MINUTE + CLOCKS_DIFFER


def test_making_it_reads_nothing_until_it_is_needed():
    celery = make_celery("shop", broker_url=lambda: pytest.fail("asked too early"))

    assert celery.main == "shop"


def test_the_configuration_is_the_one_for_quorum_queues():
    conf = make_celery("shop", broker_url="amqp://nowhere", beat_schedule={}).conf

    assert conf.broker_url == "amqp://nowhere"
    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost
    assert conf.worker_prefetch_multiplier == 1
    assert conf.broker_transport_options == {"confirm_publish": True}
    assert conf.control_queue_exclusive
    assert conf.event_queue_exclusive
    assert conf.accept_content == ["json"]
    [queue] = conf.task_queues
    assert queue.name == "shop.tasks"
    assert queue.queue_arguments == {"x-queue-type": "quorum"}
    assert queue.exchange.type == "topic"


@contextmanager
def working(celery):
    with start_worker(celery, pool="threads", concurrency=1, perform_ping_check=False, shutdown_timeout=30):
        yield


@pytest.mark.filterwarnings("default")
def test_a_task_has_its_context_and_the_senders_correlation_id(amqp_url, monkeypatch):
    # A service's tasks, imported for another test, would set up its logs, for which there are no settings here.
    monkeypatch.setattr(signals.setup_logging, "receivers", [])
    seen = []
    made = []

    def context():
        made.append(os.getpid())
        return {"store": "the store"}

    celery = make_celery("shop", broker_url=amqp_url, context=context)

    @celery.task(name="shop.pack", bind=True)
    def pack(self, thing):
        seen.append((thing, self.context["store"], correlation.current()))

    with working(celery):
        with correlation.bound("req-1"):
            pack.delay("lamp")
            pack.apply_async(("desk",))
        eventually(lambda: len(seen) == 2, timeout=30)

    assert sorted(seen) == [("desk", "the store", "req-1"), ("lamp", "the store", "req-1")]
    assert made == [os.getpid()]
    assert threading.current_thread() is threading.main_thread()


def test_what_the_processes_of_a_worker_inherit_is_not_looked_through_for_garbage():
    try:
        signals.worker_before_create_process.send(sender=None)
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


@pytest.mark.filterwarnings("default")
def test_a_worker_makes_no_queues_in_which_tasks_would_wait(amqp_url, monkeypatch):
    monkeypatch.setattr(signals.setup_logging, "receivers", [])
    celery = make_celery("shop", broker_url=amqp_url)

    with working(celery), Upkeep(amqp_url, service="tests") as upkeep:
        assert upkeep.depth("shop.tasks") is not None
        assert upkeep.depth("celery_delayed_0") is None


@pytest.mark.parametrize("later", [{"countdown": 1}, {"eta": datetime(2030, 1, 1, tzinfo=UTC)}])
def test_a_task_for_later_is_refused(later):
    celery = make_celery("shop", broker_url="memory://")

    @celery.task(name="shop.pack")
    def pack():
        """Nothing is to be done."""

    with pytest.raises(ValueError, match=r"shop\.pack cannot be sent for later"):
        pack.apply_async(**later)


def test_a_broker_that_is_away_is_tried_each_second():
    celery = make_celery("shop", broker_url="amqp://nobody@127.0.0.1:9/nowhere")
    pauses = []

    with celery.connection_for_write() as connection, pytest.raises(OperationalError):
        connection.ensure_connection(lambda error, pause: pauses.append(pause), 3)

    assert pauses == [1, 1, 1]


def test_of_several_brokers_one_that_is_there_will_do(amqp_url):
    celery = make_celery("shop", broker_url=amqp_url.replace("@", "@127.0.0.1:9,"))

    with celery.connection_for_write() as connection:
        connection.ensure_connection(max_retries=3, interval_start=0, interval_step=0)
        assert connection.connected


def test_a_broker_that_refuses_for_want_of_a_leader_is_asked_over_another_connection(amqp_url, lose_leader):
    """Celery does so by itself; ``chassis.bus`` must, for the same reason."""
    celery = make_celery("shop", broker_url=amqp_url)

    @celery.task(name="shop.pack")
    def pack():
        """Nothing is to be done."""

    with celery.connection_for_write() as connection:
        celery.conf.task_queues[0](connection).declare()
    lose_leader("shop.tasks")

    assert eventually(pack.delay)
    celery.pool.force_close_all()


def test_a_broker_that_refuses_us_is_told_from_one_that_is_not_there(amqp_url):
    check_broker(amqp_url)
    check_broker("amqp://nobody@127.0.0.1:9/nowhere")
    with pytest.raises(BrokerRefuses, match="refuses us"):
        check_broker(amqp_url.replace("admin:", "admin:not-"))


def test_a_task_without_context_says_so():
    celery = make_celery("shop", broker_url="memory://")

    @celery.task(name="shop.pack", bind=True)
    def pack(self):
        return self.context

    with pytest.raises(RuntimeError, match="no context"):
        pack()
