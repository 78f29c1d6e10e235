import os
import subprocess
import sys
import threading
import time
from concurrent.futures import Future

import msgspec
import pytest
from pika import spec
from pika.frame import Method
from prometheus_client import REGISTRY

from chassis import correlation
from chassis.bus import Bus, Down, Overloaded, PublishFailed, Refused, Unconfirmed, Unroutable
from chassis.testing import eventually
from contracts.chat import MessagePosted, PostMessage
from tests.chassis.bus.builders import a_command, a_message

EVENT_KEY = f"{MessagePosted.routing_key}.*"


@pytest.fixture
def hearing(outside, queue_name):
    """A queue that hears what is posted."""
    outside.declare(queue_name)
    outside.bind(queue_name, "events", EVENT_KEY)
    return queue_name


@pytest.fixture(autouse=True)
def declared(amqp_url, make_bus):
    make_bus(amqp_url).close()


def seqs(bodies: list[bytes]) -> list[int]:
    return [msgspec.json.decode(body, type=MessagePosted).seq for body in bodies]


def together(body: bytes) -> list[MessagePosted]:
    return msgspec.json.decode(body, type=list[MessagePosted])


def test_a_published_event_reaches_who_hears_it(amqp_url, make_bus, outside, hearing):
    bus = make_bus(amqp_url)

    with correlation.bound("request-1"):
        bus.publish(a_message(1)).result(20)

    properties, body = outside.get(hearing)
    assert msgspec.json.decode(body, type=MessagePosted) == a_message(1)
    assert properties.type == MessagePosted.routing_key
    assert properties.app_id == "tests"
    assert properties.correlation_id == "request-1"
    assert properties.content_type == "application/json"
    assert properties.delivery_mode == 2
    assert properties.message_id
    assert abs(properties.timestamp - time.time()) < 60


def test_the_key_on_the_wire_ends_with_the_customer(amqp_url, make_bus, outside, queue_name):
    outside.declare(queue_name)
    outside.bind(queue_name, "events", "*.*.*.*.globex")
    bus = make_bus(amqp_url)

    bus.publish_together([a_message(1, customer_id="acme"), a_message(2, customer_id="globex")]).result(20)

    assert seqs(outside.drain(queue_name, 1)) == [2]


def test_an_event_keeps_the_ids_it_is_given(amqp_url, make_bus, outside, hearing):
    bus = make_bus(amqp_url)

    bus.publish(a_message(1), message_id="message-7", correlation_id="correlation-7").result(20)

    properties, _ = outside.get(hearing)
    assert (properties.message_id, properties.correlation_id) == ("message-7", "correlation-7")


def test_events_of_one_customer_travel_together_in_order(amqp_url, make_bus, outside, hearing):
    bus = make_bus(amqp_url)

    bus.publish_together([a_message(seq, customer_id=("acme", "globex")[seq % 2]) for seq in range(6)]).result(20)

    bodies = outside.drain(hearing, 2)
    assert [[message.seq for message in together(body)] for body in bodies] == [[0, 2, 4], [1, 3, 5]]


def test_an_event_alone_is_no_array_and_carries_its_cause(amqp_url, make_bus, outside, hearing):
    bus = make_bus(amqp_url)

    bus.publish_together([a_message(7)]).result(20)

    properties, body = outside.get(hearing)
    assert msgspec.json.decode(body, type=MessagePosted) == a_message(7)
    assert properties.correlation_id == a_message(7).caused_by


def test_at_most_a_hundred_events_travel_together(amqp_url, make_bus, outside, hearing):
    bus = make_bus(amqp_url)

    bus.publish_together([a_message(seq) for seq in range(250)]).result(20)

    bundles = [[message.seq for message in together(body)] for body in outside.drain(hearing, 3)]
    assert bundles == [list(range(100)), list(range(100, 200)), list(range(200, 250))]


def test_at_most_64_kib_of_events_travel_together(amqp_url, make_bus, outside, hearing):
    bus = make_bus(amqp_url)

    bus.publish_together([a_message(seq, text="a" * 4000) for seq in range(28)]).result(20)

    bodies = outside.drain(hearing, 2)
    assert [message.seq for body in bodies for message in together(body)] == list(range(28))
    assert all(len(body) <= 64 * 1024 for body in bodies)


