import threading
import time

import msgspec
import pytest
from pika import spec
from pika.frame import Method
from prometheus_client import REGISTRY

from chassis.bus import BatchConsumer, Restart, Retry, WorkQueue
from chassis.bus.delivery import MOST_RETURNS
from chassis.bus.intake import DELETED_SECONDS
from chassis.problems import Unavailable
from chassis.testing import eventually
from contracts.chat import MessagePosted, PostMessage
from tests.chassis.bus.builders import a_command, a_message, publish_each


@pytest.fixture
def work(queue_name):
    return WorkQueue(queue_name, hears=(MessagePosted,), single_active=True, attempts=3)


@pytest.fixture
def consume(amqp_url, running, work, outside):
    """Starts a batch consumer of ``work`` with one handler, and returns once it is there."""

    def start(handle, *, url=amqp_url, queues=(work,), payloads=(MessagePosted, PostMessage), **settings):
        consumer = BatchConsumer(url, service="tests", queues=queues, payloads=payloads, handle=handle, **settings)
        run = running(consumer)
        eventually(lambda: all(outside.is_consumed(each.name) for each in queues))
        return run

    return start


@pytest.fixture
def bus(amqp_url, make_bus):
    return make_bus(amqp_url)


class Recorder:
    """A handler that remembers what it handled, and fails where it is told to."""

    def __init__(self):
        self.batches = []
        self.failing = {}
        self.tries = []

    @property
    def seqs(self):
        return [seq for batch in self.batches for seq in batch]

    def __call__(self, deliveries):
        batch = [delivery.payload.seq for delivery in deliveries]
        self.tries.append(batch)
        for seq in batch:
            if seq in self.failing:
                raise self.failing[seq]
        self.batches.append(batch)


def test_all_deliveries_are_handled_in_order_and_acknowledged(consume, bus, outside, work):
    handle = Recorder()
    run = consume(handle)

    publish_each(bus, [a_message(seq) for seq in range(3000)])

    eventually(lambda: len(handle.seqs) == 3000)
    assert handle.seqs == list(range(3000))
    assert max(len(batch) for batch in handle.batches) <= 500
    run.stop()
    assert outside.depth(work.name) == 0


def test_what_waits_is_taken_in_batches(consume, bus, outside, work):
    consume(Recorder()).stop()
    publish_each(bus, [a_message(seq) for seq in range(100)])
    first, go_on = threading.Event(), threading.Event()
    handle = Recorder()

    def slow(deliveries):
        handle(deliveries)
        first.set()
        go_on.wait(10)

    consume(slow, max_batch=30)
    first.wait(10)
    eventually(lambda: outside.depth(work.name) == 0)
    go_on.set()

    eventually(lambda: len(handle.seqs) == 100)
    assert 30 in [len(batch) for batch in handle.batches]
    assert max(len(batch) for batch in handle.batches) <= 30


def test_a_lone_delivery_is_not_kept_waiting(consume, bus):
    arrived = []
    consume(lambda deliveries: arrived.append(time.monotonic()))
    took = []

    for seq in range(30):
        sent_at = time.monotonic()
        bus.publish(a_message(seq))
        took.append(eventually(lambda seq=seq: len(arrived) > seq and arrived[seq], every=0.001) - sent_at)

    assert sorted(took)[15] < 0.02


def test_a_delivery_tells_how_it_came(consume, bus, work):
    seen = []
    consume(seen.extend)

    bus.publish(a_message(1), message_id="message-1", correlation_id="request-1").result(20)

    [delivery] = eventually(lambda: seen)
    assert delivery.payload == a_message(1)
    assert delivery.queue == work.name
    assert (delivery.message_id, delivery.correlation_id) == ("message-1", "request-1")
    assert (delivery.redelivered, delivery.returns) == (False, 0)


def test_events_that_came_together_are_deliveries_of_their_own(consume, bus):
    seen = []
    consume(seen.extend)

    bus.publish_together(a_message(seq) for seq in range(250)).result(20)

    eventually(lambda: len(seen) == 250)
    assert [delivery.payload.seq for delivery in seen] == list(range(250))
    assert [delivery.correlation_id for delivery in seen] == [f"command-{seq}" for seq in range(250)]


def test_one_bad_event_rests_with_those_it_came_with(consume, bus, outside, work):
    seen = []

    def handle(deliveries):
        seqs = [delivery.payload.seq for delivery in deliveries]
        if 1 in seqs:
            raise ValueError("the second of three")
        seen.extend(seqs)

    consume(handle)
    bus.publish_together(a_message(seq) for seq in range(3)).result(20)
    bus.publish(a_message(3)).result(20)

    _, body = outside.get(work.dead)
    assert [message.seq for message in msgspec.json.decode(body, type=list[MessagePosted])] == [0, 1, 2]
    eventually(lambda: seen == [3])


