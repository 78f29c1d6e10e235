"""The id that follows one request through HTTP, the bus and every line of the logs."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from chassis.ids import new_id

HEADER = "X-Request-Id"

_current: ContextVar[str] = ContextVar("correlation_id", default="")
_acceptable = re.compile(r"[A-Za-z0-9._-]{1,64}")


def current() -> str:
    """The id of what is being done now; empty outside of any request or delivery."""
    return _current.get()


@contextmanager
def bound(correlation_id: str | None) -> Iterator[str]:
    """Everything inside belongs to ``correlation_id``, or to a new one if that is missing or unfit for a log."""
    chosen = correlation_id if correlation_id and _acceptable.fullmatch(correlation_id) else new_id()
    token = _current.set(chosen)
    try:
        yield chosen
    finally:
        _current.reset(token)
