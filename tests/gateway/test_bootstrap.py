"""What keeps a gateway from starting: another number of partitions than chat has."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from werkzeug.serving import make_server

from chassis.auth import new_key, public_keys
from services.gateway.bootstrap import check


@pytest.fixture
def chat_has() -> Iterator[Callable[[int], str]]:
    """Starts a chat that has so many partitions; its address."""
    servers = []

    def serve(count: int) -> str:
        app = Flask("chat")
        app.get("/internal/v1/partitions")(lambda: {"count": count})
        servers.append(make_server("127.0.0.1", 0, app))
        threading.Thread(target=servers[-1].serve_forever).start()
        return f"http://127.0.0.1:{servers[-1].port}"

    yield serve
    for server in servers:
        server.shutdown()


def environment(chat_url: str) -> dict[str, str]:
    key = new_key("gateway")
    nowhere = dict.fromkeys(
        ("VELARO_ACCOUNTS_URL", "VELARO_TRANSCRIPTS_URL", "VELARO_SURVEYS_URL"), "http://127.0.0.1:1"
    )
    return nowhere | {
        "VELARO_AMQP_URL": "amqp://nobody@127.0.0.1:1/nowhere",
        "VELARO_SERVICE_KEY": key,
        "VELARO_SERVICE_KEYS": public_keys([key]),
        "VELARO_PUBLIC_URL": "http://localhost:1",
        "VELARO_CHAT_URL": chat_url,
        "VELARO_PARTITIONS": "8",
    }


@pytest.fixture
def check_with(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def run(chat_url: str) -> None:
        for name, value in environment(chat_url).items():
            monkeypatch.setenv(name, value)
        check()

    return run


def test_a_gateway_with_another_number_of_partitions_than_chat_says_so_and_ends(chat_has):
    ended = subprocess.run(
        [sys.executable, "-m", "services.gateway", "web"],
        env=os.environ | environment(chat_has(16)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 78
    assert ended.stderr.startswith("VELARO_PARTITIONS is 8, but chat has 16: set it to 16")
    assert "Traceback" not in ended.stderr


def test_a_gateway_with_the_same_number_starts(chat_has, check_with):
    check_with(chat_has(8))


def test_a_gateway_starts_without_chat(check_with):
    check_with("http://127.0.0.1:1")