def test_the_handler_runs_in_the_thread_that_called_run(consume, bus):
    threads = set()
    run = consume(
        lambda deliveries: threads.add(threading.current_thread()),
        on_channel=lambda queue: threads.add(threading.current_thread()),
    )

    bus.publish(a_message(1)).result(20)

    eventually(lambda: threads == {run.thread})


def test_several_queues_are_one_stream(consume, bus, queue_name):
    queues = [WorkQueue(f"{queue_name}-{letter}") for letter in "abc"]
    seen = []
    consume(seen.extend, queues=queues)

    for number in range(30):
        bus.send(a_command(number), queue=queues[number % 3].name).result(20)

    eventually(lambda: len(seen) == 30)
    assert {delivery.queue for delivery in seen} == {each.name for each in queues}
    for each in queues:
        mine = [int(d.payload.command_id.split("-")[1]) for d in seen if d.queue == each.name]
        assert mine == sorted(mine)


def test_each_queue_is_counted_for_itself_when_its_deliveries_are_handled_with_others(consume, bus, queue_name):
    queues = [WorkQueue(f"{queue_name}-{letter}") for letter in "abc"]
    seen = []
    consume(seen.append, queues=queues, linger=0.3)

    for sent in [bus.send(a_command(number), queue=queues[number % 3].name) for number in range(6)]:
        sent.result(20)

    eventually(lambda: [handled(each.name) for each in queues] == [2, 2, 2])
    assert any(len({delivery.queue for delivery in batch}) > 1 for batch in seen)


def test_what_was_left_out_as_its_channel_is_gone_is_not_counted_as_handled(consume, bus, outside, queue_name):
    gone, kept = (WorkQueue(f"{queue_name}-{letter}") for letter in "gk")
    seen, sent, is_held = [], [], threading.Event()

    def handle(deliveries):
        queues = [delivery.queue for delivery in deliveries]
        if len(set(queues)) == 2:
            is_held.set()
            raise Retry
        seen.extend(queues)

    def send_until_held():
        for each in (gone, kept):
            bus.send(a_command(), queue=each.name).result(20)
            sent.append(each.name)
        return is_held.is_set()

    consume(handle, queues=[gone, kept], linger=0.3)
    eventually(send_until_held)
    outside.channel.queue_delete(gone.name)

    eventually(lambda: handled(kept.name) == sent.count(kept.name), timeout=20)
    assert (handled(gone.name) or 0) == seen.count(gone.name)


def handled(queue):
    return REGISTRY.get_sample_value("velaro_bus_deliveries_total", {"queue": queue, "outcome": "handled"})


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
    handle = Recorder()
    consume(handle)

    outside.publish(work.name, body, type=kind)
    bus.publish(a_message(1)).result(20)

    assert outside.get(work.dead)[1] == body
    eventually(lambda: handle.tries == [[1]])


def test_what_ended_its_consumers_rests_among_the_dead_and_those_it_came_with_are_handled_alone(
    consume, bus, outside, queue_name
):
    # Of a queue with a single active consumer a stranger gets nothing.
    work = WorkQueue(queue_name, hears=(MessagePosted,))
    handle = Recorder()
    consume(handle, queues=[work]).stop()
    publish_each(bus, [a_message(seq) for seq in range(3)])
    for _ in range(MOST_RETURNS):
        outside.hold_and_die(work.name, 3)

    consume(handle, queues=[work])
    publish_each(bus, [a_message(3)])

    properties, body = outside.get(work.dead)
    assert properties.headers["x-queue"] == work.name
    assert str(MOST_RETURNS) in properties.headers["x-reason"]
    assert msgspec.json.decode(body, type=MessagePosted) == a_message(0)
    eventually(lambda: handle.seqs == [1, 2, 3])
    assert handle.tries[:2] == [[1], [2]]
    assert outside.depth(work.dead) == 0


def test_what_rested_may_be_put_back_and_begins_anew(consume, bus, outside, work):
    handle = Recorder()
    handle.failing = {1: ValueError()}
    consume(handle)
    bus.publish(a_message(1), message_id="mended").result(20)
    properties, body = outside.get(work.dead)

    handle.failing = {}
    outside.channel.basic_publish("", work.name, body, properties)

    eventually(lambda: handle.seqs == [1])


