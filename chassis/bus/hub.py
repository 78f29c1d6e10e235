"""pika's I/O loop on gevent's hub, for a process whose threads are greenlets.

pika would wait with ``select.poll``, whose cooperative version makes a watcher for every socket, every time it waits.
Here they stay; and who wakes the loop from another greenlet needs no socket for it.
"""

from typing import Any, cast

import gevent
from gevent.event import Event
from pika.adapters.select_connection import IOLoop, PollEvents, _PollerBase

_READ, _WRITE = 1, 2
"""libev's names for what may happen to a socket."""


class HubPoller(_PollerBase):
    """Waits for sockets by watchers of the hub."""

    POLL_TIMEOUT_MULT = 1

    def __init__(self, *arguments: Any) -> None:
        self._hub = gevent.get_hub()
        self._watchers: dict[int, Any] = {}
        self._happened: dict[int, int] = {}
        self._woken = Event()
        self._is_active = False
        super().__init__(*arguments)

    def wake_threadsafe(self) -> None:
        """Also from a real thread; from a greenlet of this one it costs nothing."""
        if gevent.get_hub() is self._hub:
            self._woken.set()
        else:
            super().wake_threadsafe()

    def poll(self) -> None:
        """Wait until something happens, or it is time for something, and see to what happened."""
        pika_side = cast(Any, self)
        if not self._happened:
            self._woken.wait(pika_side._get_max_wait())
        self._woken.clear()
        happened, self._happened = self._happened, {}
        pika_side._dispatch_fd_events(happened)

    def _note(self, events: int, fileno: int) -> None:
        known = (PollEvents.READ if events & _READ else 0) | (PollEvents.WRITE if events & _WRITE else 0)
        self._happened[fileno] = self._happened.get(fileno, 0) | known
        self._woken.set()

    def _init_poller(self) -> None:
        self._is_active = True

    def _uninit_poller(self) -> None:
        self._is_active = False
        for fileno in tuple(self._watchers):
            self._forget(fileno)

    def _register_fd(self, fileno: int, events: int) -> None:
        wanted = (_READ if events & PollEvents.READ else 0) | (_WRITE if events & PollEvents.WRITE else 0)
        if self._is_active and wanted:
            watcher = self._watchers[fileno] = self._hub.loop.io(fileno, wanted)
            watcher.start(self._note, fileno, pass_events=True)

    def _modify_fd_events(self, fileno: int, events: int, events_to_clear: int, events_to_set: int) -> None:
        self._unregister_fd(fileno, events_to_clear)
        self._register_fd(fileno, events)

    def _unregister_fd(self, fileno: int, events_to_clear: int) -> None:
        if fileno in self._watchers:
            self._forget(fileno)

    def _forget(self, fileno: int) -> None:
        watcher = self._watchers.pop(fileno)
        watcher.stop()
        watcher.close()


class HubLoop(IOLoop):
    """pika's I/O loop, waiting on the hub of the thread that makes it."""

    @staticmethod
    def _get_poller(get_wait_seconds: Any, process_timeouts: Any) -> Any:
        return cast(Any, HubPoller)(get_wait_seconds, process_timeouts)
