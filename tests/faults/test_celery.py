"""Celery: its worker is killed in the middle of archiving, and two beats tell the time."""

from collections.abc import Callable

from chassis.testing import eventually
from deploy.secrets import TASKS_VHOST
from tests.faults.load import Driver, Load, Run
from tests.faults.rows import row
from tests.faults.strikes import ARCHIVE, archived, kill_in_the_middle_of_archiving
from tests.faults.system import System

Note = Callable[[Run], Run]

WORKER = "slow-transcripts-worker"
SOME_SLOTS_SECONDS = 9


@row("21", times=20)
def test_an_archive_job_whose_worker_is_killed_is_done_by_the_next_one(
    system: System, driver: Driver, note: Note, seed: int
) -> None:
    with system.instead(["transcripts-beat", "transcripts-worker"], [WORKER]), Load(driver) as load:
        eventually(lambda: system.queue_length("transcripts.tasks", TASKS_VHOST) == 0, timeout=60, every=0.5)
        note(load.run(lambda: None, seed=seed))
        load.judge_transcripts()
        kill_in_the_middle_of_archiving(system, load, WORKER)
        eventually(lambda: archived(system, load) == len(load.pairs), timeout=60)
        # Reading checks the digest over all messages.
        load.judge_transcripts()
        assert archives(system, load) == len(load.pairs)


def archives(system: System, load: Load) -> int:
    with system.database("transcripts") as database:
        mine = {"conversation_id": {"$in": load.conversation_ids}}
        each = {"_id": {"conversation": "$conversation_id", "content": "$compressed_digest"}}
        return len(list(database["archives"].aggregate([{"$match": mine}, {"$group": each}])))


@row("23", times=5)
def test_two_beats_do_everything_once(system: System, load: Load, note: Note, seed: int) -> None:
    jobs, slots = jobs_done(system), slots_claimed(system)
    system.run("transcripts-beat-2")
    try:
        note(load.run(lambda: load.wait(SOME_SLOTS_SECONDS), seed=seed))
    finally:
        system.stop("transcripts-beat-2")
    system.stop("transcripts-beat")
    eventually(lambda: system.queue_length("transcripts.tasks", TASKS_VHOST) == 0, timeout=60, every=0.5)
    claimed = slots_claimed(system) - slots
    assert claimed >= SOME_SLOTS_SECONDS // 2
    assert jobs_done(system) - jobs == claimed
    system.run("transcripts-beat")


def jobs_done(system: System) -> int:
    return (system.instance.folder("log") / "transcripts-worker.log").read_text().count("archive job done")


def slots_claimed(system: System) -> int:
    with system.database("transcripts") as database:
        return database["task_slots"].count_documents({"name": ARCHIVE})
