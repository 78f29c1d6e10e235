import pytest

from chassis.bus import Down, Listener
from chassis.testing import eventually
from tests.chassis.bus.builders import a_message, publish_each


class Heard:
    def __init__(self):
        self.events = []
        self.signals = []
        self.recoveries = 0

    @property
    def seqs(self):
        return [event.seq for event in self.events]

    def on_signal(self, customer_id, body):
        self.signals.append((customer_id, body))

    def on_recovered(self):
        self.recoveries += 1


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def listen(heard):
    made = []

    def start(url, on_event=heard.events.append):
        listener = Listener(
            url, service="tests", on_event=on_event, on_signal=heard.on_signal, on_recovered=heard.on_recovered
        )
        made.append(listener)
        listener.start()
        return listener

    yield start
    for listener in made:
        listener.close()


@pytest.fixture
def bus(amqp_url, make_bus):
    return make_bus(amqp_url)


def test_only_the_bound_customers_are_heard(amqp_url, listen, bus, heard):
    listener = listen(amqp_url)
    listener.bind("acme").result(20)
    listener.bind("globex").result(20)

    customers = ["acme", "initech", "globex", "acme"]
    publish_each(bus, [a_message(seq, customer_id=customer) for seq, customer in enumerate(customers)])
    for customer in customers:
        bus.signal(customer, customer.encode())

    eventually(lambda: len(heard.events) == len(heard.signals) == 3)
    assert heard.seqs == [0, 2, 3]
    assert heard.signals == [("acme", b"acme"), ("globex", b"globex"), ("acme", b"acme")]


def test_nothing_published_after_binding_is_missed(amqp_url, listen, bus, heard):
    listener = listen(amqp_url)

    for number in range(50):
        listener.bind(f"customer-{number}").result(20)
        bus.publish(a_message(number, customer_id=f"customer-{number}")).result(20)

    eventually(lambda: heard.seqs == list(range(50)))


def test_many_can_be_bound_at_once(amqp_url, listen, bus, heard):
    listener = listen(amqp_url)

    for answer in [listener.bind(f"customer-{number}") for number in range(500)]:
        answer.result(20)

    publish_each(bus, [a_message(number, customer_id=f"customer-{number}") for number in range(500)])
    eventually(lambda: heard.seqs == list(range(500)))


def test_an_unbound_customer_is_heard_no_more(amqp_url, listen, bus, heard):
    listener = listen(amqp_url)
    listener.bind("acme").result(20)
    listener.unbind("acme")
    listener.bind("globex").result(20)

    publish_each(bus, [a_message(1, customer_id="acme"), a_message(2, customer_id="globex")])

    eventually(lambda: heard.events)
    assert heard.seqs == [2]


def test_a_customer_can_be_bound_again(amqp_url, listen, bus, heard):
    listener = listen(amqp_url)
    listener.bind("acme").result(20)
    listener.bind("acme").result(20)
    listener.unbind("acme")
    listener.bind("acme").result(20)

    bus.publish(a_message(1)).result(20)

    eventually(lambda: heard.seqs == [1])


def test_after_the_connection_broke_the_bindings_are_back_and_the_owner_is_told(proxy, listen, bus, heard):
    listener = listen(proxy.url)
    listener.bind("acme").result(20)
    listener.bind("globex").result(20)
    assert heard.recoveries == 0

    proxy.cut()

    eventually(lambda: heard.recoveries == 1)
    publish_each(bus, [a_message(1, customer_id="acme"), a_message(2, customer_id="globex")])
    bus.signal("acme", b"typing")
    eventually(lambda: heard.seqs == [1, 2] and heard.signals == [("acme", b"typing")])


def test_it_comes_back_after_the_broker_closed_the_connection(amqp_url, listen, make_bus, heard, close_from_broker):
    listen(amqp_url).bind("acme").result(20)

    close_from_broker()

    eventually(lambda: heard.recoveries == 1)
    make_bus(amqp_url).publish(a_message(1)).result(20)
    eventually(lambda: heard.seqs == [1])


def test_a_binding_asked_for_without_a_connection_is_made_with_the_next(proxy, listen, bus, heard):
    proxy.is_refusing = True
    listener = listen(proxy.url)
    bound = listener.bind("acme")

    proxy.is_refusing = False

    bound.result(15)
    bus.publish(a_message(1)).result(20)
    eventually(lambda: heard.seqs == [1])
    assert heard.recoveries == 0


def test_a_binding_cut_short_is_made_with_the_next_connection(proxy, listen, bus, heard):
    listener = listen(proxy.url)
    listener.bind("acme").result(20)
    proxy.freeze()
    bound = listener.bind("globex")

    proxy.cut()
    proxy.thaw()

    bound.result(15)
    bus.publish(a_message(1, customer_id="globex")).result(20)
    eventually(lambda: heard.seqs == [1])


def test_a_failing_handler_does_not_keep_it_from_hearing_on(amqp_url, listen, bus):
    seqs = []

    def on_event(event):
        seqs.append(event.seq)
        raise ZeroDivisionError

    listen(amqp_url, on_event).bind("acme").result(20)

    publish_each(bus, [a_message(1), a_message(2)])

    eventually(lambda: seqs == [1, 2])


def test_what_breaks_its_contract_is_ignored(amqp_url, listen, bus, heard, outside):
    listen(amqp_url).bind("acme").result(20)

    outside.channel.basic_publish("events", "chat.message.posted.v1.acme", b"{", mandatory=True)
    bus.publish(a_message(1)).result(20)

    eventually(lambda: heard.seqs == [1])


def test_it_hears_many_in_order(amqp_url, listen, bus, heard):
    listen(amqp_url).bind("acme").result(20)

    for first in range(0, 5000, 500):
        publish_each(bus, [a_message(seq) for seq in range(first, first + 500)])

    eventually(lambda: len(heard.events) == 5000)
    assert heard.seqs == list(range(5000))


def test_it_hears_events_that_came_together_one_by_one(amqp_url, listen, bus, heard):
    listen(amqp_url).bind("acme").result(20)

    bus.publish_together(a_message(seq) for seq in range(1000)).result(20)

    eventually(lambda: heard.seqs == list(range(1000)))


def test_what_was_heard_is_acknowledged_in_the_end(amqp_url, listen, bus, heard, outside):
    listener = listen(amqp_url)
    listener.bind("acme").result(20)

    bus.publish(a_message(1)).result(20)

    eventually(lambda: heard.seqs == [1])
    eventually(lambda: listener._acknowledged is not None)
    bus.publish(a_message(2)).result(20)
    eventually(lambda: listener._acknowledged.delivery_tag == 2)
    # An ack of what is acknowledged already would have closed the channel.
    assert listener.is_up


def test_whether_it_is_up_can_be_seen(proxy, listen):
    listener = listen(proxy.url)
    eventually(lambda: listener.is_up)

    proxy.close()

    eventually(lambda: not listener.is_up)


def test_closing_fails_what_was_never_bound(proxy, listen):
    proxy.close()
    listener = listen(proxy.url)
    bound = listener.bind("acme")

    listener.close()

    assert isinstance(bound.exception(5), Down)
    assert isinstance(listener.bind("acme").exception(5), Down)
