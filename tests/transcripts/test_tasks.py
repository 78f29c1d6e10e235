"""The tasks in real Celery workers, which are killed like any other process."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from celery import Celery
from pydantic import SecretStr
from pymongo import MongoClient

from chassis.bus import Upkeep
from chassis.clock import now
from chassis.tasks import make_celery
from chassis.testing import eventually
from services.transcripts import actions, tasks
from services.transcripts.bootstrap import Context
from services.transcripts.settings import Settings
from services.transcripts.store import TranscriptStore
from tests.transcripts.builders import Dialogue
from tests.transcripts.fakes import ChatServer, environment_of


@pytest.fixture
def settings(settings: Settings, amqp_url: str) -> Settings:
    return settings.model_copy(
        update={
            "tasks_url": SecretStr(amqp_url),
            "archive_after": timedelta(0),
            "archive_every": timedelta(days=1),
            "seal_late_every": timedelta(days=1),
        }
    )


@pytest.fixture
def sender(amqp_url: str, administrator: MongoClient) -> Iterator[Celery]:
    """Sends tasks as somebody at a prompt would; their queue is empty at first."""
    # The transaction of a killed process holds its documents for a minute otherwise.
    administrator.admin.command("setParameter", 1, transactionLifetimeLimitSeconds=6)
    celery = make_celery("transcripts", broker_url=amqp_url)
    celery.control.purge()
    yield celery
    celery.close()


class Process:
    """A Celery process and all its children, and what they have said."""

    def __init__(self, settings: Settings, log: Path, *arguments: str) -> None:
        self._log = log
        command = [sys.executable, "-m", "celery", "-A", "services.transcripts.tasks:celery", *arguments]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command, env=environment_of(settings), stdout=output, stderr=output, start_new_session=True
            )

    def said(self, words: str) -> int:
        return len(re.findall(words, self._log.read_text()))

    def kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def kill_children(self) -> None:
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        for child in children.split():
            os.kill(int(child), signal.SIGKILL)

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()


@pytest.fixture
def start(settings: Settings, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def start_process(*arguments: str, **changes: object) -> Process:
        log = tmp_path / f"{len(started)}.log"
        started.append(Process(settings.model_copy(update=changes), log, *arguments))
        return started[-1]

    yield start_process
    for process in started:
        process.stop()


@pytest.fixture
def start_worker(start: Callable[..., Process]) -> Callable[..., Process]:
    names = count()
    return lambda **changes: start("worker", "--concurrency=1", f"--hostname={next(names)}@tests", **changes)


def sealed(count: int, *, store: TranscriptStore, length: int = 3) -> list[Dialogue]:
    dialogues = [Dialogue([f"{number} {seq}" for seq in range(length)]) for number in range(count)]
    for dialogue in dialogues:
        actions.record(dialogue.events, store=store)
        actions.seal_transcript(dialogue.closed, store=store, fetch=chat_unasked, now=now())
    return dialogues


def chat_unasked(customer_id: str, conversation_id: str) -> list[object]:
    raise AssertionError("chat was asked")


def archived(context: Context) -> int:
    return context.database["transcripts"].count_documents({"storage": "archived"})


def assert_all_archived_once(dialogues: list[Dialogue], context: Context) -> None:
    assert context.database["messages"].count_documents({}) == 0
    assert context.database["archives"].count_documents({}) == len(dialogues)
    for dialogue in dialogues:
        transcript, messages = actions.show_transcript("acme", dialogue.conversation_id, store=context.store)
        assert transcript.storage == "archived"
        assert [message.text for message in messages] == [message.text for message in dialogue.messages]


def test_a_job_killed_in_the_middle_is_finished_once_by_another_worker(
    context: Context, sender: Celery, start_worker: Callable[..., Process]
):
    dialogues = sealed(120, store=context.store)
    sender.send_task(tasks.ARCHIVE_TRANSCRIPTS)
    first = start_worker()
    eventually(lambda: archived(context) >= 10, timeout=60, every=0.005)
    first.kill()
    assert 10 <= archived(context) < 120
    second = start_worker()
    eventually(lambda: second.said("archive job done"), timeout=60)
    assert archived(context) >= 120 - actions.ARCHIVE_THREADS
    # What the killed one was in the middle of is free when its transaction has expired.
    eventually(lambda: sender.send_task(tasks.ARCHIVE_TRANSCRIPTS) and archived(context) == 120, timeout=90, every=1)
    assert_all_archived_once(dialogues, context)


@pytest.mark.timeout(300)
def test_a_job_whose_process_dies_under_its_worker_is_done_again(
    context: Context, sender: Celery, start_worker: Callable[..., Process]
):
    dialogues = sealed(120, store=context.store)
    sender.send_task(tasks.ARCHIVE_TRANSCRIPTS)
    worker = start_worker()
    eventually(lambda: archived(context) >= 10, timeout=60, every=0.005)
    worker.kill_children()
    # A server that just started looks for transactions without an owner every half minute only.
    eventually(lambda: worker.said("archive job done"), timeout=120)
    eventually(lambda: sender.send_task(tasks.ARCHIVE_TRANSCRIPTS) and archived(context) == 120, timeout=90, every=1)
    assert_all_archived_once(dialogues, context)


def test_two_jobs_at_once_archive_everything_once(
    context: Context, sender: Celery, start_worker: Callable[..., Process]
):
    dialogues = sealed(60, store=context.store)
    workers = [start_worker(), start_worker()]
    for _ in range(2):
        sender.send_task(tasks.ARCHIVE_TRANSCRIPTS)
    eventually(lambda: sum(worker.said("archive job done") for worker in workers) == 2, timeout=60)
    assert_all_archived_once(dialogues, context)


def test_a_worker_makes_the_place_for_what_the_broker_gives_up_on(amqp_url: str, start_worker: Callable[..., Process]):
    with Upkeep(amqp_url, service="tests") as upkeep:
        upkeep.remove("dead-letters")
        start_worker()

        eventually(lambda: upkeep.depth("dead-letters") is not None, timeout=60)


def test_of_two_ticks_one_starts_a_job(context: Context, sender: Celery, start_worker: Callable[..., Process]):
    sealed(1, store=context.store)
    for _ in range(2):
        sender.send_task(tasks.START_ARCHIVING)
    worker = start_worker()
    eventually(lambda: archived(context) == 1, timeout=60)
    # Tasks are taken in turn: when this is done, so is all that came before it.
    sender.send_task(tasks.SEAL_LATE)
    eventually(lambda: worker.said(f"{tasks.SEAL_LATE}.* succeeded"), timeout=60)
    assert worker.said(f"{tasks.START_ARCHIVING}.* succeeded") == 2
    assert worker.said("archive job done") == 1


def test_beats_have_transcripts_archived_and_sealed_late(
    context: Context,
    sender: Celery,
    start: Callable[..., Process],
    start_worker: Callable[..., Process],
    chat: ChatServer,
    tmp_path: Path,
):
    often = {"archive_every": timedelta(seconds=1), "seal_late_every": timedelta(seconds=1)}
    sealed(3, store=context.store)
    waiting = Dialogue(["said, but not heard"])
    chat.hold(waiting)
    actions.record([waiting.closed], store=context.store)
    context.store.postpone(waiting.closed, until=now())
    start_worker(**often)
    for name in ("one", "two"):
        start("beat", "--schedule", str(tmp_path / name), "--pidfile", str(tmp_path / f"{name}.pid"), **often)
    eventually(lambda: archived(context) == 4, timeout=90)
    assert context.database["outbox"].count_documents({}) == 4


def test_importing_the_tasks_reads_no_settings():
    command = [sys.executable, "-c", "import services.transcripts.tasks"]
    subprocess.run(command, env={"PATH": os.environ["PATH"]}, check=True, timeout=60)
