"""Taking something out of the dead letters, on a real broker."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from chassis.bus import Down, Resting

QUEUE = "tests.work"
DEAD = f"{QUEUE}.dead"
OTHER = "tests.other-work"
OTHER_DEAD = f"{OTHER}.dead"


def about(conversation_id: str, **fields: str) -> bytes:
    return json.dumps({"customer_id": "c", "conversation_id": conversation_id} | fields).encode()


@pytest.fixture
def outside(outside):
    for queue in (DEAD, OTHER_DEAD):
        outside.declare(queue)
        outside.channel.queue_purge(queue)
    return outside


@pytest.fixture
def resting(amqp_url):
    made = Resting(amqp_url, name="tests", queues=[QUEUE, OTHER, "tests.never-declared"])
    yield made
    made.close()


def test_what_is_about_the_ids_goes_and_the_rest_stays_as_it_was_in_its_order(outside, resting):
    for number in range(3):
        outside.publish(DEAD, about(f"kept-{number}"), message_id=f"m{number}", type="kind", delivery_mode=2)
        outside.publish(DEAD, about("gone"))
    outside.publish(OTHER_DEAD, about("other", visitor_id="visitor"))

    removed = resting.discard(["gone", "visitor", "nowhere"])

    assert removed == {"gone": 3, "visitor": 1}
    kept = [outside.get(DEAD) for _ in range(3)]
    assert [body for _, body in kept] == [about(f"kept-{number}") for number in range(3)]
    assert [(each.message_id, each.type, each.delivery_mode) for each, _ in kept] == [
        (f"m{number}", "kind", 2) for number in range(3)
    ]
    assert (outside.depth(DEAD), outside.depth(OTHER_DEAD)) == (0, 0)


def test_nobody_can_write_an_id_into_a_text(outside, resting):
    body = about("kept", text=about("gone").decode())
    outside.publish(DEAD, body)

    assert resting.discard(["gone"]) == {}
    assert outside.get(DEAD)[1] == body


def test_what_is_no_text_at_all_stays(outside, resting):
    outside.publish(DEAD, b"\xff\x00")

    assert resting.discard(["gone"]) == {}
    assert outside.get(DEAD)[1] == b"\xff\x00"


def test_it_can_be_asked_again_after_its_connection_was_lost(outside, resting):
    outside.publish(DEAD, about("gone"))
    assert resting.discard(["gone"]) == {"gone": 1}
    resting._connection.close()
    outside.publish(DEAD, about("gone"))

    assert resting.discard(["gone"]) == {"gone": 1}


def test_two_processes_that_search_at_once_miss_nothing(outside, amqp_url):
    for number in range(200):
        outside.publish(DEAD, about(f"{number % 2}"))
    both = [Resting(amqp_url, name="tests", queues=[QUEUE]) for _ in range(2)]
    start = threading.Barrier(2)

    def search(number: int):
        start.wait()
        return both[number].discard([f"{number}"])

    with ThreadPoolExecutor(2) as threads:
        removed = list(threads.map(search, range(2)))

    assert removed == [{"0": 100}, {"1": 100}]
    assert outside.depth(DEAD) == 0
    for each in both:
        each.close()


def test_what_another_process_has_in_hand_is_not_taken_for_gone(outside, amqp_url):
    resting = Resting(amqp_url, name="tests", queues=[QUEUE], patience=0)
    outside.channel.queue_declare("tests.search-dead-letters", exclusive=True)
    with pytest.raises(Down):
        resting.discard(["gone"])
    outside.publish(DEAD, about("gone"))
    outside.channel.queue_delete("tests.search-dead-letters")

    assert resting.discard(["gone"]) == {"gone": 1}
    resting.close()


def test_queues_that_were_used_once_are_looked_through_as_long_as_they_are_there(outside, amqp_url):
    outside.declare("tests.former.dead")
    resting = Resting(amqp_url, name="tests", queues=[QUEUE], former=["tests.never-declared", "tests.former"])
    for _ in range(2):
        outside.publish("tests.former.dead", about("gone"))
        assert resting.discard(["gone"]) == {"gone": 1}
    outside.channel.queue_delete("tests.former.dead")
    assert resting.discard(["gone"]) == {}
    resting.close()


def test_without_a_broker_it_says_so():
    with pytest.raises(Down):
        Resting("amqp://nobody:secret@127.0.0.1:1/nowhere", name="tests", queues=[QUEUE]).discard(["x"])
