"""Visitors who are there and silent, and how they come back when they were sent away."""

import bisect
from collections.abc import Sequence

from tests.bench.client import Client
from tests.bench.talk import each
from tests.faults.load import Driver

WINDOW_SECONDS = 1.0


class Crowd:
    """So many of them, each with a socket. Enter it to have them come."""

    def __init__(self, driver: Driver, count: int) -> None:
        self._driver = driver
        self._count = count
        self._clients: list[Client] = []

    def __enter__(self) -> "Crowd":
        self._driver.do(self._arrive())
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            self._driver.call(client.disconnect)

    async def _arrive(self) -> None:
        visitors = await self._driver.world.crowd(self._count)
        port = self._driver.system.instance.ports.gateway
        self._clients = [Client(port, f"silent-{number}", one.ticket) for number, one in enumerate(visitors)]
        await each(self._clients, lambda client: client.connect())
        for client in self._clients:
            client.is_persistent = True

    def is_back(self) -> bool:
        """Whether all were sent away and are there again."""
        return all(0 < client.lost_at < client.synced_at for client in self._clients)

    def accepts_per_second(self) -> tuple[float, float]:
        """How many came back within one second, at most and on average from the first to the last."""
        moments = sorted(client.synced_at for client in self._clients)
        mean = len(moments) / max(WINDOW_SECONDS, moments[-1] - moments[0])
        return max(_within(moments, moment) for moment in moments) / WINDOW_SECONDS, mean


def _within(moments: Sequence[float], start: float) -> int:
    return bisect.bisect_left(moments, start + WINDOW_SECONDS) - bisect.bisect_left(moments, start)
