import json
import re
from pathlib import Path

import pytest

from chassis.bus import Topology, WorkQueue
from chassis.bus.topology import EXCHANGES, all_events_of, event_key
from contracts.catalogue import EVENTS
from contracts.chat import ConversationClosed, MessagePosted
from tests.chassis.bus.builders import a_message

DEFINITIONS = json.loads(Path("deploy/rabbitmq/definitions.json").read_text())
WORK = WorkQueue("transcripts.record-messages", hears=(MessagePosted, ConversationClosed))


def policies_of(queue: str, vhost: str = "velaro") -> list[str]:
    return [
        policy["name"]
        for policy in DEFINITIONS["policies"]
        if policy["vhost"] == vhost and re.search(policy["pattern"], queue)
    ]


def test_a_work_queue_has_a_place_to_rest():
    names = [queue.name for queue in Topology.of([WORK]).queues]

    assert names == [WORK.name, f"{WORK.name}.dead"]


def test_a_work_queue_hears_its_events_of_every_customer_and_its_own_commands():
    bindings = {(each.exchange, each.routing_key) for each in Topology.of([WORK]).bindings if each.queue == WORK.name}

    assert bindings == {
        ("commands", WORK.name),
        ("events", "chat.message.posted.v1.*"),
        ("events", "chat.conversation.closed.v1.*"),
    }


def test_arguments_hold_only_what_a_policy_cannot():
    [queue, dead] = Topology.of([WorkQueue("chat.p.00", single_active=True)]).queues

    assert queue.arguments == {"x-queue-type": "quorum", "x-single-active-consumer": True}
    assert dead.arguments == {"x-queue-type": "quorum"}


@pytest.mark.parametrize("event", EVENTS)
def test_the_binding_of_a_customer_matches_every_event_and_no_other_customers(event):
    pattern = re.escape(all_events_of("acme")).replace(r"\*", "[^.]+")

    assert re.fullmatch(pattern, f"{event.routing_key}.acme")
    assert not re.fullmatch(pattern, f"{event.routing_key}.globex")


def test_the_key_on_the_wire_ends_with_the_customer():
    assert event_key(a_message(1, customer_id="acme")) == "chat.message.posted.v1.acme"


def test_the_definitions_hold_the_exchanges_that_the_services_declare():
    defined = {(each["name"], each["type"]) for each in DEFINITIONS["exchanges"] if each["vhost"] == "velaro"}

    assert defined == {(exchange.name, exchange.kind) for exchange in EXCHANGES}


@pytest.mark.parametrize(
    "queue", ["chat.p.00", "transcripts.record-messages", "surveys.attach-responses", "chat.p.00.dead"]
)
def test_every_queue_is_limited(queue):
    assert policies_of(queue) == ["work"]


def test_no_queue_has_the_broker_move_its_dead_letters_at_least_once():
    """With it, a queue may stay without a leader when nodes come and go (rabbitmq-server#16652)."""
    strategies = [policy["definition"].get("dead-letter-strategy") for policy in DEFINITIONS["policies"]]
    arguments = [queue.arguments for queue in Topology.of([WORK]).queues]

    assert strategies == [None] * len(strategies)
    assert not any(name.startswith("x-dead-letter") for each in arguments for name in each)


def test_the_queues_of_gateways_are_bounded():
    assert policies_of("amq.gen-JzTY20BRgKO.HjmUJj0wLg") == ["listeners"]


def test_task_queues_are_limited_and_dead_lettered():
    assert policies_of("transcripts.tasks", "velaro-tasks") == ["work"]


def test_no_definition_names_a_user_a_secret_or_a_queue_which_one_node_would_then_hold_alone():
    assert set(DEFINITIONS) == {"vhosts", "exchanges", "policies"}
