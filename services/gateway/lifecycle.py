"""The life of one gateway process: connect, keep time, let everybody go gently, disconnect."""

import threading
import time
from collections.abc import Callable

import gevent
import structlog

from chassis.http import RemoteProblem
from chassis.problems import Unavailable
from services.gateway.bootstrap import Context
from services.gateway.sockets import Sockets

log = structlog.get_logger(__name__)

TICK_SECONDS = 1.0


class Lifecycle:
    """Started after the fork, by the process that serves."""

    def __init__(self, context: Context, sockets: Sockets) -> None:
        self._context = context
        self._sockets = sockets
        self._stopped = threading.Event()
        self._policy_due = 0.0

    def start(self) -> None:
        """Connect to the bus and begin to keep time; returns at once."""
        self._context.bus.start()
        self._context.listener.start()
        gevent.spawn(self._keep_time)

    def drain(self) -> None:
        """Send everybody who waits here elsewhere, spread out; returns at once."""
        log.info("draining", sockets=len(self._sockets))
        self._sockets.drain(self._context.settings.drain_seconds)
        self._context.fanout.stop_waiting()

    def stop(self) -> None:
        """Disconnect."""
        self._stopped.set()
        self._context.listener.close()
        self._context.bus.close()

    def _keep_time(self) -> None:
        while not self._stopped.is_set():
            gevent.sleep(TICK_SECONDS)
            self._call(self._context.fanout.tick)
            self._call(self._sockets.tick)
            self._call(self._watch_policy)

    def _watch_policy(self, now: float) -> None:
        if now >= self._policy_due:
            self._policy_due = now + self._context.settings.policy_refresh
            gevent.spawn(self._refresh_policy)

    def _refresh_policy(self) -> None:
        try:
            self._context.policy.refresh()
        except (Unavailable, RemoteProblem) as error:
            # What was in force a moment ago goes on to count.
            log.warning("policy not refreshed", reason=type(error).__name__)

    def _call(self, tick: Callable[[float], None]) -> None:
        try:
            tick(time.monotonic())
        except Exception:  # the outermost loop: one failure must not stop the clock
            log.exception("tick failed")
