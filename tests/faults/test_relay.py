"""The relay of the partitions, killed and put to sleep while people talk."""

from collections.abc import Callable, Sequence

import pika

from chassis.bus import WorkQueue
from chassis.testing import eventually
from contracts.partitions import partition_of, partition_queue
from deploy.local.processes import PARTITIONS
from deploy.secrets import BUS_VHOST
from tests.faults.load import Bystander, Load, Run
from tests.faults.rows import IS_FULL, promised, row
from tests.faults.strikes import COMMANDS, FENCE, sleep_through_the_loss
from tests.faults.system import RELAYS, UNSUSPECTING_RELAYS, System, asleep

Note = Callable[[Run], Run]

TAKEOVER_SECONDS = 5
DELAYED_SECONDS = 2
ACTIVE = "velaro_relay_partitions_active"
SHARE = "velaro_relay_partitions_share"


@row("6", times=20, is_short=True)
def test_another_relay_takes_over_from_one_that_is_killed(system: System, load: Load, note: Note, seed: int) -> None:
    run = note(load.run(lambda: kill_the_active_one(system), seed=seed))
    assert run.longest_wait <= promised(TAKEOVER_SECONDS)
    assert not run.troubles or not IS_FULL


def kill_the_active_one(system: System) -> None:
    active = system.active_relay()
    other = next(relay for relay in RELAYS if relay != active)
    done = system.metric(other, COMMANDS)
    system.kill(active)
    eventually(lambda: system.metric(other, COMMANDS) > done, timeout=60)


@row("6 all", times=20)
def test_all_relays_killed_at_once_are_no_more_than_a_pause(system: System, load: Load, note: Note, seed: int) -> None:
    note(load.run(lambda: system.kill(*RELAYS), seed=seed))


@row("7", times=20)
def test_what_a_relay_does_after_it_lost_its_partitions_is_fenced_off(
    system: System, load: Load, note: Note, seed: int
) -> None:
    with system.instead(RELAYS, UNSUSPECTING_RELAYS):
        note(load.run(lambda: sleep_through_the_loss(system), seed=seed))


@row("7 heartbeat", times=10)
def test_another_relay_takes_over_from_one_that_is_frozen(system: System, load: Load, note: Note, seed: int) -> None:
    run = note(load.run(lambda: freeze(system), seed=seed))
    assert run.longest_wait <= TAKEOVER_SECONDS


def freeze(system: System) -> None:
    sleeper = system.active_relay()
    other = next(relay for relay in RELAYS if relay != sleeper)
    with asleep(system.pid(sleeper)):
        eventually(lambda: system.metric(other, SHARE) == PARTITIONS, timeout=30)


@row("6 shares", times=10, is_short=True)
def test_a_relay_that_joins_gets_its_share_and_leaves_it_and_nobody_notices(
    system: System, load: Load, note: Note, seed: int
) -> None:
    eventually(lambda: is_shared(system, RELAYS, [4, 4]), timeout=60)
    fenced = sum(system.metric(relay, FENCE) for relay in RELAYS)
    run = note(load.run(lambda: join_and_leave(system), seed=seed))
    assert run.longest_wait <= DELAYED_SECONDS
    assert not run.troubles
    assert sum(system.metric(relay, FENCE) for relay in RELAYS) == fenced


def join_and_leave(system: System) -> None:
    system.run("chat-relay-3")
    try:
        eventually(lambda: is_shared(system, [*RELAYS, "chat-relay-3"], [2, 3, 3]), timeout=30)
    finally:
        system.stop("chat-relay-3")
    eventually(lambda: is_shared(system, RELAYS, [4, 4]), timeout=30)


def is_shared(system: System, relays: Sequence[str], sizes: list[int]) -> bool:
    """Whether the relays have shares of these sizes, and none is active elsewhere."""
    shares = [int(system.metric(relay, SHARE)) for relay in relays]
    active = [int(system.metric(relay, ACTIVE)) for relay in relays]
    return sorted(shares) == sizes and all(has <= share for has, share in zip(active, shares, strict=True))


@row("8", times=10, is_short=True)
def test_a_message_that_cannot_be_handled_is_set_aside_and_holds_up_the_others_briefly(
    system: System, load: Load, bystander: Bystander, note: Note, seed: int
) -> None:
    with system.instead(RELAYS, ["poisonable-relay"]):
        run = note(load.run(lambda: bystander.says(f"bad-{seed}", "poison: nobody can handle this"), seed=seed))
        assert run.longest_wait <= DELAYED_SECONDS
        assert bystander.says(f"good-{seed}").status_code == 201
    assert reasons_of_buried(system, bystander.conversation_id) == ["ValueError"]


def reasons_of_buried(system: System, conversation_id: str) -> list[str]:
    """Takes everything from the dead letters of the conversation's partition; why each is there."""
    dead = WorkQueue(partition_queue(partition_of(conversation_id, PARTITIONS))).dead
    found: list[str] = []
    with pika.BlockingConnection(pika.URLParameters(system.instance.amqp_url("admin", BUS_VHOST))) as connection:
        channel = connection.channel()
        while (buried := channel.basic_get(dead, auto_ack=True))[0] is not None:
            found.append(buried[1].headers["x-reason"])
    return found
