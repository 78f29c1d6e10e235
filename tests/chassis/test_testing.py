import pytest

from chassis.auth import Caller
from chassis.bus import Overloaded
from chassis.testing import Callers, RecordingBus, a_delivery, eventually
from tests.chassis.bus.builders import a_command, a_message


def test_waiting_ends_with_the_first_truth():
    answers = iter([0, None, ZeroDivisionError, 7])

    def check():
        answer = next(answers)
        if answer is ZeroDivisionError:
            raise ZeroDivisionError
        return answer

    assert eventually(check, every=0.001) == 7


def test_waiting_in_vain_tells_what_was_seen_last():
    with pytest.raises(AssertionError, match="last seen: 0"):
        eventually(lambda: 0, timeout=0.01, every=0.001)


def test_waiting_in_vain_tells_what_was_raised_last():
    with pytest.raises(AssertionError) as failure:
        eventually(lambda: 1 / 0, timeout=0.01, every=0.001)

    assert isinstance(failure.value.__cause__, ZeroDivisionError)


def test_the_bus_remembers_what_it_was_asked_to_do():
    bus = RecordingBus()

    bus.publish(a_message(1)).result(0)
    bus.publish_together([a_message(2), a_message(3)]).result(0)
    bus.send(a_command(), queue="chat.p.00").result(0)
    bus.signal("acme", b"typing")

    assert bus.published == [a_message(1), a_message(2), a_message(3)]
    assert bus.sent == [("chat.p.00", a_command())]
    assert bus.signals == [("acme", b"typing")]


def test_the_bus_fails_when_told_to():
    bus = RecordingBus()
    bus.failure = Overloaded("too much")

    with pytest.raises(Overloaded):
        bus.publish(a_message(1)).result(0)

    assert bus.published == []


def test_a_delivery_can_be_made_without_a_broker():
    delivery = a_delivery(a_message(1), queue="chat.p.00")

    assert (delivery.queue, delivery.payload) == ("chat.p.00", a_message(1))


def test_callers_know_each_other():
    callers = Callers("gateway", "chat")

    scheme, _, token = callers.headers("chat", "operator", customer_id="acme")["Authorization"].partition(" ")

    assert scheme == "Bearer"
    assert callers.verifier("chat").verify(token) == Caller(service="gateway", role="operator", customer_id="acme")
