"""What relays do about each other's beats, on a real database; who is active is the broker's affair and simulated."""

import threading
from collections import Counter, defaultdict

import pytest

from chassis.mongo import StoreUnavailable
from contracts.partitions import partition_queue
from services.chat.balance import SETTLED_BEATS, SILENT_BEATS, Balance
from services.chat.bootstrap import Context

COUNT = 8


class Line:
    """The subscriptions to each queue, as the broker keeps them: the first in line is active."""

    def __init__(self) -> None:
        self.waiting: dict[str, list[Subscriber]] = defaultdict(list)

    def active(self) -> dict[str, "Subscriber"]:
        return {queue: line[0] for queue, line in self.waiting.items() if line}

    def evenness(self) -> list[int]:
        holders = list(self.active().values())
        return sorted(holders.count(each) for each in set(holders))


class Subscriber:
    """Stands in for the consumer of a relay."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._times: Counter[str] = Counter()
        self.subscribed: dict[str, int] = {}
        self.steps = 0
        for partition in range(COUNT):
            self.subscribe(partition_queue(partition))

    def subscribe(self, queue: str) -> None:
        self._line.waiting[queue].append(self)
        self._times[queue] += 1
        self.subscribed[queue] = self._times[queue]

    def step_back(self, queue: str) -> None:
        self.steps += 1
        self._line.waiting[queue].remove(self)
        self.subscribe(queue)

    def die(self) -> None:
        for line in self._line.waiting.values():
            if self in line:
                line.remove(self)

    def lose_the_broker(self) -> None:
        self.die()
        self.subscribed = {}

    def active(self) -> set[str]:
        return {queue for queue, holder in self._line.active().items() if holder is self}


@pytest.fixture
def line() -> Line:
    return Line()


class Relays:
    """Relays that beat when they are told to."""

    def __init__(self, context: Context, line: Line) -> None:
        self._context = context
        self._line = line
        self.living: list[tuple[Balance, Subscriber]] = []

    def join(self) -> Subscriber:
        relays = self._context.relays
        balance = Balance(
            relays=relays,
            consumer=None,
            partitions=COUNT,
            in_force=lambda: COUNT,
            active=lambda: subscriber.active(),
        )
        balance._behind = dict.fromkeys(balance._queues, relays.agreement())
        subscriber = Subscriber(self._line)
        balance._consumer = subscriber
        self.living.append((balance, subscriber))
        return subscriber

    def kill(self, subscriber: Subscriber) -> None:
        subscriber.die()
        self.living = [pair for pair in self.living if pair[1] is not subscriber]

    def beat(self, times: int = 1) -> None:
        for _ in range(times):
            for balance, _ in self.living:
                balance.beat()


@pytest.fixture
def relays(context: Context, line: Line) -> Relays:
    return Relays(context, line)


LONG = SETTLED_BEATS + SILENT_BEATS + 4


def test_relays_that_join_and_die_come_to_even_shares(relays: Relays, line: Line):
    first = relays.join()
    relays.beat(LONG)
    assert line.evenness() == [8]
    relays.join()
    relays.beat(LONG)
    assert line.evenness() == [4, 4]
    relays.join()
    relays.beat(LONG)
    assert line.evenness() == [2, 3, 3]
    relays.kill(first)
    relays.beat(LONG)
    assert line.evenness() == [4, 4]


def test_who_is_where_it_belongs_moves_no_more(relays: Relays):
    subscribers = [relays.join() for _ in range(3)]
    relays.beat(LONG)
    steps = [each.steps for each in subscribers]
    relays.beat(LONG)
    assert [each.steps for each in subscribers] == steps


def test_one_that_joins_moves_nothing_before_it_has_settled(relays: Relays, line: Line):
    relays.join()
    relays.beat(LONG)
    for _ in range(5):
        hasty = relays.join()
        relays.beat(SETTLED_BEATS - 1)
        relays.kill(hasty)
    assert line.evenness() == [8]
    assert sum(subscriber.steps for _, subscriber in relays.living) == 0


def test_one_that_lost_the_broker_and_is_back_gets_its_share_again(relays: Relays, line: Line):
    subscriber = relays.join()
    relays.join()
    relays.beat(LONG)
    subscriber.lose_the_broker()
    relays.beat(LONG)
    assert line.evenness() == [8]
    for partition in range(COUNT):
        subscriber.subscribe(partition_queue(partition))
    relays.beat(LONG)
    assert line.evenness() == [4, 4]


def test_a_short_loss_of_one_connection_changes_nothing_for_long(relays: Relays, line: Line):
    subscriber = relays.join()
    relays.join()
    relays.beat(LONG)
    for queue in sorted(subscriber.active()):
        line.waiting[queue].remove(subscriber)
        subscriber.subscribe(queue)
    assert line.evenness() == [8]
    relays.beat(3)
    assert line.evenness() == [4, 4]


def test_nobody_is_gone_because_the_database_was_away(relays: Relays, line: Line, context: Context):
    relays.join(), relays.join()
    relays.beat(LONG)
    before = context.relays.agreement()
    # Nobody could beat for an hour, and then one comes first, several times.
    first, _ = relays.living[0]
    for _ in range(SILENT_BEATS):
        first.beat()
    assert context.relays.agreement().shares == before.shares
    relays.beat(LONG)
    assert context.relays.agreement().shares == before.shares


def test_one_that_says_goodbye_is_missed_at_once(relays: Relays, context: Context):
    relays.join(), relays.join()
    relays.beat(LONG)
    leaving, subscriber = relays.living[1]
    relays.kill(subscriber)
    leaving._leave()
    relays.beat()
    assert set(context.relays.agreement().shares.values()) == {relays.living[0][0].relay_id}


def test_of_two_who_share_out_at_once_one_gives_way(relays: Relays, context: Context):
    relays.join()
    relays.beat(LONG)
    seen = context.relays.agreement()
    assert context.relays.agree(seen, {0: "mine"}, gone=[])
    assert not context.relays.agree(seen, {0: "yours"}, gone=[])
    assert context.relays.agreement().shares == {0: "mine"}


def test_a_relay_works_on_without_knowing_of_others(relays: Relays, context: Context):
    class Away:
        def agreement(self):
            return context.relays.agreement()

        def beat(self, relay_id, subscriptions):
            asked.set()
            raise StoreUnavailable

        def leave(self, relay_id):
            raise StoreUnavailable

    asked = threading.Event()
    subscriber = relays.join()
    balance = Balance(
        relays=Away(), consumer=subscriber, partitions=COUNT, in_force=lambda: COUNT, active=subscriber.active
    )
    stop = threading.Event()
    with balance.kept(stop):
        assert asked.wait(10)
        stop.set()
    assert subscriber.steps == 0
