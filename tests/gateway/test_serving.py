"""How a real gateway process ends, and how it says that it is full."""

import os
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from chassis.testing import eventually
from tests.gateway.raw import Raw, handshake
from tests.gateway.world import Gateway, Socket, World

FLOOD = 100


@pytest.fixture(scope="module")
def world(amqp_url: str) -> Iterator[World]:
    with World(amqp_url).turning() as turning:
        yield turning


def test_a_process_that_ends_sends_everybody_elsewhere_and_waits_for_nobody(world: World, tmp_path: Path):
    cid = world.conversation()
    gateway = Gateway(world, tmp_path, drain_seconds=2)
    with gateway.serving(), requests.Session() as idle, ThreadPoolExecutor(1) as pool:
        idle.get(f"{gateway.base_url}/health", timeout=5)
        path = f"{gateway.base_url}/api/v1/widget/conversations/{cid}/messages?wait=25"
        polling = pool.submit(requests.get, path, headers={"Authorization": "Bearer visitor-token"}, timeout=30)
        sockets = [gateway.socket() for _ in range(5)]
        for socket in sockets:
            socket.__enter__()
        eventually(lambda: len(world.requests_for(cid)) >= 2)
        began = time.monotonic()
        gateway.process.terminate()
        assert {Socket.close_code(socket.connection) for socket in sockets} == {1012}
        assert polling.result(10).status_code == 200
        gateway.process.wait(30)
        assert time.monotonic() - began < 8
        assert gateway.surprises() == []


@pytest.fixture
def empty_world(amqp_url: str) -> Iterator[World]:
    with World(amqp_url).turning() as turning:
        yield turning


def test_a_copy_that_fails_on_its_way_is_cut_off_and_taken_by_nobody_for_a_whole_one(
    empty_world: World, tmp_path: Path
):
    world = empty_world
    told = {"department": None, "opened_at": "2026-01-01T00:00:00Z", "closed_at": None}
    with Gateway(world, tmp_path).serving() as gateway:

        def copied() -> requests.Response:
            path, headers = f"{gateway.base_url}/api/v1/widget/copy", {"Authorization": "Bearer visitor-token"}
            return requests.get(path, headers=headers, timeout=30)

        world.say(world.conversation(**told), "a word")
        whole = copied()
        assert whole.headers["Transfer-Encoding"] == "chunked"
        assert [one["messages"][0]["text"] for one in whole.json()["conversations"]] == ["a word"]

        # Its transcript is not to be had.
        world.conversation(is_sealed=True, **told)
        for _ in range(2):
            with pytest.raises(requests.exceptions.ChunkedEncodingError):
                copied()


def test_nine_tenths_full_is_full_and_http_still_answers(world: World, tmp_path: Path):
    with Gateway(world, tmp_path, connections=20).serving() as gateway:
        sockets = [gateway.socket() for _ in range(18)]
        for socket in sockets:
            socket.__enter__()
        assert Socket.close_code(Socket.bare(gateway.socket_url)) == 1013
        assert requests.get(f"{gateway.base_url}/health", timeout=5).ok
        sockets.pop().__exit__()

        def comes_in() -> bool:
            with gateway.socket():
                return True

        assert eventually(comes_in)
        for socket in sockets:
            socket.__exit__()


def test_strangers_may_hold_only_so_many_sockets(world: World, tmp_path: Path):
    with Gateway(world, tmp_path, unauthenticated_sockets_per_address=2).serving() as gateway:
        strangers = [Socket.bare(gateway.socket_url) for _ in range(2)]
        assert Socket.close_code(Socket.bare(gateway.socket_url)) == 1013
        for stranger in strangers:
            stranger.close()
        with gateway.socket(), gateway.socket(), gateway.socket():
            pass


def test_who_is_turned_away_takes_nobody_elses_place(world: World, tmp_path: Path):
    limits = {"unauthenticated_sockets": 8, "unauthenticated_sockets_per_address": 2, "trusted_proxies": 1}
    with Gateway(world, tmp_path, **limits).serving() as gateway, ExitStack() as open_here:

        def stranger_of(address: str) -> Raw:
            raw = open_here.enter_context(Raw(gateway))
            raw.sock.sendall(handshake("GET /ws/v1 HTTP/1.1", f"X-Forwarded-For: {address}"))
            assert raw.answer()[0] == 101
            return raw

        admitted = [stranger_of("203.0.113.1") for _ in range(2)]
        # They say no goodbye, and stay as long as they may.
        for turned_away in [stranger_of("203.0.113.1") for _ in range(8)]:
            assert turned_away.until_closed() == 1013
        for raw in (stranger_of("203.0.113.2"), *admitted):
            raw.authenticate(world.ticket())


def test_many_sockets_that_come_at_once_are_all_served(world: World, tmp_path: Path):
    with Gateway(world, tmp_path).serving() as gateway:
        cid = world.conversation(visitor_id="crowd")

        def seen(_number: int) -> int:
            with gateway.socket("visitor", "crowd") as socket:
                socket.send(type="sync", conversation_id=cid, after=0)
                return int(socket.until("message", timeout=20)["seq"])

        with ThreadPoolExecutor(40) as pool:
            waiting = [pool.submit(seen, number) for number in range(200)]
            world.say(cid)
            assert {one.result(60) for one in waiting} == {1}


def test_who_does_not_wait_for_answers_keeps_nobody_else_from_theirs(world: World, tmp_path: Path):
    with (
        Gateway(world, tmp_path).serving() as gateway,
        Raw(gateway) as first,
        Raw(gateway) as flood,
        Raw(gateway) as last,
    ):
        everybody = (first, flood, last)
        for raw in everybody:
            # Whoever was answered once has a greenlet that waits for more.
            raw.sock.sendall(asking("/ready"))
            raw.whole_answer()
        [worker] = gateway.workers()
        os.kill(worker, signal.SIGSTOP)
        # So all of it is there before any of it is looked at, whomever the hub turns to first.
        first.sock.sendall(asking("/metrics"))
        flood.sock.sendall(asking("/health") * FLOOD)
        last.sock.sendall(asking("/metrics"))
        os.kill(worker, signal.SIGCONT)
        counts = [health_checks(raw.whole_answer()) for raw in (first, last)]
        assert max(counts) < FLOOD


def test_of_what_cannot_be_read_it_is_logged_what_is_wrong_and_not_whose_it_was(world: World, tmp_path: Path):
    with Gateway(world, tmp_path).serving() as gateway, Raw(gateway) as raw:
        raw.sock.sendall(b"GET /secret HTTP/9.9\r\n\r\n")
        assert raw.answer()[0] == 400
        eventually(lambda: "Invalid request: InvalidHTTPVersion" in gateway.log.read_text())
        assert "secret" not in gateway.log.read_text()
        assert "ip=" not in gateway.log.read_text()


def asking(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def health_checks(metrics: bytes) -> float:
    counted = re.search(rb'^velaro_http_requests_total{.*route="/health".*} (.+)$', metrics, re.MULTILINE)
    return float(counted[1]) if counted else 0
