import threading
from datetime import timedelta

import msgspec
import pytest

from chassis import correlation
from chassis.bus import Consumer, Reject, Restart, Retry, WorkQueue
from chassis.problems import Unavailable
from chassis.testing import eventually
from contracts.chat import MessagePosted, PostMessage
from tests.chassis.bus.builders import a_command, a_message, publish_each

SOON = timedelta(milliseconds=50)


@pytest.fixture
def work(queue_name):
    return WorkQueue(queue_name, hears=(MessagePosted,), retry_delay=SOON, attempts=3)


@pytest.fixture
def consume(amqp_url, running, work, outside):
    """Starts a consumer of ``work`` with one handler, and returns once it is there."""

    def start(handle, *, url=amqp_url, payload=MessagePosted, prefetch=16):
        consumer = Consumer(url, service="tests", queue=work, subscriptions={payload: handle}, prefetch=prefetch)
        run = running(consumer)
        eventually(lambda: outside.is_consumed(work.name))
        return run

    return start


@pytest.fixture
def bus(amqp_url, make_bus):
    return make_bus(amqp_url)


def test_each_delivery_is_handled_once(consume, bus, outside, work):
    handled = []
    run = consume(handled.append)

    publish_each(bus, [a_message(seq) for seq in range(100)])

    eventually(lambda: len(handled) == 100)
    assert handled == [a_message(seq) for seq in range(100)]
    run.stop()
    assert outside.depth(work.name) == 0


def test_commands_are_handled_too(consume, bus, work):
    handled = []
    consume(handled.append, payload=PostMessage)

    bus.send(a_command(), queue=work.name).result(20)

    eventually(lambda: handled == [a_command()])


def test_the_handler_runs_in_the_thread_that_called_run(consume, bus):
    threads = []
    run = consume(lambda message: threads.append(threading.current_thread()))

    bus.publish(a_message(1)).result(20)

    eventually(lambda: threads == [run.thread])


def test_the_handler_belongs_to_the_senders_correlation(consume, bus):
    seen = []
    consume(lambda message: seen.append(correlation.current()))

    bus.publish(a_message(1), correlation_id="request-7").result(20)

    eventually(lambda: seen == ["request-7"])


def test_events_that_came_together_are_handled_one_by_one_each_under_its_cause(consume, bus):
    seen = []
    consume(lambda message: seen.append((message.seq, correlation.current())))

    bus.publish_together(a_message(seq) for seq in range(3)).result(20)

    eventually(lambda: len(seen) == 3)
    assert seen == [(seq, f"command-{seq}") for seq in range(3)]


def test_events_that_came_together_come_again_together(consume, bus, outside, work):
    handled = []

    def handle(message):
        handled.append(message.seq)
        if handled == [0, 1]:
            raise Retry

    consume(handle)
    bus.publish_together(a_message(seq) for seq in range(3)).result(20)

    eventually(lambda: len(handled) == 5)
    assert handled == [0, 1, 0, 1, 2]
    assert outside.depth(work.dead) == 0


def test_what_is_retried_comes_again_after_a_while(consume, bus, outside, work):
    handled = []

    def handle(message):
        handled.append(message)
        if len(handled) < 3:
            raise Retry

    consume(handle)
    bus.publish(a_message(1)).result(20)

    eventually(lambda: len(handled) == 3)
    assert outside.depth(work.dead) == 0


def test_what_is_retried_too_often_rests_among_the_dead(consume, bus, outside, work):
    handled = []

    def handle(message):
        handled.append(message)
        raise Retry("not yet")

    consume(handle)
    bus.publish(a_message(1), message_id="message-1", correlation_id="request-1").result(20)

    properties, body = outside.get(work.dead)
    assert len(handled) == work.attempts
    assert msgspec.json.decode(body, type=MessagePosted) == a_message(1)
    assert (properties.message_id, properties.correlation_id) == ("message-1", "request-1")
    assert properties.headers["x-attempts"] == work.attempts
    assert outside.depth(work.name) == outside.depth(work.retry) == 0


def test_an_unexpected_failure_is_retried_and_the_next_delivery_goes_on(consume, bus, outside, work):
    handled = []

    def handle(message):
        if message.seq == 1:
            raise ZeroDivisionError
        handled.append(message.seq)

    consume(handle)
    publish_each(bus, [a_message(1), a_message(2)])

    properties, _ = outside.get(work.dead)
    assert properties.headers["x-reason"] == "ZeroDivisionError"
    assert handled == [2]


