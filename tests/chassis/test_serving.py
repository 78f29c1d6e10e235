"""The real gunicorn, with the real configuration, serving an application of the chassis."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from chassis.serving import service_of
from chassis.testing import eventually

ROOT = Path(__file__).parents[2]
APPLICATION = """
import gc
import time
from chassis import logs, web

def create_app():
    logs.configure("shop", "INFO")
    app = web.service_app("shop", title="Shop", readiness={}, problems={})

    @app.get("/slow")
    def slow():
        time.sleep(1)
        return {"done": True}

    def unshared_kib():
        with open("/proc/self/smaps_rollup") as sums:
            return next(int(line.split()[1]) for line in sums if line.startswith("Private_Dirty:"))

    @app.get("/collected")
    def collected():
        before = unshared_kib()
        gc.collect()
        return {"kib": unshared_kib() - before}

    return app
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def server(tmp_path):
    package = tmp_path / "services" / "shop"
    package.mkdir(parents=True)
    (package / "app.py").write_text(APPLICATION)
    port = free_port()
    environment = os.environ | {
        "PYTHONPATH": f"{tmp_path}:{ROOT}",
        "VELARO_BIND": f"127.0.0.1:{port}",
        "VELARO_WORKERS": "2",
        "VELARO_THREADS": "4",
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "python:chassis.serving", "services.shop.app:create_app()"]
    process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    process.url = f"http://127.0.0.1:{port}"
    eventually(lambda: requests.get(f"{process.url}/health", timeout=1).ok, timeout=20)
    yield process
    process.kill()
    process.stdout.close()
    process.wait()


def test_a_request_under_way_is_answered_before_the_server_stops(server):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor() as pool:
        answer = pool.submit(requests.get, f"{server.url}/slow", timeout=10)
        eventually(lambda: answer.running())
        requests.get(f"{server.url}/health", timeout=5)
        server.send_signal(signal.SIGTERM)
        assert answer.result().json() == {"done": True}
    assert server.wait(15) == 0


def test_every_line_is_json_also_those_of_the_server_itself(server):
    requests.get(f"{server.url}/slow", timeout=5)
    server.send_signal(signal.SIGTERM)
    output, _ = server.communicate(timeout=15)

    lines = [json.loads(line) for line in output.decode().splitlines()]
    assert {line["service"] for line in lines} == {"shop"}
    assert any(line["event"] == "request answered" and line["route"] == "/slow" for line in lines)


@pytest.mark.parametrize(
    ("unreadable", "reason", "status"),
    [
        (b"secret\r\n\r\n", "InvalidRequestLine", b"400"),
        (b"GET /secret HTTP/9.9\r\n\r\n", "InvalidHTTPVersion", b"400"),
        (b"GET / HTTP/1.1\r\nse cret: x\r\n\r\n", "InvalidHeaderName", b"400"),
        (b"GET /secret" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", "LimitRequestLine", b"414"),
    ],
    ids=["line", "version", "header", "length"],
)
def test_of_what_cannot_be_read_it_is_logged_what_is_wrong_and_not_whose_it_was(server, unreadable, reason, status):
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=10) as client:
        client.sendall(unreadable)
        assert client.recv(4096).split()[1] == status
    server.send_signal(signal.SIGTERM)
    output, _ = server.communicate(timeout=15)

    lines = [json.loads(line) for line in output.decode().splitlines()]
    assert f"Invalid request: {reason}" in [line["event"] for line in lines]
    assert "ip=" not in output.decode()
    assert "cret" not in output.decode()


def test_the_workers_add_up_their_metrics(server):
    for _ in range(20):
        requests.get(f"{server.url}/nowhere", timeout=5)

    def counted():
        text = requests.get(f"{server.url}/metrics", timeout=5).text
        return any(
            line.startswith("velaro_http_requests_total") and line.endswith(" 20.0") for line in text.splitlines()
        )

    eventually(counted)


def test_what_a_worker_inherits_stays_shared_when_it_looks_for_garbage(server):
    assert requests.get(f"{server.url}/collected", timeout=5).json()["kib"] < 2 * 1024


def test_the_service_is_named_by_its_package():
    assert service_of("services.chat.app:create_app()") == "chat"
    assert service_of("app") == "service"
