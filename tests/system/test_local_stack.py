"""`make up` and `make down`: what they promise on a machine without containers."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local.instance import REPOSITORY
from deploy.secrets import SERVICES
from tests import ports


def run(command: str, root: Path) -> str:
    """With a session of its own for every process it starts to be told from anybody else's."""
    return subprocess.run(
        [sys.executable, "-m", "deploy.local", command, "--root", root, "--port", str(ports.UP_AND_DOWN)],
        cwd=REPOSITORY,
        env=os.environ | {"VELARO_INSTANCE_MARK": str(root)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def marked(root: Path) -> dict[int, str]:
    """The processes that descend from a command of ours, whatever became of their parents."""
    found = {}
    for process in psutil.process_iter():
        try:
            if process.environ().get("VELARO_INSTANCE_MARK") == str(root):
                found[process.pid] = " ".join(process.cmdline())
        except psutil.Error:
            continue
    return found


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    run("down", tmp_path)


@pytest.mark.timeout(300)
def test_up_is_complete_and_idempotent_and_down_leaves_no_process(root: Path) -> None:
    printed = run("up", root)

    demo = json.loads((root / "demo.json").read_text())
    assert set(demo) == {"base_url", "site_key", "site_page", "operator", "owner", "staff"}
    assert demo["site_page"] in printed
    assert demo["operator"]["password"] in printed
    assert all(f"{service} is ready" in printed for service in SERVICES)
    assert (root / "demo.json").stat().st_mode & 0o077 == 0

    before = marked(root)
    assert "already up" in run("up", root)
    assert set(before) <= set(marked(root))

    run("down", root)
    assert marked(root) == {}
