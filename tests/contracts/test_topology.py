"""Everything said on the bus has one who says it, one who hears it, and a place for what could not be handled."""

import ast
import json
import re
from typing import Any

import pytest

from chassis.bus import Topology, WorkQueue
from chassis.bus.delivery import MOST_RETURNS
from contracts.catalogue import COMMANDS, EVENTS
from contracts.payload import Event, Payload
from contracts.surveys import EraseAnswers
from docs.generate import REPOSITORY, WORK_QUEUES, all_queues, hears, publishes
from services.chat.relay import partition_queues
from services.surveys import consumer as surveys_consumer

POLICIES = json.loads((REPOSITORY / "deploy/rabbitmq/definitions.json").read_text())["policies"]


def owner(payload: type[Payload]) -> str:
    return payload.routing_key.partition(".")[0]


def calls_of(name: str) -> list[str]:
    """The modules of the services that call ``name``."""
    return sorted(
        str(path.relative_to(REPOSITORY / "services"))
        for path in (REPOSITORY / "services").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    )


def limits_of(queue: str) -> dict[str, Any]:
    [policy] = [policy for policy in POLICIES if policy["vhost"] == "velaro" and re.search(policy["pattern"], queue)]
    return policy["definition"]


def test_an_event_is_made_by_its_owner_and_by_nobody_else():
    for event in EVENTS:
        assert [service for service, made in publishes().items() if event in made] == [owner(event)]


def test_every_event_is_heard_by_somebody():
    assert set().union(*hears().values()) == set(EVENTS)


def test_nobody_but_a_service_hears_and_only_what_is_declared():
    for queue in all_queues():
        assert set(queue.hears) <= set(EVENTS)


def test_every_command_is_sent_by_somebody():
    assert set(COMMANDS) <= set().union(*publishes().values())


def test_surveys_handles_exactly_what_its_queue_hears():
    assert set(surveys_consumer.PAYLOADS) == {*surveys_consumer.QUEUE.hears, EraseAnswers}


def test_every_queue_that_a_service_declares_is_known_here_and_is_consumed_where_it_is_declared():
    declared = calls_of("WorkQueue")

    assert declared == [
        "chat/consumer.py",
        "chat/consumer.py",
        "chat/relay.py",
        "surveys/consumer.py",
        "transcripts/consumer.py",
    ]
    assert calls_of("BatchConsumer") == declared


def test_queues_are_named_for_their_service():
    for service, queues in WORK_QUEUES.items():
        for queue in queues:
            assert re.fullmatch(rf"{service}\.[a-z]+(-[a-z]+)*", queue.name)


@pytest.mark.parametrize("queue", all_queues(), ids=lambda queue: queue.name)
def test_every_queue_has_a_place_to_rest(queue: WorkQueue):
    declared = {each.name for each in Topology.of([queue]).queues}

    assert declared == {queue.name, f"{queue.name}.dead"}


@pytest.mark.parametrize("queue", all_queues(), ids=lambda queue: queue.name)
def test_nothing_is_dropped_when_a_queue_is_full_or_a_delivery_fails_for_ever(queue: WorkQueue):
    for name in (queue.name, queue.dead):
        assert limits_of(name)["overflow"] == "reject-publish"
        # Who consumes gives up long before; beyond it the broker drops.
        assert limits_of(name)["delivery-limit"] > 1000 * MOST_RETURNS


def test_only_one_consumer_of_a_partition_is_active():
    assert all(queue.single_active for queue in partition_queues(8))


def test_every_heard_event_is_bound_to_its_queue():
    for queue in all_queues():
        bound = {binding.routing_key for binding in Topology.of([queue]).bindings if binding.exchange == "events"}
        assert bound == {f"{event.routing_key}.*" for event in queue.hears}


def test_an_events_key_on_the_wire_has_as_many_words_as_the_bindings_expect():
    for event in EVENTS:
        assert issubclass(event, Event)
        assert event.routing_key.count(".") == 3