def test_a_publish_of_nothing_is_done(amqp_url, make_bus):
    assert make_bus(amqp_url).publish_together([]).result(20) is None


def test_an_event_that_nobody_hears_is_no_failure(amqp_url, make_bus):
    bus = make_bus(amqp_url)

    assert bus.publish(a_message(1, customer_id="nobody")).result(20) is None


def test_a_command_reaches_its_queue(amqp_url, make_bus, outside, queue_name):
    outside.declare(queue_name)
    outside.bind(queue_name, "commands", queue_name)
    bus = make_bus(amqp_url)

    bus.send(a_command(), queue=queue_name).result(20)

    assert msgspec.json.decode(outside.get(queue_name)[1], type=PostMessage) == a_command()


def test_a_command_to_a_queue_that_is_not_there_is_unroutable(amqp_url, make_bus):
    bus = make_bus(amqp_url)

    with pytest.raises(Unroutable):
        bus.send(a_command(), queue="test.nowhere").result(20)


def test_only_what_was_returned_fails(amqp_url, make_bus, outside, queue_name):
    outside.declare(queue_name)
    outside.bind(queue_name, "commands", queue_name)
    bus = make_bus(amqp_url)

    answers = [bus.send(a_command(n), queue=queue_name if n % 2 else "test.nowhere") for n in range(50)]

    failed = [n for n, answer in enumerate(answers) if answer.exception(5) is not None]
    assert failed == list(range(0, 50, 2))


def test_a_full_queue_refuses(amqp_url, make_bus, outside, queue_name):
    outside.declare(queue_name, **{"x-max-length": 1, "x-overflow": "reject-publish"})
    outside.bind(queue_name, "commands", queue_name)
    bus = make_bus(amqp_url)

    def refused() -> bool:
        return isinstance(bus.send(a_command(), queue=queue_name).exception(5), Refused)

    assert eventually(refused)


def test_a_channel_that_refuses_for_want_of_a_leader_is_replaced(amqp_url, make_bus, outside, queue_name, lose_leader):
    """A broker of a cluster may believe for a moment that a queue is led by a node that has just been lost."""
    outside.declare(queue_name)
    outside.bind(queue_name, "commands", queue_name)
    bus = make_bus(amqp_url)
    lose_leader(queue_name)

    # RabbitMQ 4 asks the other nodes by itself.
    assert isinstance(bus.send(a_command(1), queue=queue_name).exception(5), Refused | None)
    eventually(lambda: bus.send(a_command(2), queue=queue_name).exception(5) is None)
    assert bus.is_up


def test_what_is_on_its_way_when_a_channel_is_replaced_arrives_in_order(
    amqp_url, make_bus, outside, queue_name, hearing
):
    full = f"{queue_name}-full"
    outside.declare(full, **{"x-max-length": 1, "x-overflow": "reject-publish"})
    outside.bind(full, "commands", full)
    bus = make_bus(amqp_url)
    before = renewals()
    answers = []

    def is_renewed_twice() -> bool:
        bus.send(a_command(), queue=full)
        answers.append(bus.publish(a_message(len(answers))))
        return renewals() >= before + 2

    eventually(is_renewed_twice, every=0.002)
    for answer in answers:
        answer.result(20)
    heard: dict[int, None] = {}
    while len(heard) < len(answers):
        heard.setdefault(seqs([outside.get(hearing)[1]])[0])
    assert list(heard) == list(range(len(answers)))


def renewals() -> float:
    """How many channels were replaced in this process so far."""
    name, labels = "velaro_bus_channels_renewed_total", {"connection": "tests publisher"}
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_one_threads_publishes_arrive_in_order(amqp_url, make_bus, outside, hearing):
    bus = make_bus(amqp_url)

    answers = [bus.publish(a_message(seq)) for seq in range(500)]
    answers += [bus.publish(a_message(seq)) for seq in range(500, 900)]

    for answer in answers:
        answer.result(20)
    assert seqs(outside.drain(hearing, 900)) == list(range(900))


