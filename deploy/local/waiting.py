"""Waiting for facts."""

import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable


class NeverHappened(Exception):
    """What was waited for did not come true in time."""


def until(check: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Returns once ``check`` holds; asks five times a second."""
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            raise NeverHappened(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.2)


def accepts_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def answers_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
