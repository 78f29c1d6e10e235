"""Health, readiness and metrics of a process that has no web server of its own."""

import threading
from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

from pymongo.database import Database
from werkzeug.serving import make_server

from chassis import mongo, web
from chassis.problems import Unavailable


class Part(Protocol):
    """Something that is there or not: a bus, a consumer."""

    @property
    def is_up(self) -> bool: ...


class PartDown(Unavailable):
    """A part that the process needs is not there just now."""


def serve(service: str, bind: str, *, parts: Mapping[str, Part], database: Database[Any] | None = None) -> None:
    """Answer ``/health``, ``/ready`` and ``/metrics`` at ``bind`` (``host:port``) from a thread, if it is not empty.

    Ready means that the database answers and that each of ``parts`` is up.
    """
    if not bind:
        return
    readiness: dict[str, web.Check] = {name: partial(check_up, part) for name, part in parts.items()}
    if database is not None:
        readiness["database"] = partial(mongo.ping, database)
    app = web.service_app(service, title=f"Velaro {service}", readiness=readiness, problems={})
    host, _, port = bind.rpartition(":")
    server = make_server(host, int(port), app, threaded=True)
    threading.Thread(target=server.serve_forever, name="operations", daemon=True).start()


def check_up(part: Part) -> None:
    """A readiness check: raises ``PartDown`` unless ``part`` is up."""
    if not part.is_up:
        raise PartDown