def test_any_number_of_threads_may_publish(amqp_url, make_bus, outside, hearing):
    bus = make_bus(amqp_url)

    def publish(first: int) -> None:
        for seq in range(first, first + 100):
            bus.publish(a_message(seq)).result(20)

    threads = [threading.Thread(target=publish, args=(number * 100,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seqs(outside.drain(hearing, 800))) == list(range(800))


def test_a_body_of_many_frames_arrives_whole(amqp_url, make_bus, outside, hearing):
    bus = make_bus(amqp_url)

    bus.publish(a_message(1, text="ä" * 100_000)).result(20)

    assert msgspec.json.decode(outside.get(hearing)[1], type=MessagePosted).text == "ä" * 100_000


def test_without_a_connection_a_publish_fails_at_once(amqp_url, proxy):
    proxy.close()
    bus = Bus(proxy.url, service="tests")
    bus.start()
    began = time.monotonic()

    with pytest.raises(Down):
        bus.publish(a_message(1)).result(20)

    assert time.monotonic() - began < 1
    assert (bus.state, bus.is_up) == ("down", False)
    bus.close()


def test_too_many_in_flight_are_refused_and_accepted_again_later(make_bus, proxy):
    bus = make_bus(proxy.url, max_in_flight=10)
    proxy.freeze()

    accepted = [bus.publish(a_message(seq)) for seq in range(10)]
    with pytest.raises(Overloaded):
        bus.publish(a_message(11)).result(20)

    proxy.thaw()
    for answer in accepted:
        answer.result(20)
    bus.publish(a_message(12)).result(20)


def test_without_an_answer_in_time_a_publish_is_unconfirmed(make_bus, proxy):
    bus = make_bus(proxy.url, timeout=0.5)
    proxy.freeze()
    began = time.monotonic()

    answer = bus.publish(a_message(1))

    with pytest.raises(Unconfirmed):
        answer.result(20)
    assert 0.4 < time.monotonic() - began < 2


def test_without_a_broker_to_return_to_a_publish_is_unconfirmed(make_bus, proxy):
    bus = make_bus(proxy.url, timeout=1)
    proxy.freeze()
    answer = bus.publish(a_message(1))

    proxy.close()

    with pytest.raises(Unconfirmed):
        answer.result(20)


def test_what_was_accepted_before_the_connection_broke_is_published_again(make_bus, proxy, outside, hearing):
    bus = make_bus(proxy.url)
    proxy.freeze()
    answers = [bus.publish(a_message(seq)) for seq in range(100)]

    proxy.cut()
    proxy.thaw()

    for answer in answers:
        answer.result(20)
    assert sorted(set(seqs(outside.drain(hearing, 100)))) == list(range(100))


def test_nothing_confirmed_is_lost_while_the_connection_keeps_breaking(make_bus, proxy, outside, hearing):
    bus = make_bus(proxy.url)
    confirmed: list[int] = []
    stop = threading.Event()

    def publish() -> None:
        seq = 0
        while not stop.is_set():
            seq += 1
            try:
                bus.publish(a_message(seq)).result(20)
            except PublishFailed:
                stop.wait(0.01)
            else:
                confirmed.append(seq)

    thread = threading.Thread(target=publish)
    thread.start()
    for _ in range(5):
        before = len(confirmed)
        eventually(lambda before=before: len(confirmed) > before + 20)
        proxy.cut()
    stop.set()
    thread.join()

    held = eventually(lambda: (depth := outside.depth(hearing)) >= len(confirmed) and depth)
    assert set(confirmed) <= set(seqs(outside.drain(hearing, held)))


def test_it_comes_back_after_the_broker_closed_the_connection(amqp_url, make_bus, outside, hearing, close_from_broker):
    bus = make_bus(amqp_url)

    close_from_broker()

    eventually(lambda: bus.publish(a_message(1)).result(20) is None)
    assert bus.is_up


def test_a_publish_of_several_fails_as_one(make_bus, proxy):
    bus = make_bus(proxy.url, timeout=0.5)
    proxy.freeze()

    with pytest.raises(Unconfirmed):
        bus.publish_together([a_message(1), a_message(2, customer_id="globex")]).result(20)


def test_while_the_broker_is_blocked_a_publish_is_refused(make_bus, proxy):
    bus = make_bus(proxy.url)

    proxy.say_to_clients(Method(0, spec.Connection.Blocked("low on memory")).marshal())
    eventually(lambda: bus.state == "blocked")
    with pytest.raises(Overloaded):
        bus.publish(a_message(1)).result(20)

    proxy.say_to_clients(Method(0, spec.Connection.Unblocked()).marshal())
    eventually(lambda: bus.is_up)
    bus.publish(a_message(1)).result(20)


def test_a_cancelled_future_disturbs_nobody(make_bus, proxy):
    bus = make_bus(proxy.url)
    proxy.freeze()
    cancelled = bus.publish(a_message(1))
    kept = bus.publish(a_message(2))

    assert cancelled.cancel()
    proxy.thaw()

    kept.result(20)


def test_what_a_callback_raises_disturbs_nobody(amqp_url, make_bus):
    bus = make_bus(amqp_url)

    def fail(_answer: Future[None]) -> None:
        raise ZeroDivisionError

    bus.publish(a_message(1)).add_done_callback(fail)

    bus.publish(a_message(2)).result(20)


def test_closing_waits_for_what_is_on_its_way(amqp_url, make_bus, outside, hearing):
    bus = make_bus(amqp_url)
    answers = [bus.publish(a_message(seq)) for seq in range(300)]

    bus.close()

    assert all(answer.done() and answer.exception() is None for answer in answers)
    with pytest.raises(Down):
        bus.publish(a_message(1)).result(20)


def test_closing_settles_what_gets_no_answer(make_bus, proxy):
    bus = make_bus(proxy.url, timeout=0.5)
    proxy.freeze()
    answer = bus.publish(a_message(1))

    bus.close()

    assert isinstance(answer.exception(0), Unconfirmed)


def test_a_bus_that_never_started_can_be_closed(amqp_url):
    Bus(amqp_url, service="tests").close()


def test_another_host_is_tried_when_one_is_gone(amqp_url, make_bus, proxy, outside, hearing):
    gone = proxy.url.rpartition("@")[2].partition("/")[0]
    proxy.close()
    credentials, _, rest = amqp_url.rpartition("@")

    bus = make_bus(f"{credentials}@{gone},{rest}")

    bus.publish(a_message(1)).result(20)


def test_a_bus_made_before_a_fork_works_in_both_processes(amqp_url, outside, hearing):
    program = """
import os, sys
from chassis.bus import Bus
from tests.chassis.bus.builders import a_message
bus = Bus(sys.argv[1], service="tests")
child = os.fork()
bus.start()
assert bus.wait_until_up(10)
for seq in range(50):
    bus.publish(a_message(seq)).result(20)
bus.close()
if child:
    sys.exit(os.waitpid(child, 0)[1])
"""
    run(program, amqp_url)

    assert sorted(seqs(outside.drain(hearing, 100))) == sorted([*range(50)] * 2)


def test_it_works_under_gevent_and_never_holds_up_the_hub(amqp_url, outside, hearing):
    program = """
from gevent import monkey; monkey.patch_all()
import sys, time, gevent
from chassis.bus import Bus
from tests.chassis.bus.builders import a_message
bus = Bus(sys.argv[1], service="tests")
bus.start()
assert bus.wait_until_up(10)
longest = [0.0]
def tick():
    while True:
        began = time.monotonic(); gevent.sleep(0.005)
        longest[0] = max(longest[0], time.monotonic() - began)
gevent.spawn(tick)
def publish(first):
    for seq in range(first, first + 50):
        bus.publish(a_message(seq)).result(20)
gevent.joinall([gevent.spawn(publish, number * 50) for number in range(10)], raise_error=True)
gevent.sleep(0.5)
bus.close()
assert longest[0] < 1, longest
"""
    run(program, amqp_url)

    assert sorted(seqs(outside.drain(hearing, 500))) == list(range(500))


def test_it_refuses_to_start_under_gevent_that_came_too_late(amqp_url):
    program = """
import select
epoll = select.epoll
from gevent import monkey; monkey.patch_all()
select.epoll = epoll
import sys
from chassis.bus import Bus
try:
    Bus(sys.argv[1], service="tests").start()
except RuntimeError:
    sys.exit(0)
sys.exit("started")
"""
    run(program, amqp_url)


def run(program: str, url: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, url],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": os.getcwd()},
    )
    assert finished.returncode == 0, finished.stderr + finished.stdout
