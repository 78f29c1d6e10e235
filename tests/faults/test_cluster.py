"""Several brokers and several databases: some are killed, restarted, deposed and cut off from the others."""

import math
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest
import requests

from chassis.testing import eventually
from contracts.partitions import command_key
from deploy.local.processes import PARTITIONS
from tests.edge.people import Visitor
from tests.faults.cluster import Cluster
from tests.faults.conftest import HASTE
from tests.faults.load import Bystander, Driver, Load, Run
from tests.faults.rows import row
from tests.faults.system import FOLDER, RELAYS, started
from tests.ledger.ledger import Entry

Note = Callable[[Run], Run]

PAUSE_SECONDS = 10
WRITE_PAUSE_SECONDS = 12
NO_HANG_SECONDS = 30
ISOLATION_SECONDS = 30
PARTED_SECONDS = 12
REFUSALS = 3


@pytest.fixture(scope="module")
def system() -> Iterator[Cluster]:
    with started(Cluster, FOLDER / "cluster") as broken:
        yield broken


@pytest.fixture(scope="module")
def driver(system: Cluster) -> Iterator[Driver]:
    one = Driver(system)
    yield one
    one.close()


@pytest.fixture(scope="module")
def load(driver: Driver) -> Iterator[Load]:
    with Load(driver, haste=HASTE) as talking:
        yield talking


@pytest.fixture
def bystander(system: Cluster, driver: Driver, load: Load) -> Bystander:
    return Bystander.arrived(system, driver)


@pytest.fixture(autouse=True)
def whole(system: Cluster) -> Iterator[None]:
    """Each test begins with all servers, which have all there is."""
    system.wait_until_whole()
    eventually(lambda: all(map(system.is_ready, RELAYS)), timeout=60, every=0.2)
    yield
    for door in system.lines:
        door.heal()


@row("11 leader", times=20)
def test_the_loss_of_the_broker_that_leads_is_a_short_pause(
    system: Cluster, load: Load, bystander: Bystander, note: Note, seed: int
) -> None:
    opened: list[float] = []

    def strike() -> None:
        leader = system.busiest_broker()
        system.kill_brokers(leader)
        opened.append(seconds_to_open(bystander.visitor))
        system.run_brokers(leader)

    run = note(load.run(strike, seed=seed))
    assert run.longest_wait <= PAUSE_SECONDS
    assert opened[0] <= PAUSE_SECONDS


def seconds_to_open(visitor: Visitor) -> float:
    """How long it takes until somebody who asks again and again has a conversation."""
    began = time.monotonic()
    body = {"acknowledged_policy_version": visitor.config()["policy"]["version"]}
    eventually(
        lambda: visitor.edge.post("/api/v1/widget/conversations", body).status_code == 201, timeout=60, every=0.2
    )
    return time.monotonic() - began


@row("11 majority", times=20)
def test_the_loss_of_most_brokers_is_a_clear_refusal_and_no_loss(
    system: Cluster, load: Load, bystander: Bystander, note: Note, seed: int
) -> None:
    lost = random.Random(seed).sample(sorted(system.members), 2)
    answers: list[requests.Response] = []

    def strike() -> None:
        system.kill_brokers(*lost)
        answers.extend(bystander.says(f"refused-{seed}-{number}") for number in range(REFUSALS))
        system.run_brokers(*lost)
        system.wait_until_whole()

    note(load.run(strike, seed=seed))
    for answer in answers:
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.elapsed.total_seconds() < NO_HANG_SECONDS


@row("11 halves", times=20)
def test_a_broker_that_is_cut_off_from_the_others_is_a_short_pause(
    system: Cluster, load: Load, note: Note, seed: int
) -> None:
    run = note(load.run(lambda: cut_off(system, load, system.busiest_broker()), seed=seed))
    assert run.longest_wait <= PAUSE_SECONDS


def cut_off(system: Cluster, load: Load, number: int) -> None:
    with system.parted(number, *(other for other in system.members if other != number)):
        eventually(lambda: system.is_paused(number), timeout=PARTED_SECONDS)
        load.wait(PARTED_SECONDS)


@row("11 ring", times=20)
def test_brokers_of_which_two_have_lost_each_other_lose_nothing(
    system: Cluster, load: Load, note: Note, seed: int
) -> None:
    one, other = random.Random(seed).sample(sorted(system.members), 2)

    def strike() -> None:
        with system.parted(one, other):
            load.wait(PARTED_SECONDS)
        system.wait_until_whole()

    note(load.run(strike, seed=seed))


@row("13", times=10)
def test_each_conversation_stays_on_its_partition_while_all_brokers_are_restarted(
    system: Cluster, load: Load, note: Note, seed: int
) -> None:
    stops: list[tuple[float, float]] = []

    def restart_all() -> None:
        for number, member in system.members.items():
            began = time.monotonic()
            system.stop(member.broker)
            stops.append((began, time.monotonic()))
            system.run_brokers(number)
            system.wait_until_whole()

    with system.mirrored_commands() as seen:
        run = note(load.run(restart_all, seed=seed, patience=120))
    keys = defaultdict(set)
    for copy in seen:
        keys[copy.conversation_id].add(copy.key)
    for conversation_id, found in keys.items():
        assert found == {command_key(conversation_id, PARTITIONS)}
    assert keys.keys() >= set(load.conversation_ids)
    copied = {copy.client_id for copy in seen}
    missing = [entry for entry in run.outcome.ledger.entries.values() if entry.client_id not in copied]
    assert [entry for entry in missing if not was_under_way(entry, stops)] == []


def was_under_way(entry: Entry, stops: list[tuple[float, float]]) -> bool:
    """Whether a broker stopped meanwhile.

    Of what is under way on a connection that is cut, a partition may have what the queue of copies has not, and who
    has chat's event does not say it again.
    """
    return any(entry.sent_at <= ended and began <= (entry.acknowledged_at or math.inf) for began, ended in stops)


@row("16 kill", times=20)
def test_the_loss_of_the_primary_is_a_short_pause(system: Cluster, load: Load, note: Note, seed: int) -> None:
    run = note(load.run(lambda: system.kill_primary(), seed=seed))
    assert run.longest_wait <= WRITE_PAUSE_SECONDS


@row("16 step down", times=20)
def test_a_primary_that_steps_down_is_a_short_pause(system: Cluster, load: Load, note: Note, seed: int) -> None:
    run = note(load.run(system.step_down, seed=seed))
    assert run.longest_wait <= WRITE_PAUSE_SECONDS


@row("17", times=20)
def test_nothing_that_was_acknowledged_is_rolled_back_with_an_isolated_primary(
    system: Cluster, load: Load, note: Note, seed: int
) -> None:
    followed: list[bool] = []

    def strike() -> None:
        old = system.primary()
        with system.isolated(old):
            load.wait(ISOLATION_SECONDS)
            followed.append(system.primary() != old)
        system.wait_until_whole()

    note(load.run(strike, seed=seed, patience=90))
    assert followed == [True]