def test_a_broken_payload_in_the_middle_rests_among_the_dead(consume, bus, outside, work):
    handle = Recorder()
    run = consume(handle)

    for seq in range(5):
        bus.publish(a_message(seq)).result(20)
    outside.publish(work.name, b"{", type=MessagePosted.routing_key, message_id="broken")
    for seq in range(5, 10):
        bus.publish(a_message(seq)).result(20)

    properties, body = outside.get(work.dead)
    assert (properties.message_id, body) == ("broken", b"{")
    eventually(lambda: handle.seqs == list(range(10)))
    run.stop()
    assert outside.depth(work.name) == 0


def test_what_keeps_failing_in_the_middle_is_set_aside_and_the_order_of_the_rest_kept(consume, bus, outside, work):
    consume(Recorder()).stop()
    publish_each(bus, [a_message(seq) for seq in range(10)])
    handle = Recorder()
    handle.failing = {4: ZeroDivisionError()}

    run = consume(handle)

    properties, _ = outside.get(work.dead)
    assert properties.headers["x-reason"] == "ZeroDivisionError"
    eventually(lambda: handle.seqs == [0, 1, 2, 3, 5, 6, 7, 8, 9])
    run.stop()
    assert outside.depth(work.name) == outside.depth(work.dead) == 0


@pytest.mark.parametrize("reason", [Retry("not now"), Unavailable("the store is away")])
def test_a_retried_batch_comes_again_until_it_is_handled(consume, bus, outside, work, reason):
    handle = Recorder()
    handle.failing = {0: reason}
    consume(handle)
    publish_each(bus, [a_message(seq) for seq in range(5)])

    eventually(lambda: len(handle.tries) > work.attempts + 1)
    assert handle.batches == []
    handle.failing = {}

    eventually(lambda: handle.seqs == [0, 1, 2, 3, 4])
    assert outside.depth(work.dead) == 0


def test_a_restart_brings_everything_again_on_a_new_channel(consume, bus):
    channels = []
    handle = Recorder()
    handle.failing = {3: Restart()}
    consume(handle, on_channel=lambda queue: channels.append(len(handle.tries)))
    eventually(lambda: channels == [0])

    publish_each(bus, [a_message(seq) for seq in range(5)])
    eventually(lambda: len(channels) > 2)
    handle.failing = {}

    eventually(lambda: handle.seqs[-5:] == [0, 1, 2, 3, 4])


def test_the_order_survives_restarts_while_more_keeps_coming(consume, bus):
    handle = Recorder()

    def restart_now_and_then(deliveries):
        if len(handle.tries) in (5, 15, 30):
            handle.tries.append([])
            raise Restart
        handle(deliveries)

    consume(restart_now_and_then, max_batch=10)
    for first in range(0, 1000, 10):
        publish_each(bus, [a_message(seq) for seq in range(first, first + 10)])

    eventually(lambda: set(handle.seqs) == set(range(1000)), timeout=30)
    assert first_times(handle.seqs) == list(range(1000))


def test_the_order_survives_one_consumer_stopping_and_the_next_taking_over(consume, bus):
    handle = Recorder()
    runs = [consume(handle, max_batch=10)]
    for first in range(0, 1000, 10):
        if first % 250 == 0:
            runs.append(consume(handle, max_batch=10))
            runs.pop(0).stop()
        publish_each(bus, [a_message(seq) for seq in range(first, first + 10)])

    eventually(lambda: set(handle.seqs) == set(range(1000)), timeout=30)
    assert first_times(handle.seqs) == list(range(1000))


def test_nothing_is_lost_or_reordered_while_the_connection_keeps_breaking(consume, bus, outside, work, proxy):
    handle = Recorder()
    run = consume(handle, url=proxy.url, max_batch=50)

    for first in range(0, 2000, 200):
        publish_each(bus, [a_message(seq) for seq in range(first, first + 200)])
        proxy.cut()

    eventually(lambda: set(handle.seqs) == set(range(2000)), timeout=30)
    assert first_times(handle.seqs) == list(range(2000))
    run.stop()
    assert outside.depth(work.name) == 0


def test_it_comes_back_after_the_broker_closed_the_connection(consume, amqp_url, make_bus, close_from_broker):
    handle = Recorder()
    channels = []
    consume(handle, on_channel=lambda queue: channels.append(1))
    eventually(lambda: len(channels) == 1)

    close_from_broker()

    eventually(lambda: len(channels) == 2)
    make_bus(amqp_url).publish(a_message(1)).result(20)
    eventually(lambda: handle.seqs == [1])


