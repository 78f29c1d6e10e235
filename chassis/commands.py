"""The command line of a service: ``python -m services.<name> web``, and so on, for each of its processes.

A process that cannot start says why in one line and ends with a status of ``sysexits.h``: 64 for the command
line, 73 for a folder it cannot write to, 75 for what may pass (so that whoever runs it tries again), 78 for settings.
"""

import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NoReturn

from chassis.problems import Unavailable

EX_USAGE = 64
EX_CANTCREAT = 73
EX_TEMPFAIL = 75

Command = Callable[[], object]


def run(
    service: str,
    commands: Mapping[str, Command],
    numbered: Mapping[str, Callable[[int], object]] = MappingProxyType({}),
    *,
    tools: Mapping[str, Callable[[Sequence[str]], object]] = MappingProxyType({}),
    arguments: Sequence[str] | None = None,
) -> None:
    """Be the process that the command line names: one of ``commands``, or of those that need a number.

    ``tools`` are for people, and read the rest of the command line themselves.
    """
    match sys.argv[1:] if arguments is None else arguments:
        case [name] if name in commands:
            command = commands[name]
        case [name, number] if name in numbered and number.isdecimal():
            command = partial(numbered[name], int(number))
        case [name, *rest] if name in tools:
            command = partial(tools[name], rest)
        case _:
            forms = [*commands, *(f"{name} NUMBER" for name in numbered), *(f"{name} …" for name in tools)]
            _end(EX_USAGE, f"usage: python -m services.{service} {'|'.join(forms)}")
    try:
        command()
    except Unavailable as error:
        _end(EX_TEMPFAIL, f"{service} cannot start: {error}")


def web(service: str, *, check: Command, configuration: str = "chassis.serving") -> Command:
    """Serve the application of ``service``, once ``check`` has found nothing that would keep it from starting.

    What is wrong is so told once, and not by each worker that gunicorn would start again and again.
    """

    def serve() -> None:
        _need_a_folder_for_temporary_files()
        check()
        _become("gunicorn", "-c", f"python:{configuration}", f"services.{service}.app:create_app()")

    return serve


def celery_worker(service: str, *, check: Command, concurrency: int = 1) -> Command:
    """Do the tasks of ``service``, under a name that no other worker has."""

    def work() -> None:
        check()
        options = ("--concurrency", str(concurrency), "--without-gossip", "--without-mingle")
        _become_celery(service, "worker", "-n", f"{service}-{os.getpid()}@%h", *options)

    return work


def celery_beat(service: str, *, check: Command) -> Command:
    """Say when the tasks of ``service`` are due. Keeps nothing: of several firings only one counts anyway."""

    def keep_time() -> None:
        check()
        _become_celery(service, "beat", "--scheduler", "celery.beat:Scheduler", "--pidfile", "")

    return keep_time


def stop_when_told() -> threading.Event:
    """Set by the first SIGTERM or SIGINT. For the main thread, before anything else is started."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _become_celery(service: str, command: str, *options: str) -> NoReturn:
    _become("celery", "-A", f"services.{service}.tasks:celery", command, *options)


def _become(module: str, *arguments: str) -> NoReturn:
    # The same process from here on, so that signals reach it, and nothing opened by the check stays open in it.
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 - no shell is wanted


def _need_a_folder_for_temporary_files() -> None:
    try:
        tempfile.gettempdir()
    except OSError as error:
        _end(EX_CANTCREAT, f"there is no folder to write temporary files to: {error.strerror or error}")


def _end(status: int, line: str) -> NoReturn:
    sys.stderr.write(f"{line}\n")
    raise SystemExit(status)
