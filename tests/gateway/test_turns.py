"""Messages keep their order whatever gets lost between the gateway and chat."""

from functools import partial

import gevent
import pytest

from chassis.bus import Down, Unconfirmed
from contracts.chat import PostMessage
from services.gateway import turns
from services.gateway.bootstrap import Context
from services.gateway.turns import Turns
from tests.gateway.builders import a_context, posted, rejected


@pytest.fixture
def context() -> Context:
    return a_context()


class Client:
    """What a socket's client hears of its messages."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.answers: list[tuple[str, str]] = []
        self.is_given_up = False
        self.turns = Turns(
            commands=context.commands, fanout=context.fanout, answered=self._answered, given_up=self._given_up
        )
        with context.fanout.listening("customer-1", 1):
            pass

    def _answered(self, client_id, event) -> None:
        self.answers.append((client_id, type(event).__name__))

    def _given_up(self) -> None:
        self.is_given_up = True

    def say(self, *client_ids: str, conversation_id: str = "c-1") -> None:
        for client_id in client_ids:
            command = PostMessage(
                command_id=f"command {client_id}",
                customer_id="customer-1",
                conversation_id=conversation_id,
                client_id=client_id,
                sender=posted().sender,
                text="x",
            )
            self.turns.take(command)

    @property
    def sent(self) -> list[str]:
        return [command.client_id for _, command in self.context.bus.sent]

    def hear(self, client_id: str, event=posted, conversation_id: str = "c-1") -> None:
        self.context.fanout.hear(event(caused_by=f"command {client_id}", conversation_id=conversation_id))

    def await_sent(self, *client_ids: str) -> None:
        with gevent.Timeout(5):
            while self.sent != list(client_ids):
                gevent.sleep(0.005)

    def await_end(self) -> None:
        with gevent.Timeout(5):
            while not self.is_given_up:
                gevent.sleep(0.005)


@pytest.fixture
def client(context) -> Client:
    return Client(context)


def test_the_next_message_is_sent_when_the_last_one_is_answered_and_not_before(client):
    client.say("a", "b", "c")
    assert client.sent == ["a"]
    client.hear("a")
    assert client.sent == ["a", "b"]
    client.hear("b", partial(rejected, "forbidden"))
    assert client.sent == ["a", "b", "c"]
    assert client.answers == [("a", "MessagePosted"), ("b", "CommandRejected")]


def test_conversations_do_not_wait_for_each_other(client):
    client.say("a", "b")
    client.say("x", conversation_id="c-2")
    assert client.sent == ["a", "x"]


def test_nothing_is_left_when_all_is_answered(client, context):
    client.say("a", "b")
    client.hear("a")
    client.hear("b")
    assert client.turns._turns == {}
    assert context.fanout._answers == {}


def test_a_message_without_an_answer_is_sent_again_before_the_next(client, monkeypatch):
    monkeypatch.setattr(turns, "ANSWER_SECONDS", 0.02)
    client.say("a", "b")
    client.await_sent("a", "a")
    monkeypatch.setattr(turns, "ANSWER_SECONDS", 60.0)
    client.hear("a")
    assert client.sent == ["a", "a", "b"]
    client.hear("a")
    assert client.sent == ["a", "a", "b"]


def test_the_answer_of_the_first_sending_counts_and_there_is_no_second(client, monkeypatch):
    monkeypatch.setattr(turns, "ANSWER_SECONDS", 0.02)
    client.say("a")
    client.hear("a")
    gevent.sleep(0.1)
    assert client.sent == ["a"]
    assert not client.is_given_up


def test_whoever_never_gets_an_answer_gives_up_and_sends_nothing_more(client, context, monkeypatch):
    monkeypatch.setattr(turns, "ANSWER_SECONDS", 0.02)
    client.say("a", "b")
    client.await_end()
    client.hear("a")
    assert client.sent == ["a"] * turns.MOST_SENDINGS
    assert client.answers == []
    assert context.fanout._answers == {}


def test_each_time_that_an_answer_does_not_come_is_counted_for_the_partition(client, context, monkeypatch):
    unanswered: list[str] = []
    monkeypatch.setattr(context.commands, "note_unanswered", lambda command: unanswered.append(command.client_id))
    monkeypatch.setattr(turns, "ANSWER_SECONDS", 0.02)
    client.say("a", "b")
    client.await_end()
    assert unanswered == ["a"] * turns.MOST_SENDINGS


def test_an_answer_that_may_have_been_missed_is_asked_for_at_once(client):
    client.say("a", "b")
    client.turns.recover()
    assert client.sent == ["a", "a"]
    client.hear("a")
    assert client.sent == ["a", "a", "b"]


def test_a_bus_that_is_away_for_a_moment_is_not_noticed(client, context):
    context.bus.failure = Down("gone")
    client.say("a", "b")
    context.bus.failure = None
    client.await_sent("a")
    assert not client.is_given_up


def test_refusals_before_and_after_a_sending_that_was_taken_do_not_add_up(client, context, monkeypatch):
    monkeypatch.setattr(turns, "REFUSED_PAUSE", 0.001)
    monkeypatch.setattr(turns, "REFUSED_SECONDS", 0.05)
    monkeypatch.setattr(turns, "ANSWER_SECONDS", 0.1)
    failures = iter([Down("gone"), None, Down("gone"), None])
    send = context.bus.send

    def failing_as_told(*arguments, **options):
        context.bus.failure = next(failures, None)
        return send(*arguments, **options)

    monkeypatch.setattr(context.bus, "send", failing_as_told)
    client.say("a")
    client.await_sent("a", "a")
    assert not client.is_given_up


def test_a_bus_that_stays_away_is_given_up(client, context, monkeypatch):
    monkeypatch.setattr(turns, "REFUSED_SECONDS", 0.05)
    context.bus.failure = Down("gone")
    client.say("a")
    client.await_end()


def test_a_message_that_may_have_been_taken_is_sent_again_before_the_next(client, context):
    context.bus.failure = Unconfirmed("no answer")
    client.say("a", "b")
    # It was taken: the answer to the first sending comes while the second is under way.
    context.bus.failure = None
    client.await_sent("a")
    client.hear("a")
    assert client.sent == ["a", "b"]
    assert not client.is_given_up


def test_an_end_while_a_refused_message_waits_for_its_next_try_is_the_end(client, context, monkeypatch):
    monkeypatch.setattr(turns, "REFUSED_PAUSE", 0.02)
    context.bus.failure = Down("gone")
    client.say("a")
    client.turns.stop()
    context.bus.failure = None
    gevent.sleep(0.1)
    assert client.sent == []
    assert not client.is_given_up
