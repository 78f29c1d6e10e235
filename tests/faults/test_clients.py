"""The clients' own links: cut, silent, slow, in pieces; and clients that do not read."""

import socket
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import psutil
import pytest
from websockets.sync.client import connect

from tests.bench.figures import percentile
from tests.edge.http import made
from tests.edge.people import WIDGET, Visitor
from tests.edge.socket import Socket
from tests.faults.conftest import HASTE
from tests.faults.line import about
from tests.faults.load import Driver, Load, Run
from tests.faults.rows import row
from tests.faults.system import System

Note = Callable[[Run], Run]

SLOW_SOCKETS = 200
OTHERS_P99_SECONDS = 0.3
FLOOD = 1000
LONG_TEXT = "x" * 3900
MEMORY_BYTES = 100 * 1024 * 1024
SLOW = 4408


@pytest.fixture(scope="module")
def remote(system: System, driver: Driver) -> Iterator[Load]:
    """People whose sockets go through a line that can be broken."""
    with Load(driver, port=system.door.port, haste=HASTE) as talking:
        yield talking


@row("5 reset", times=20, is_short=True)
def test_links_that_are_cut_again_and_again_lose_nothing(system: System, remote: Load, note: Note, seed: int) -> None:
    note(remote.run(lambda: cut_repeatedly(system, remote), seed=seed))


def cut_repeatedly(system: System, remote: Load) -> None:
    for _ in range(3):
        system.door.cut()
        remote.wait(0.7)


@row("5 timeout", times=20)
def test_links_on_which_nothing_moves_for_a_while_lose_nothing(
    system: System, remote: Load, note: Note, seed: int
) -> None:
    note(remote.run(lambda: be_silent(system, remote), seed=seed))


def be_silent(system: System, remote: Load) -> None:
    system.door.freeze()
    remote.wait(5)
    system.door.cut()
    system.door.heal()


@row("5 slicer", times=20)
def test_links_that_bring_everything_in_pieces_change_nothing(
    system: System, remote: Load, note: Note, seed: int
) -> None:
    note(remote.run(lambda: slice_all(system, remote), seed=seed))


def slice_all(system: System, remote: Load) -> None:
    system.door.slice_bytes = 7
    remote.wait(5)
    system.door.heal()


@row("5 latency", times=20)
def test_links_with_a_long_and_uneven_delay_change_nothing(system: System, remote: Load, note: Note, seed: int) -> None:
    note(remote.run(lambda: delay_all(system, remote), seed=seed))


def delay_all(system: System, remote: Load) -> None:
    system.door.delay = about(0.8, 0.4)
    remote.wait(8)
    system.door.heal()


@row("4", times=3)
def test_clients_that_do_not_read_are_closed_and_cost_others_little(
    system: System, driver: Driver, load: Load, note: Note, seed: int
) -> None:
    crowd = SlowCrowd(system, driver)
    try:
        run = note(load.run(crowd.flood, seed=seed))
        others_p99 = percentile(sorted(crowd.waits_of_others(run)), 0.99)
        print(f"row 4, seed {seed}: {crowd.grown >> 20} MiB for the slow ones, p99 of the others {others_p99:.3f} s")
        assert crowd.grown <= MEMORY_BYTES
        assert crowd.codes == {SLOW}
        assert others_p99 <= OTHERS_P99_SECONDS
    finally:
        crowd.leave()


class SlowSocket(Socket):
    """Its side of the line holds next to nothing, and nobody reads it."""

    @staticmethod
    def bare(url: str) -> connect:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", urlsplit(url).port))
        return connect(url, sock=sock, compression=None, open_timeout=10, close_timeout=2, ping_interval=None)


class SlowCrowd:
    """Sockets of one visitor, none of which reads, while the visitor says long things on another."""

    def __init__(self, system: System, driver: Driver) -> None:
        self._system = system
        self._visitor = Visitor(system.instance.base_url, driver.world.site_keys[0]).arrive()
        self._conversation_id = self._visitor.open(answers=None)
        self._sockets = [self._slow_socket() for _ in range(SLOW_SOCKETS)]
        self._began = self._ended = 0.0
        self.grown = 0
        self.codes: set[int] = set()

    def _slow_socket(self) -> Socket:
        edge = self._visitor.edge
        return SlowSocket(edge.websocket_url, lambda: made(edge.post(f"{WIDGET}/tickets"))["ticket"]).__enter__()

    def flood(self) -> None:
        """Until all are closed: who is, has ten seconds to read as far as the goodbye."""
        before, closed = self._memory(), self._closed()
        self._began = time.perf_counter()
        with self._visitor.socket() as loud:
            for number in range(FLOOD):
                loud.say(self._conversation_id, f"{number} {LONG_TEXT}")
                if number % 20 == 0:
                    self.grown = max(self.grown, self._memory() - before)
                    if self._closed() - closed >= SLOW_SOCKETS:
                        break
        self._ended = time.perf_counter()
        self.codes = {Socket.close_code(slow.connection) for slow in self._sockets}

    def waits_of_others(self, run: Run) -> list[float]:
        """Seconds until each message that others said meanwhile was stored and back."""
        entries = run.outcome.ledger.entries.values()
        return [
            entry.acknowledged_at - entry.sent_at
            for entry in entries
            if entry.acknowledged_at and self._began <= entry.sent_at < self._ended
        ]

    def leave(self) -> None:
        for slow in self._sockets:
            slow.__exit__()

    def _closed(self) -> float:
        return self._system.metric("gateway", "velaro_gateway_sockets_closed_total", f'code="{SLOW}"')

    def _memory(self) -> int:
        return sum(psutil.Process(pid).memory_info().rss for pid in self._system.gateway_workers())
