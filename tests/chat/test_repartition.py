"""Changing the number of partitions, on a real broker and a real database, with talk before and after."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from chassis.auth import new_key
from chassis.bus import Bus, Unroutable, Upkeep
from chassis.testing import eventually
from contracts.partitions import command_key
from services.chat.bootstrap import Context
from services.chat.consumer import dead_letters
from services.chat.relay import partition_queues
from services.chat.repartition import StillInUse, repartition
from tests.chat.builders import CUSTOMER, VISITOR, a_post, an_opening

# They share a virtual host, and each begins by clearing it.
pytestmark = pytest.mark.xdist_group("repartition")

CONVERSATIONS = [f"r{number}" for number in range(12)]


@pytest.fixture
def url(servers) -> str:
    """A virtual host in which nobody has ever been, or only this module."""
    return servers.amqp_url("admin", "test-58")


@pytest.fixture
def upkeep(url: str) -> Iterator[Upkeep]:
    with Upkeep(url, service="chat") as made:
        for queue in partition_queues(100):
            for name in (queue.name, queue.dead):
                made.remove(name)
        yield made


@pytest.fixture
def bus(url: str) -> Iterator[Bus]:
    made = Bus(url, service="gateway")
    made.start()
    assert made.wait_until_up()
    yield made
    made.close()


class Told(list):
    def __call__(self, line: str) -> None:
        self.append(line)


@pytest.fixture
def start(context: Context, url: str):
    """Starts processes of chat with some number of partitions; ends those that are left."""
    started: list[subprocess.Popen] = []

    def start(*command: str, partitions: int = 8) -> subprocess.Popen:
        environment = os.environ | {
            "VELARO_AMQP_URL": url,
            "VELARO_MONGO_URL": context.settings.mongo_url.get_secret_value(),
            "VELARO_SERVICE_KEY": new_key("chat"),
            "VELARO_SERVICE_KEYS": context.settings.service_keys,
            "VELARO_PARTITIONS": str(partitions),
        }
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "services.chat", *command],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def outcome(process: subprocess.Popen) -> tuple[int, str]:
    said, complained = process.communicate(timeout=60)
    return process.returncode, said + complained


class Talk:
    """Somebody in every conversation who says one thing after another, and says again what was refused."""

    def __init__(self, bus: Bus, context: Context) -> None:
        self._bus = bus
        self._context = context
        self.said = 0

    def open(self, count: int) -> None:
        for name in CONVERSATIONS:
            eventually(lambda name=name: self._takes(an_opening(conversation_id=name), count), timeout=30)

    def say(self, count: int, times: int = 20) -> None:
        for _ in range(times):
            self.said += 1
            for name in CONVERSATIONS:
                post = a_post(f"{self.said}", conversation_id=name, client_id=f"{name}-{self.said}")
                eventually(lambda post=post: self._takes(post, count), timeout=30)

    def is_refused(self, count: int) -> bool:
        refused = a_post("into the void", conversation_id="nobody")
        return isinstance(self._bus.send(refused, queue=command_key("nobody", count)).exception(10), Unroutable)

    def assert_all_is_stored_in_order(self) -> None:
        expected = [(number, f"{number}") for number in range(1, self.said + 1)]
        for name in CONVERSATIONS:
            eventually(lambda name=name: len(self._log(name)) >= self.said, timeout=30)
            assert self._log(name) == expected

    def _log(self, name: str) -> list[tuple[int, str]]:
        return [(message.seq, message.text) for message in self._context.conversations.log(CUSTOMER, name)]

    def _takes(self, command, count: int) -> bool:
        return self._bus.send(command, queue=command_key(command.conversation_id, count)).exception(10) is None


def change(context: Context, upkeep: Upkeep, wanted: int, *, patience: float = 1) -> Told:
    told = Told()
    repartition(wanted, conversations=context.conversations, upkeep=upkeep, say=told, patience=patience)
    return told


def there(upkeep: Upkeep) -> list[str]:
    return [queue.name for queue in partition_queues(100) if upkeep.depth(queue.name)]


def test_talk_goes_on_in_order_from_eight_to_twelve_partitions_and_down_to_five(context, upkeep, bus, start):
    talk = Talk(bus, context)
    relay = start("relay", partitions=8)
    talk.open(8)
    for before, after in ((8, 12), (12, 5)):
        talk.say(before)
        changing = start("repartition", str(after))
        eventually(lambda before=before: talk.is_refused(before), timeout=30)
        relay.terminate()
        assert outcome(changing)[0] == 0
        assert outcome(relay)[0] == 0
        assert talk.is_refused(before)
        relay = start("relay", partitions=after)
        talk.say(after)
        talk.assert_all_is_stored_in_order()
        assert len(there(upkeep)) == after


def test_it_does_not_go_on_while_a_relay_consumes_the_old_partitions(context, upkeep, bus, start):
    start("relay")
    Talk(bus, context).open(8)
    with pytest.raises(StillInUse, match="Stop all relays"):
        change(context, upkeep, 12)
    assert context.conversations.partitions_in_force(8) == 8


def test_it_does_not_go_on_while_the_old_partitions_hold_commands(context, upkeep, bus):
    upkeep.declare(partition_queues(8))
    Talk(bus, context).say(8, times=1)
    with pytest.raises(StillInUse, match=f"{len(CONVERSATIONS)} commands are in the old partitions"):
        change(context, upkeep, 12)
    assert context.conversations.partitions_in_force(8) == 8


def test_no_relay_starts_in_between_and_one_may_go_back(context, upkeep, bus, start):
    upkeep.declare(partition_queues(8))
    talk = Talk(bus, context)
    talk.say(8, times=1)
    with pytest.raises(StillInUse):
        change(context, upkeep, 12)
    status, said = outcome(start("relay"))
    assert status == 78
    assert "The number of partitions is being changed to 12" in said
    assert talk.is_refused(8)

    change(context, upkeep, 8)
    relay = start("relay")
    eventually(lambda: sum(upkeep.depth(queue.name).messages for queue in partition_queues(8)) == 0, timeout=30)
    assert relay.poll() is None
    assert not talk.is_refused(8)


def test_it_may_be_killed_anywhere_and_run_again(context, upkeep, start):
    upkeep.declare(partition_queues(8))
    for pause in (0.3, 0.6, 0.9, 1.2, 1.5):
        changing = start("repartition", "12")
        try:
            changing.wait(pause)
        except subprocess.TimeoutExpired:
            changing.send_signal(signal.SIGKILL)
            changing.wait(10)
    assert outcome(start("repartition", "12"))[0] == 0
    assert outcome(start("repartition", "12"))[0] == 0
    assert context.conversations.partitions_in_force(12) == 12
    assert context.conversations.partitions_to_come() is None
    assert len(there(upkeep)) == 12


class Killed(Exception):
    pass


class Dying:
    """An upkeep, or a store, after whose call number ``last`` the process is no more."""

    def __init__(self, real: object, calls: list[int], last: int) -> None:
        self._real = real
        self._calls = calls
        self._last = last

    def __getattr__(self, name: str):
        def call(*arguments, **options):
            if len(self._calls) >= self._last:
                raise Killed
            self._calls.append(1)
            return getattr(self._real, name)(*arguments, **options)

        return call


@pytest.mark.parametrize("last", [0, 1, 2, 5, 10, 19, 20, 30])
def test_wherever_it_dies_the_second_run_finishes_it(context, upkeep, last):
    upkeep.declare(partition_queues(4))
    context.conversations.begin_repartition(4), context.conversations.finish_repartition(4)
    calls: list[int] = []
    store, hand = Dying(context.conversations, calls, last), Dying(upkeep, calls, last)
    with pytest.raises(Killed):
        repartition(3, conversations=store, upkeep=hand, say=Told(), patience=1)
    change(context, upkeep, 3)
    assert context.conversations.partitions_in_force(3) == 3
    assert there(upkeep) == [queue.name for queue in partition_queues(3)]


def test_a_relay_that_slept_through_the_change_ends_when_it_wakes_up(context, upkeep, start):
    upkeep.declare(partition_queues(8))
    relay = start("relay")
    eventually(lambda: all(upkeep.depth(queue.name).consumers for queue in partition_queues(8)), timeout=30)
    relay.send_signal(signal.SIGSTOP)
    eventually(lambda: not any(upkeep.depth(queue.name).consumers for queue in partition_queues(8)), timeout=30)
    change(context, upkeep, 12)
    relay.send_signal(signal.SIGCONT)
    status, said = outcome(relay)
    assert status == 78
    assert "VELARO_PARTITIONS is 8, but this installation has 12" in said


def test_what_rests_in_a_queue_no_longer_used_is_kept_and_told_of(context, upkeep, bus):
    upkeep.declare(partition_queues(8))
    rest = partition_queues(8)[7].dead
    assert bus.send(a_post(), queue=command_key("x", 8)).exception(10) is None
    upkeep._channel.basic_publish("", rest, b"buried")
    eventually(lambda: upkeep.depth(rest).messages == 1)
    for queue in partition_queues(8):
        upkeep._channel.queue_purge(queue.name)
    told = change(context, upkeep, 5)
    assert f"{rest} is not removed: it holds 1 messages for 0 consumers." in told
    assert upkeep.depth(rest).messages == 1


def test_what_rests_in_a_queue_no_longer_used_is_erased_with_its_visitor(context, upkeep, url):
    upkeep.declare(partition_queues(8))
    rest = partition_queues(8)[7].dead
    for visitor_id in (VISITOR.id, "another"):
        upkeep._channel.basic_publish("", rest, f'{{"visitor_id": "{visitor_id}"}}'.encode())
    eventually(lambda: upkeep.depth(rest).messages == 2)
    change(context, upkeep, 5)

    resting = dead_letters(context.settings.model_copy(update={"amqp_url": SecretStr(url), "partitions": 5}))

    assert resting.discard([VISITOR.id]) == {VISITOR.id: 1}
    assert upkeep.depth(rest).messages == 1
    resting.close()


@pytest.mark.parametrize("number", ["0", "101"])
def test_a_number_that_cannot_be_is_refused(start, number):
    status, said = outcome(start("repartition", number))
    assert (status, said) == (64, "there may be 1 to 100 partitions\n")
