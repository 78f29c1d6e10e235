"""How fast is too fast: token buckets, one per socket, address or person."""

import time
from collections import OrderedDict
from collections.abc import Callable

Clock = Callable[[], float]


class TokenBucket:
    """Holds up to ``burst`` tokens and gains ``rate`` of them a second; each act takes one."""

    __slots__ = ("_burst", "_filled_at", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, *, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._filled_at = now

    def take(self, now: float) -> bool:
        """Whether this act is within the rate."""
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def is_full(self, now: float) -> bool:
        """Whether it is as good as new."""
        return self._tokens + (now - self._filled_at) * self._rate >= self._burst

    def seconds_until_next(self) -> float:
        """How long until one more act would be within the rate."""
        return max(0.0, (1 - self._tokens) / self._rate)


class Limit:
    """A token bucket for each of many keys. Those that are full again are forgotten, and those used least recently."""

    def __init__(self, rate: float, burst: float, *, keys: int = 20_000, clock: Clock = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._keys = keys
        self._clock = clock
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    @classmethod
    def per_minute(cls, count: int, *, clock: Clock = time.monotonic) -> "Limit":
        """At most ``count`` at once, and that many a minute from then on."""
        return cls(count / 60, count, clock=clock)

    def seconds_to_wait(self, key: str) -> float:
        """0 if the act is within the rate, and is counted; otherwise how long to wait."""
        now = self._clock()
        bucket = self._buckets.get(key)
        if bucket is None:
            self._forget(now)
            bucket = self._buckets[key] = TokenBucket(self._rate, self._burst, now=now)
        self._buckets.move_to_end(key)
        return 0.0 if bucket.take(now) else bucket.seconds_until_next()

    def _forget(self, now: float) -> None:
        while self._buckets and (len(self._buckets) >= self._keys or next(iter(self._buckets.values())).is_full(now)):
            self._buckets.popitem(last=False)

    def __len__(self) -> int:
        return len(self._buckets)
