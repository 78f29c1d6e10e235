"""How gunicorn serves the services: ``gunicorn -c python:chassis.serving "services.<name>.app:create_app()"``."""

import logging
import os
import shutil
import tempfile
from types import SimpleNamespace
from typing import Any

from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker
from gunicorn.workers.gthread import ThreadWorker

from chassis import logs
from chassis.forking import share_inherited
from chassis.settings import ServingSettings, read

_settings = read(ServingSettings)


class _Nameless:
    """gunicorn's log, where of a request that cannot be read only the reason gets in."""

    def __init__(self, log: Any, reason: str) -> None:
        self._log = log
        self._reason = reason

    def warning(self, _line: str) -> None:
        self._log.warning("Invalid request: %s", self._reason)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


class Discreet(Worker):  # type: ignore[misc]
    """A worker that does not log whose request could not be read, nor what it said: gunicorn would do both."""

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Any) -> None:
        here = SimpleNamespace(cfg=self.cfg, log=_Nameless(self.log, type(exc).__name__))
        Worker.handle_error(here, req, client, addr, exc)


class DiscreetThreads(Discreet, ThreadWorker):  # type: ignore[misc]
    """What serves all services but the gateway."""


_memory = "/dev/shm"  # noqa: S108 - heartbeats must not wait for a disk, and metrics not die of a full one

bind = _settings.bind
workers = _settings.workers
threads = _settings.threads
worker_class = DiscreetThreads
worker_tmp_dir = _memory if os.path.isdir(_memory) else None
preload_app = False
timeout = 60
graceful_timeout = 20
keepalive = 75
accesslog = None
logger_class = "chassis.serving.LinesLikeAllOthers"
proc_name = "velaro"
# One path for every gunicorn of a user, and nobody asks it anything.
control_socket_disable = True

_METRICS = "PROMETHEUS_MULTIPROC_DIR"


class LinesLikeAllOthers(Logger):  # type: ignore[misc]
    """gunicorn's own lines go where all others go, and look like them."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        # gunicorn keeps the application's name under this one.
        logs.configure(service_of(cfg.default_proc_name), _settings.log_level)
        speak_through_logging()


def on_starting(server: Any) -> None:
    """Before the first worker: one place where workers add up their metrics."""
    logs.configure(service_of(server.app.app_uri), _settings.log_level)
    speak_through_logging()
    share_metrics(server)


def pre_fork(_server: Any, _worker: Any) -> None:
    """Before each worker."""
    share_inherited()


def post_fork(_server: Any, _worker: Any) -> None:
    """Also in each worker."""
    speak_through_logging()


def child_exit(_server: Any, worker: Any) -> None:
    """What a worker that is gone was doing just now no longer counts."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(server: Any) -> None:
    """Leave nothing behind."""
    if folder := getattr(server, "velaro_metrics", None):
        shutil.rmtree(folder, ignore_errors=True)


def share_metrics(server: Any) -> None:
    """prometheus-client reads the folder from the environment when a worker first imports it."""
    environment = os.environ  # noqa: TID251
    if not environment.get(_METRICS):
        environment[_METRICS] = tempfile.mkdtemp(prefix="velaro-metrics-", dir=worker_tmp_dir)
        server.velaro_metrics = environment[_METRICS]


def service_of(app_uri: str) -> str:
    """``chat`` for ``services.chat.app:create_app()``."""
    return app_uri.partition(":")[0].rpartition(".")[0].rpartition(".")[2] or "service"


def speak_through_logging() -> None:
    """gunicorn's own lines go where all others go."""
    for name in ("gunicorn.error", "gunicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