def test_a_deleted_queue_is_declared_and_consumed_again(consume, bus, outside, work):
    handle = Recorder()
    consume(handle)

    outside.channel.queue_delete(work.name)

    def heard_again() -> bool:
        bus.publish(a_message(1)).result(20)
        return bool(handle.seqs)

    assert eventually(heard_again, timeout=60)


@pytest.mark.parametrize("heard", ["cancel", "not found"])
def test_a_deleted_queue_is_not_declared_again_before_all_its_consumers_know(consume, proxy, outside, work, heard):
    opened = []
    consume(Recorder(), url=proxy.url, on_channel=lambda queue: opened.append(time.monotonic()))
    eventually(lambda: len(opened) == 1)

    deleted_at = time.monotonic()
    if heard == "cancel":
        outside.channel.queue_delete(work.name)
    else:
        proxy.say_to_clients(Method(1, spec.Channel.Close(404, "NOT_FOUND", 60, 20)).marshal())

    eventually(lambda: len(opened) == 2)
    assert opened[1] - deleted_at >= DELETED_SECONDS


def test_another_takes_over_a_single_active_queue_where_the_first_stopped(consume, bus, proxy):
    first, second = Recorder(), Recorder()
    consume(first, url=proxy.url, max_batch=20)
    publish_each(bus, [a_message(seq) for seq in range(500)])
    eventually(lambda: len(first.seqs) == 500)
    consume(second, max_batch=20)
    publish_each(bus, [a_message(seq) for seq in range(500, 1000)])
    eventually(lambda: len(first.seqs) == 1000)
    assert second.tries == []

    proxy.close()
    publish_each(bus, [a_message(seq) for seq in range(1000, 1500)])

    eventually(lambda: second.seqs[-500:] == list(range(1000, 1500)))


def test_whoever_steps_back_hangs_up_when_the_broker_has_taken_the_last_ack(running, bus, proxy, work):
    handle = Recorder()
    consumer = BatchConsumer(proxy.url, service="tests", queues=[work], payloads=[MessagePosted], handle=handle)
    running(consumer)
    eventually(lambda: consumer.is_up)
    bus.publish(a_message(1)).result(5)
    eventually(lambda: handle.seqs == [1])

    consumer.step_back(work.name)

    eventually(lambda: "client hangs up" in proxy.story)
    before = proxy.story[: proxy.story.index("client hangs up")]
    # An answer comes after all that the client said: without one, the broker may not have looked at the ack.
    assert before[-1] == "broker"


class Shared:
    """What two consumers handled, as one story."""

    def __init__(self):
        self.seqs = []
        self.began_with_old_ones = 0

    def handler(self):
        def handle(deliveries):
            batch = [delivery.payload.seq for delivery in deliveries]
            self.began_with_old_ones += bool(set(batch) & set(self.seqs))
            time.sleep(0.002)
            self.seqs += batch

        return handle


def test_the_order_survives_stepping_back_while_more_keeps_coming_and_nothing_is_done_twice(
    amqp_url, running, bus, outside, work
):
    shared = Shared()
    consumers = [
        BatchConsumer(
            amqp_url, service="tests", queues=[work], payloads=[MessagePosted], handle=shared.handler(), max_batch=20
        )
        for _ in range(2)
    ]
    for consumer in consumers:
        running(consumer)
        eventually(lambda consumer=consumer: consumer.is_up)
    steps = 0
    for first in range(0, 6000, 100):
        if first % 500 == 0:
            eventually(lambda: all(consumer.is_up for consumer in consumers))
            consumers[steps % 2].step_back(work.name)
            steps += 1
        publish_each(bus, [a_message(seq) for seq in range(first, first + 100)])

    eventually(lambda: len(set(shared.seqs)) == 6000, timeout=30)
    assert shared.seqs == list(range(6000))
    assert shared.began_with_old_ones == 0
    eventually(lambda: outside.depth(work.name) == 0)


def test_who_steps_back_lets_go_of_that_queue_alone(amqp_url, running, bus, queue_name):
    kept, given = (WorkQueue(f"{queue_name}-{letter}", single_active=True) for letter in "kg")
    seen = {"first": [], "second": []}
    consumers = {
        name: BatchConsumer(
            amqp_url, service="tests", queues=[kept, given], payloads=[PostMessage], handle=seen[name].extend
        )
        for name in seen
    }
    for consumer in consumers.values():
        running(consumer)
        eventually(lambda consumer=consumer: consumer.is_up)

    consumers["first"].step_back(given.name)
    eventually(lambda: consumers["first"].subscribed == {kept.name: 1, given.name: 2})
    for queue in (kept, given):
        bus.send(a_command(), queue=queue.name).result(20)

    eventually(lambda: seen["first"] and seen["second"])
    assert [delivery.queue for delivery in seen["first"]] == [kept.name]
    assert [delivery.queue for delivery in seen["second"]] == [given.name]
    assert consumers["second"].subscribed == {kept.name: 1, given.name: 1}


