"""Asking every process of the gateway. Whoever connects cannot choose which of them answers, so this looks who did."""

import json
from collections.abc import Iterable
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from typing import Any

import psutil

from deploy.local.instance import Instance
from deploy.local.supervisor import Supervisor

MOST_CONNECTIONS = 200


def answers_everywhere(instance: Instance, path: str) -> list[Any]:
    """What each process of the gateway answers, decoded."""
    workers = psutil.Process(Supervisor(instance).pid_of("gateway")).children()
    answers: dict[int, Any] = {}
    with ExitStack() as opened:
        for _ in range(MOST_CONNECTIONS):
            connection = opened.enter_context(closing(HTTPConnection("localhost", instance.ports.gateway, timeout=10)))
            connection.request("GET", path)
            answer = json.loads(connection.getresponse().read())
            answers[_other_end(connection, workers)] = answer
            if len(answers) == len(workers):
                return list(answers.values())
    raise AssertionError(f"of {len(workers)} processes {len(answers)} took one of {MOST_CONNECTIONS} connections")


def _other_end(connection: HTTPConnection, workers: Iterable[psutil.Process]) -> int:
    """The process that holds it open."""
    port = connection.sock.getsockname()[1]
    return next(
        worker.pid
        for worker in workers
        for held in worker.net_connections("tcp")
        if held.raddr and held.raddr.port == port
    )