def test_while_something_is_away_the_delivery_is_tried_again_in_its_place(consume, bus, outside, work):
    tried = []

    def handle(message):
        tried.append(message.seq)
        if len(tried) <= work.attempts + 1:
            raise Unavailable

    consume(handle)
    publish_each(bus, [a_message(1), a_message(2)])

    eventually(lambda: tried == [1] * (work.attempts + 2) + [2])
    assert outside.depth(work.dead) == outside.depth(work.retry) == 0


def test_what_is_rejected_rests_among_the_dead_at_once(consume, bus, outside, work):
    handled = []

    def handle(message):
        handled.append(message)
        raise Reject("never")

    consume(handle)
    bus.publish(a_message(1)).result(20)

    outside.get(work.dead)
    assert len(handled) == 1


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (MessagePosted.routing_key, b"{"),
        (MessagePosted.routing_key, b"\xff\xfe"),
        (MessagePosted.routing_key, b'{"customer_id":"acme"}'),
        (MessagePosted.routing_key, b""),
        ("chat.unknown.done.v1", b"{}"),
        (None, b"{}"),
    ],
)
def test_a_broken_payload_rests_among_the_dead_unhandled(consume, bus, outside, work, kind, body):
    handled = []
    consume(handled.append)

    outside.publish(work.name, body, type=kind)
    bus.publish(a_message(1)).result(20)

    assert outside.get(work.dead)[1] == body
    eventually(lambda: handled == [a_message(1)])


def test_what_was_not_acknowledged_comes_again_after_the_connection_broke(consume, bus, outside, work, proxy):
    handled = []
    connection_is_cut = threading.Event()

    def handle(message):
        handled.append(message.seq)
        if not connection_is_cut.is_set():
            proxy.cut()
            connection_is_cut.set()

    run = consume(handle, url=proxy.url)
    publish_each(bus, [a_message(seq) for seq in range(5)])

    eventually(lambda: set(handled) == set(range(5)) and handled.count(0) == 2)
    run.stop()
    assert outside.depth(work.name) == 0


def test_it_comes_back_after_the_broker_closed_the_connection(consume, amqp_url, make_bus, close_from_broker):
    handled = []
    consume(handled.append)

    close_from_broker()

    bus = make_bus(amqp_url)
    bus.publish(a_message(1)).result(20)
    eventually(lambda: handled)


def test_it_takes_no_more_than_its_prefetch(consume, bus, outside, work):
    release = threading.Event()
    consume(lambda message: release.wait(10), prefetch=5)

    publish_each(bus, [a_message(seq) for seq in range(20)])

    eventually(lambda: outside.depth(work.name) == 15)
    release.set()
    eventually(lambda: outside.depth(work.name) == 0)


def test_a_deleted_queue_is_declared_and_consumed_again(consume, bus, outside, work):
    handled = []
    consume(handled.append)

    outside.channel.queue_delete(work.name)

    def heard_again() -> bool:
        bus.publish(a_message(1)).result(20)
        return bool(handled)

    assert eventually(heard_again)


def test_a_restart_brings_everything_again(consume, bus):
    handled = []

    def handle(message):
        handled.append(message.seq)
        if handled == [0]:
            raise Restart

    consume(handle)
    publish_each(bus, [a_message(seq) for seq in range(3)])

    eventually(lambda: handled == [0, 0, 1, 2])


def test_what_ends_its_consumer_again_and_again_ends_in_the_dead_letters(consume, bus, outside, work):
    consume(lambda message: None).stop()
    bus.publish(a_message(1), message_id="deadly").result(20)

    def is_dead_lettered() -> bool:
        method, _, _ = outside.channel.basic_get(work.name)
        if method:
            outside.channel.basic_reject(method.delivery_tag, requeue=True)
        return outside.depth("dead-letters") > 0

    eventually(is_dead_lettered, timeout=30, every=0.01)
    assert outside.get("dead-letters")[0].message_id == "deadly"


def test_stopping_leaves_the_rest_on_the_queue(consume, bus, outside, work):
    started, release = threading.Event(), threading.Event()

    def handle(message):
        started.set()
        release.wait(10)

    run = consume(handle)
    publish_each(bus, [a_message(seq) for seq in range(10)])
    started.wait(10)
    run.stopping.set()
    release.set()
    run.stop()

    eventually(lambda: outside.depth(work.name) == 9)
