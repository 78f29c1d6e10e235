"""Disks that are full: of the database, and of the processes that should not need one."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pymongo.errors
import requests

from chassis.testing import eventually
from deploy.local.waiting import accepts_connections
from tests.faults.disks import MIB, Disk, small_disk
from tests.faults.load import Bystander, Driver, Load, Run
from tests.faults.rows import row
from tests.faults.system import RELAYS, System

Note = Callable[[Run], Run]

# A database that died makes itself a journal of 100 MiB, and perhaps one more, before it reads what it has.
DATABASE_ROOM, LITTLE_ROOM = 512 * MIB, 16 * MIB
FULL_SECONDS = 5
CHANGED = ("relay-on-small-disk", "consumer-on-small-disk", "gateway-on-small-disk")


@row("28 mongod", times=5)
def test_a_database_whose_disk_is_full_refuses_and_has_everything_when_there_is_room_again(
    system: System, driver: Driver, note: Note, seed: int
) -> None:
    with database_on_small_disk(system) as disk, Load(driver) as load:
        bystander = Bystander.arrived(system, driver)
        answers: list[requests.Response] = []
        note(load.run(lambda: answers.append(fill_database(system, disk, load, bystander)), seed=seed, patience=120))
        load.judge_transcripts()
        assert_sound(system)
    assert answers[0].status_code == 503
    assert int(answers[0].headers["Retry-After"]) > 0


@contextmanager
def database_on_small_disk(system: System) -> Iterator[Disk]:
    system.stop("mongod")
    try:
        with small_disk(system.instance.folder("mongo/data"), room=DATABASE_ROOM) as disk:
            try:
                start_database(system)
                yield disk
            finally:
                disk.free()
                system.stop("mongod")
    finally:
        start_database(system)


def start_database(system: System) -> None:
    system.supervisor.run("mongod")
    eventually(lambda: accepts_connections(system.instance.ports.mongo), timeout=60)
    eventually(lambda: all(map(system.is_ready, RELAYS)), timeout=60, every=0.2)


def fill_database(system: System, disk: Disk, load: Load, bystander: Bystander) -> requests.Response:
    """Until somebody is refused: what the database had room for beforehand it goes on to use."""
    try:
        use_up(system, disk)
        answer = eventually(lambda: refusals(bystander), timeout=60)[0]
        load.wait(FULL_SECONDS)
    finally:
        disk.free()
    eventually(lambda: accepts_connections(system.instance.ports.mongo), timeout=60)
    return answer


def use_up(system: System, disk: Disk) -> None:
    """Fill the disk, and write until the database can take no more, of which it dies."""
    with system.database("faults") as database:
        ballast = database["ballast"]
        ballast.insert_one({})
        disk.fill()
        try:
            while True:
                ballast.insert_one({"bytes": os.urandom(MIB)})
        except pymongo.errors.PyMongoError:
            return


def refusals(bystander: Bystander) -> list[requests.Response]:
    answer = bystander.asks()
    return [] if answer.ok else [answer]


def assert_sound(system: System) -> None:
    """The database finds nothing wrong with what it has on its disk."""
    for name in ("chat", "transcripts", "accounts"):
        with system.database(name) as database:
            found = [database.validate_collection(each, full=True) for each in database.list_collection_names()]
        assert all(one["valid"] for one in found), found


@row("28 others", times=5)
def test_relay_consumer_and_gateway_need_no_room_on_a_disk(
    system: System, driver: Driver, note: Note, seed: int
) -> None:
    """Not even to start: a worker of the gateway is killed meanwhile. Their logs get lost, and nothing else."""
    with small_disk(system.small_disk, room=LITTLE_ROOM) as disk:
        disk.fill()
        with system.instead([*RELAYS, "transcripts-consumer", "gateway"], CHANGED), Load(driver) as load:
            note(load.run(lambda: kill_a_worker(system, load), seed=seed))
            load.judge_transcripts()
            assert disk.is_full


def kill_a_worker(system: System, load: Load) -> None:
    old = system.gateway_workers("gateway-on-small-disk")
    os.kill(old[0], signal.SIGKILL)
    eventually(lambda: len(system.gateway_workers("gateway-on-small-disk")) == len(old), timeout=30)
    load.wait(FULL_SECONDS)
