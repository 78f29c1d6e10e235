"""How the gateway asks, and for how long it remembers what it was told."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from chassis.auth import Caller
from chassis.http import RemoteProblem

GATEWAY = Caller(service="gateway", role="service")
"""The gateway asking for itself, where nobody is known yet."""
PASSWORD_SECONDS = 10.0
"""Checking a password is slow on purpose, and a few are checked at a time: accounts has others wait for up to 5 s."""
V = TypeVar("V")


class Recent(Generic[V]):
    """Answers, for ``seconds``; the oldest go when there are more than ``size``."""

    def __init__(self, seconds: float, *, size: int = 10_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._size = size
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, V]] = OrderedDict()

    def get(self, key: str) -> V | None:
        """The answer, if it is recent."""
        expires_at, value = self._kept.get(key, (0.0, None))
        return value if self._clock() < expires_at else None

    def put(self, key: str, value: V) -> None:
        """Keep an answer, and none that is not recent any more: answers expire in the order in which they came."""
        now = self._clock()
        self._kept[key] = (now + self._seconds, value)
        self._kept.move_to_end(key)
        while len(self._kept) > self._size or next(iter(self._kept.values()))[0] < now:
            self._kept.popitem(last=False)

    def __len__(self) -> int:
        return len(self._kept)

    def drop(self, is_stale: Callable[[V], bool]) -> None:
        """Forget the answers that are known to be true no more."""
        for key in [key for key, (_, value) in self._kept.items() if is_stale(value)]:
            del self._kept[key]


def fingerprint(secret: str) -> str:
    """What a cache knows a secret by, so that it holds none."""
    return hashlib.blake2b(secret.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def found_or_none(ask: Callable[[], Any]) -> Any:
    """The answer, or None where the other service knows of no such thing."""
    try:
        return ask()
    except RemoteProblem as problem:
        if problem.status in {404, 422}:
            return None
        raise
