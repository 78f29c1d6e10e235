"""The proof that the rows can fail: with a safeguard switched off, and whatever else would make up for it, one does.

Each is switched off in the database, at the broker or in a process that a test starts; there is no
switch in the software itself.
"""

import pytest

from chassis.testing import eventually
from deploy.local.processes import PARTITIONS
from deploy.secrets import BUS_VHOST, TASKS_VHOST
from services.chat.store import ConversationStore
from tests.faults.load import Driver, Load
from tests.faults.rows import SEED
from tests.faults.strikes import (
    archived,
    kill_database,
    kill_in_the_middle_of_archiving,
    lose_events,
    sleep_through_the_loss,
)
from tests.faults.system import RELAYS, UNSUSPECTING_RELAYS, System

pytestmark = pytest.mark.full_form

TRIES = 5
LONG_ENOUGH_SECONDS = 15
HURRY = 0.02


def test_without_confirms_a_closed_conversation_never_gets_its_transcript(system: System, driver: Driver) -> None:
    with system.instead(RELAYS, ["relay-without-confirms"]), Load(driver) as load:
        lose_events(system, load.close_conversations)
        with pytest.raises(AssertionError):
            eventually(lambda: load.sealed() == len(load.pairs), timeout=LONG_ENOUGH_SECONDS)


def test_without_the_unique_indexes_a_late_relay_writes_everything_twice(system: System, driver: Driver) -> None:
    with system.instead(RELAYS, UNSUSPECTING_RELAYS), Load(driver) as load:
        drop_fences(system)
        try:
            run = load.run(lambda: sleep_through_the_loss(system, until=lambda: has_doubles(system, load)), seed=SEED)
        finally:
            restore_fences(system, load)
    assert run.verdict["duplicated"]


def drop_fences(system: System) -> None:
    with system.database("chat") as database:
        for name, index in database["messages"].index_information().items():
            if index.get("unique"):
                database["messages"].drop_index(name)


def has_doubles(system: System, load: Load) -> bool:
    with system.database("chat") as database:
        mine = {"conversation_id": {"$in": load.conversation_ids}}
        by_client = {"_id": {"conversation": "$conversation_id", "client": "$client_id"}, "times": {"$sum": 1}}
        doubled = [{"$match": mine}, {"$group": by_client}, {"$match": {"times": {"$gt": 1}}}]
        return bool(list(database["messages"].aggregate(doubled)))


def restore_fences(system: System, load: Load) -> None:
    with system.database("chat") as database:
        database["messages"].delete_many({"conversation_id": {"$in": load.conversation_ids}})
        ConversationStore(database).ensure_indexes()


def test_without_a_single_active_consumer_a_senders_messages_change_places(system: System, driver: Driver) -> None:
    """Those that are under way at the same time: while each waits for the last one's answer, as it does, none are."""
    both = ["relay-without-single-active", "relay-without-single-active-2"]
    system.stop(*RELAYS)
    delete_partitions(system)
    try:
        with system.instead(["gateway"], ["gateway-without-turns", *both]):
            assert change_places(driver)
    finally:
        delete_partitions(system)
        system.run(*RELAYS)


def test_with_one_they_keep_their_places_though_all_are_under_way_at_once(system: System, driver: Driver) -> None:
    with system.instead(["gateway"], ["gateway-without-turns"]):
        assert not change_places(driver)


def change_places(driver: Driver) -> bool:
    with Load(driver) as load:
        runs = (load.run(lambda: None, seed=SEED + attempt, pause=HURRY) for attempt in range(TRIES))
        return any(run.verdict["reordered"] for run in runs)


def delete_partitions(system: System) -> None:
    for partition in range(PARTITIONS):
        system.control_broker("delete_queue", "-p", BUS_VHOST, f"chat.p.{partition:02d}")


def test_without_late_acks_a_job_dies_with_its_worker(system: System, driver: Driver) -> None:
    worker = "worker-without-late-acks"
    with system.instead(["transcripts-beat", "transcripts-worker"], [worker]), Load(driver) as load:
        eventually(lambda: system.queue_length("transcripts.tasks", TASKS_VHOST) == 0, timeout=60, every=0.5)
        load.judge_transcripts()
        kill_in_the_middle_of_archiving(system, load, worker)
        with pytest.raises(AssertionError):
            eventually(lambda: archived(system, load) == len(load.pairs), timeout=LONG_ENOUGH_SECONDS)


def test_without_a_majority_what_was_acknowledged_dies_with_the_database(system: System, driver: Driver) -> None:
    """One member is a majority, so what is switched off here is that it has to be in its journal."""
    with system.instead(RELAYS, ["relay-without-majority"]), Load(driver) as load:
        assert any(not survives(system, load, attempt) for attempt in range(TRIES))


def survives(system: System, load: Load, attempt: int) -> bool:
    """Whether nothing is missing after a kill. Whoever waits for a number that another message has waits in vain."""
    run = load.run(lambda: kill_database(system), seed=SEED + attempt, pause=HURRY, patience=20)
    return run.verdict.is_clean and not run.unanswered
