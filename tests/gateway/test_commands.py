import pytest
from prometheus_client import REGISTRY

from chassis.bus import Down
from contracts.chat import CloseConversation, PostMessage
from contracts.partitions import command_key, partition_of, partition_queue
from services.gateway.commands import CommandRefused, NotAnsweredYet
from tests.gateway.builders import OPERATOR, VISITOR, a_context, posted, rejected


def a_post(command_id: str = "command-1") -> PostMessage:
    return PostMessage(
        command_id=command_id,
        customer_id="customer-1",
        conversation_id="c-1",
        client_id="client-1",
        sender=VISITOR,
        text="hi",
    )


def test_a_command_goes_to_the_partition_of_its_conversation():
    context = a_context(partitions=5)
    context.commands.send(a_post())
    [(queue, command)] = context.bus.sent
    assert queue == command_key("c-1", 5)
    assert command == a_post()


def test_the_event_caused_by_the_command_is_its_answer():
    context = a_context()
    context.bus.answer = lambda command: posted(caused_by=command.command_id)
    assert context.commands.carry_out(a_post()).seq == 1


def test_we_listen_before_we_ask():
    context = a_context()
    bound_when_sent = []
    context.bus.answer = lambda command: bound_when_sent.extend(context.listener.bound)
    with pytest.raises(NotAnsweredYet):
        context.commands.carry_out(a_post())
    assert bound_when_sent == ["customer-1"]


def test_a_refusal_carries_its_code():
    context = a_context()
    context.bus.answer = lambda command: rejected("not-open", caused_by=command.command_id)
    closing = CloseConversation(command_id="x", customer_id="customer-1", conversation_id="c-1", closed_by=OPERATOR)
    with pytest.raises(CommandRefused) as refusal:
        context.commands.carry_out(closing)
    assert refusal.value.code == "not-open"


def test_answers_to_others_are_not_taken_for_ours():
    context = a_context()
    context.bus.answer = lambda command: posted(caused_by="another")
    with pytest.raises(NotAnsweredYet):
        context.commands.carry_out(a_post())


def test_a_bus_that_is_down_is_said_at_once():
    context = a_context()
    context.bus.failure = Down("no connection")
    with pytest.raises(Down):
        context.commands.carry_out(a_post())


def unanswered(partition: str) -> float:
    return REGISTRY.get_sample_value("velaro_gateway_commands_unanswered_total", {"partition": partition}) or 0.0


def test_a_command_without_an_answer_is_counted_for_its_partition():
    context = a_context(partitions=5)
    own = partition_queue(partition_of("c-1", 5))
    before = unanswered(own)
    with pytest.raises(NotAnsweredYet):
        context.commands.carry_out(a_post())
    assert unanswered(own) == before + 1


def test_a_command_that_was_answered_or_not_taken_is_not_counted_as_unanswered():
    context = a_context(partitions=5)
    own = partition_queue(partition_of("c-1", 5))
    before = unanswered(own)
    context.bus.answer = lambda command: posted(caused_by=command.command_id)
    context.commands.carry_out(a_post("command-2"))
    context.bus.failure = Down("no connection")
    with pytest.raises(Down):
        context.commands.carry_out(a_post("command-3"))
    assert unanswered(own) == before
