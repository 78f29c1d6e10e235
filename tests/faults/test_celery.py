"""Celery: its worker and its broker are killed in the middle of the work, and two beats tell the time."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from pymongo.database import Database

from chassis.tasks import make_celery
from chassis.testing import eventually
from deploy.secrets import TASKS_VHOST
from tests.faults import effects
from tests.faults.load import Driver, Load, Run
from tests.faults.rows import row
from tests.faults.strikes import ARCHIVE, archived, kill_broker, kill_in_the_middle_of_archiving
from tests.faults.system import System, asleep

Note = Callable[[Run], Run]

WORKER = "slow-transcripts-worker"
QUEUED, DELAYED = 1000, 200
MOST_DELAY_SECONDS = 25
SOME_EFFECTS = 50
LATE_SECONDS = 10
SOME_SLOTS_SECONDS, EVERY_SECONDS = 9, 2


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


@row("22", times=10)
def test_what_waits_is_all_done_when_the_broker_was_killed(system: System, load: Load, note: Note, seed: int) -> None:
    """Each takes effect once. It may be done twice, so a task has to know its own effect again; the same here."""
    with system.database(effects.DATABASE) as database:
        errand = Errand(system, database, random.Random(seed))
        note(load.run(errand.run, seed=seed, patience=180))
    print(f"row 22, seed {seed}: {errand.repeats} tasks were done twice")
    assert errand.names == errand.done.keys()
    assert max(errand.delays()) <= LATE_SECONDS


class Errand:
    """Tasks that wait for a worker, and work that waits for its time, when the broker is killed."""

    def __init__(self, system: System, database: Database[Any], chance: random.Random) -> None:
        self._system = system
        self._url = system.instance.amqp_url("admin", TASKS_VHOST)
        self._effects, self._waiting = database[effects.EFFECTS], database[effects.WAITING]
        self._effects.drop()
        self._waiting.drop()
        self._delays = {f"delayed-{number}": chance.uniform(1, MOST_DELAY_SECONDS) for number in range(DELAYED)}
        self._due: dict[str, float] = {}
        self._came_back = 0.0
        self.names = {*self._delays, *(f"queued-{number}" for number in range(QUEUED))}
        self.done: dict[str, float] = {}
        self.repeats = 0

    def run(self) -> None:
        self._hand_out()
        for process in (effects.WORKER, effects.BEAT):
            self._system.supervisor.run(process)
        try:
            eventually(lambda: self._count() >= SOME_EFFECTS, timeout=60)
            assert self._count() < QUEUED, "it was too late to kill the broker"
            kill_broker(self._system)
            self._came_back = time.time()
            eventually(lambda: self._count() >= len(self.names), timeout=120, every=0.5)
        finally:
            self._system.stop(effects.WORKER, effects.BEAT)
        found = list(self._effects.find())
        self.done = {effect["_id"]: effect["at"].timestamp() for effect in found}
        self.repeats = sum(effect["repeats"] for effect in found)

    def delays(self) -> Iterator[float]:
        """Seconds from when each was due, or the broker back if that was later, to when it was done."""
        for name, due in self._due.items():
            yield self.done[name] - max(due, self._came_back)

    def _hand_out(self) -> None:
        celery = make_celery(effects.SERVICE, broker_url=self._url)
        with celery.connection_for_write() as connection:
            effects.declare(celery, connection)
            for name in sorted(self.names - self._delays.keys()):
                celery.send_task(effects.TAKE_EFFECT, [name], connection=connection)
        celery.close()
        # As all of ours do that have a time: with it, in a database.
        self._due = {name: time.time() + delay for name, delay in self._delays.items()}
        self._waiting.insert_many(
            {"_id": name, "due_at": datetime.fromtimestamp(due, UTC)} for name, due in self._due.items()
        )

    def _count(self) -> int:
        return int(self._effects.count_documents({}))


@row("23", times=5)
def test_two_beats_do_everything_once(system: System, load: Load, note: Note, seed: int) -> None:
    with each_slot_done_once(system, seconds=SOME_SLOTS_SECONDS), system.instead([], ["transcripts-beat-2"]):
        note(load.run(lambda: load.wait(SOME_SLOTS_SECONDS), seed=seed))


@row("23 asleep", times=5)
def test_a_beat_that_wakes_up_while_another_goes_on_does_nothing_again(
    system: System, load: Load, note: Note, seed: int
) -> None:
    with each_slot_done_once(system, seconds=SOME_SLOTS_SECONDS), system.instead([], ["transcripts-beat-2"]):
        note(load.run(lambda: oversleep(system, load), seed=seed))


def oversleep(system: System, load: Load) -> None:
    with asleep(system.pid("transcripts-beat")):
        load.wait(SOME_SLOTS_SECONDS)


@row("23 clock", times=5)
def test_a_beat_whose_clock_is_set_ahead_and_back_fires_on_and_everything_is_done_once(
    system: System, load: Load, note: Note, seed: int
) -> None:
    with system.instead(["transcripts-beat"], ["beat-with-wrong-clock"]):
        for minutes in random.Random(seed).sample((-5.0, 5.0), 2):
            with each_slot_done_once(system, seconds=SOME_SLOTS_SECONDS), system.wrong_clocks(minutes):
                note(load.run(lambda: load.wait(SOME_SLOTS_SECONDS), seed=seed))


@contextmanager
def each_slot_done_once(system: System, *, seconds: float) -> Iterator[None]:
    """What beats fire in it, for so many seconds, is done: a job for nearly each slot, and no slot without."""
    jobs, slots = eventually(lambda: quiet(system), timeout=60, every=0.2)
    yield
    claimed = eventually(lambda: settled(system, jobs, slots), timeout=60)
    assert claimed >= seconds // EVERY_SECONDS // 2


def quiet(system: System) -> tuple[int, int] | None:
    """Jobs and slots so far, at a moment when none is under way."""
    before = (jobs_done(system), slots_claimed(system))
    is_empty = system.queue_length("transcripts.tasks", TASKS_VHOST) == 0
    return before if is_empty and before == (jobs_done(system), slots_claimed(system)) else None


def settled(system: System, jobs: int, slots: int) -> int:
    """How many slots were claimed since, if a job was done for each."""
    claimed = slots_claimed(system) - slots
    return claimed if jobs_done(system) - jobs == claimed == slots_claimed(system) - slots else 0


def jobs_done(system: System) -> int:
    return (system.instance.folder("log") / "transcripts-worker.log").read_text().count("archive job done")


def slots_claimed(system: System) -> int:
    with system.database("transcripts") as database:
        return database["task_slots"].count_documents({"name": ARCHIVE})