def test_another_takes_over_from_one_that_is_silent_within_three_heartbeats(consume, bus, proxy):
    first, second = Recorder(), Recorder()
    consume(first, url=proxy.url, heartbeat_seconds=1)
    consume(second, heartbeat_seconds=1)
    bus.publish(a_message(1)).result(20)
    eventually(lambda: first.seqs == [1])

    proxy.freeze()
    frozen_at = time.monotonic()
    bus.publish(a_message(2)).result(20)

    # The line may have taken the acknowledgement of the first with it.
    eventually(lambda: second.seqs in ([2], [1, 2]))
    assert time.monotonic() - frozen_at < 5


def test_one_that_is_merely_busy_is_not_taken_for_dead(consume, bus):
    channels = []
    handle = Recorder()

    def busy(deliveries):
        until = time.monotonic() + 6
        while time.monotonic() < until:
            sum(range(1000))
        handle(deliveries)

    consume(busy, heartbeat_seconds=1, on_channel=lambda queue: channels.append(queue))
    bus.publish(a_message(1)).result(20)

    eventually(lambda: handle.seqs == [1], timeout=20)
    assert len(channels) == 1


def test_it_takes_no_more_than_its_prefetch(consume, bus, outside, work):
    release = threading.Event()
    consume(lambda deliveries: release.wait(10), prefetch=100)

    publish_each(bus, [a_message(seq) for seq in range(300)])

    eventually(lambda: outside.depth(work.name) == 200)
    release.set()
    eventually(lambda: outside.depth(work.name) == 0)


def test_a_batch_whose_channel_is_gone_is_not_tried_again(consume, bus, proxy):
    handle = Recorder()
    handle.failing = {0: Retry()}
    channels = []
    consume(handle, url=proxy.url, on_channel=lambda queue: channels.append(1))
    bus.publish(a_message(0)).result(20)
    eventually(lambda: len(handle.tries) > 2)

    proxy.is_refusing = True
    proxy.cut()

    def tries_have_ended() -> bool:
        before = len(handle.tries)
        time.sleep(1)
        return len(handle.tries) == before

    eventually(tries_have_ended)
    handle.failing = {}
    proxy.is_refusing = False
    eventually(lambda: handle.seqs == [0], timeout=20)
    assert len(channels) == 2


def test_a_broken_payload_is_set_aside_before_anything_after_it_is_acknowledged(consume, bus, outside, work):
    consume(Recorder()).stop()
    outside.publish(work.name, b"{", type=MessagePosted.routing_key)
    publish_each(bus, [a_message(1), a_message(2), a_message(3)])
    handle = Recorder()
    handle.failing = {2: ZeroDivisionError()}

    run = consume(handle)

    buried = {outside.get(work.dead)[1] for _ in range(2)}
    assert b"{" in buried
    eventually(lambda: handle.seqs == [1, 3])
    run.stop()
    assert outside.depth(work.name) == 0


def test_it_stops_while_a_batch_keeps_failing(consume, bus, outside, work):
    handle = Recorder()
    handle.failing = {0: Retry()}
    run = consume(handle)
    bus.publish(a_message(0)).result(20)
    eventually(lambda: handle.tries)

    run.stop()

    eventually(lambda: outside.depth(work.name) == 1)


def test_it_stops_while_there_is_no_broker(proxy, running, work):
    proxy.close()
    consumer = BatchConsumer(proxy.url, service="tests", queues=[work], payloads=[MessagePosted], handle=Recorder())

    running(consumer).stop()


def first_times(seqs):
    return list(dict.fromkeys(seqs))


def test_stopping_leaves_the_rest_on_the_queue(consume, bus, outside, work):
    started, release = threading.Event(), threading.Event()

    def handle(deliveries):
        started.set()
        release.wait(10)

    run = consume(handle, max_batch=1)
    publish_each(bus, [a_message(seq) for seq in range(10)])
    started.wait(10)
    run.stopping.set()
    release.set()
    run.stop()

    eventually(lambda: outside.depth(work.name) == 9)
