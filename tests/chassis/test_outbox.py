import threading
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec
import pytest

from chassis import correlation
from chassis.bus import Bus, Down
from chassis.mongo import transaction
from chassis.outbox import Dispatcher, Outbox
from chassis.testing import RecordingBus, eventually
from tests.chassis.bus.builders import a_message


class Killed(BaseException):
    """The process dies here."""


class MortalRows:
    """The rows of an outbox in a process that dies before it can delete any."""

    def __init__(self, rows):
        self._rows = rows

    def delete_many(self, _filter):
        raise Killed

    def __getattr__(self, name):
        return getattr(self._rows, name)


@pytest.fixture
def bus():
    return RecordingBus()


@pytest.fixture
def outbox(database):
    outbox = Outbox(database)
    outbox.ensure_indexes()
    return outbox


@pytest.fixture
def announce(database, outbox):
    def announce(*events):
        transaction(database, lambda session: [outbox.add(event, session=session) for event in events] and None)

    return announce


@pytest.fixture
def dispatching():
    made = []

    def start(dispatcher):
        stop = threading.Event()
        thread = threading.Thread(target=dispatcher.run, args=(stop,))
        thread.start()
        made.append((stop, thread))
        return stop

    yield start
    for stop, thread in made:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def test_what_was_announced_is_published_and_forgotten(database, announce, bus):
    announce(a_message(1), a_message(2))

    assert Dispatcher(database, bus).dispatch() == 2

    assert bus.published == [a_message(1), a_message(2)]
    assert database.outbox.count_documents({}) == 0


def test_what_was_written_beside_it_is_announced_or_neither_is(database, outbox, bus):
    def write_and_fail(session):
        database.things.insert_one({"_id": 1}, session=session)
        outbox.add(a_message(1), session=session)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        transaction(database, write_and_fail)

    assert Dispatcher(database, bus).dispatch() == 0
    assert bus.published == []
    assert database.things.count_documents({}) == 0


def test_events_leave_in_the_order_in_which_they_came(database, announce, bus):
    for seq in range(0, 450, 3):
        announce(a_message(seq), a_message(seq + 1), a_message(seq + 2))
    dispatcher = Dispatcher(database, bus)

    while dispatcher.dispatch():
        pass

    assert [event.seq for event in bus.published] == list(range(450))


def test_killed_between_publishing_and_deleting_it_publishes_again_under_the_same_id(database, announce):
    bus = IdKeepingBus()
    announce(a_message(1))
    doomed = Dispatcher(database, bus)
    doomed._rows = MortalRows(doomed._rows)
    with pytest.raises(Killed):
        doomed.dispatch()
    database.outbox_leases.update_one({}, [{"$set": {"until": "$$NOW"}}])

    eventually(Dispatcher(database, bus).dispatch)

    first, second = bus.published
    assert first == second
    assert database.outbox.count_documents({}) == 0


class IdKeepingBus:
    def __init__(self):
        self.published = []

    def publish(self, event, *, message_id=None, correlation_id=None):
        self.published.append((event, message_id, correlation_id))
        answer = Future()
        answer.set_result(None)
        return answer


def test_the_correlation_of_the_request_goes_with_the_event(database, announce):
    bus = IdKeepingBus()
    with correlation.bound("request-1"):
        announce(a_message(1))

    Dispatcher(database, bus).dispatch()

    [(_, message_id, correlation_id)] = bus.published
    assert message_id
    assert correlation_id == "request-1"


def test_what_the_broker_did_not_take_stays(database, announce, bus):
    announce(a_message(1))
    bus.failure = Down("no connection")
    dispatcher = Dispatcher(database, bus)

    with pytest.raises(Down):
        dispatcher.dispatch()

    bus.failure = None
    assert dispatcher.dispatch() == 1
    assert bus.published == [a_message(1)]


def test_only_one_of_several_works_at_a_time(database, announce, bus):
    first, second = Dispatcher(database, bus), Dispatcher(database, bus)
    first.dispatch()
    announce(a_message(1))

    assert second.dispatch() == 0
    assert first.dispatch() == 1
    assert second.dispatch() == 0
    assert bus.published == [a_message(1)]


def test_another_takes_over_when_the_lease_has_run_out(database, announce, bus):
    Dispatcher(database, bus).dispatch()
    announce(a_message(1))
    database.outbox_leases.update_one({}, [{"$set": {"until": "$$NOW"}}])

    assert eventually(Dispatcher(database, bus).dispatch) == 1


def test_another_takes_over_at_once_from_one_that_stopped(database, announce, bus, dispatching):
    dispatching(Dispatcher(database, bus, interval=0.01)).set()
    eventually(lambda: database.outbox_leases.count_documents({}) == 0)
    announce(a_message(1))

    dispatching(Dispatcher(database, bus, interval=0.01))

    eventually(lambda: bus.published == [a_message(1)])


def test_it_goes_on_after_the_broker_was_away(database, announce, bus, dispatching):
    bus.failure = Down("no connection")
    dispatching(Dispatcher(database, bus, interval=0.01))
    announce(a_message(1))

    bus.failure = None

    eventually(lambda: bus.published == [a_message(1)])


def test_what_nobody_can_read_does_not_hold_up_the_rest(database, announce, bus):
    database.outbox.insert_one({"_id": "0", "type": "chat.unknown.done.v1", "payload": "{}", "correlation_id": ""})
    announce(a_message(1))

    Dispatcher(database, bus).dispatch()

    assert bus.published == [a_message(1)]
    assert database.outbox.count_documents({}) == 1


def test_over_the_real_bus_all_arrives(database, announce, amqp_url, dispatching):
    bus = Bus(amqp_url, service="tests")
    bus.start()
    dispatching(Dispatcher(database, bus, interval=0.01))

    for seq in range(20):
        announce(a_message(seq))

    eventually(lambda: database.outbox.count_documents({}) == 0)
    bus.close()


def test_processes_that_start_together_all_find_it_ready(database):
    outboxes = [Outbox(database) for _ in range(16)]
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(Outbox.ensure_indexes, outboxes))

    assert "outbox" in database.list_collection_names()


def test_what_is_retracted_is_not_announced_and_nothing_else_is_missing(database, outbox, announce, bus):
    gone = msgspec.structs.replace(a_message(1), conversation_id="gone")
    kept = a_message(2, text='"conversation_id":"gone"')
    announce(gone, kept)

    number = transaction(database, lambda session: outbox.retract(type(gone), "gone", session=session))
    Dispatcher(database, bus).dispatch()

    assert (number, bus.published) == (1, [kept])
