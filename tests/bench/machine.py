"""What was measured, and on what: without this a figure says nothing."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil

from deploy.local.database import mongod
from deploy.local.instance import REPOSITORY

LIBRARIES = ("flask", "gunicorn", "gevent", "pika", "pymongo", "msgspec", "websockets", "uvloop")


def described() -> dict[str, str]:
    """The machine, the code and the versions of what it stands on."""
    return {
        "processor": f"{os.cpu_count()} cores of {_processor()}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "load before": f"{os.getloadavg()[0]:.2f}",
        "revision": _revision(),
        "python": platform.python_version(),
        "mongod": _output(mongod(), "--version").partition("\n")[0].removeprefix("db version "),
        "rabbitmq": _rabbitmq(),
        "libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _revision() -> str:
    changed = _output("git", "status", "--porcelain", "--untracked-files=no")
    return _output("git", "describe", "--always", "--abbrev=12") + (" with changes" if changed else "")


def _rabbitmq() -> str:
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*"))
    return found[-1].name.partition("-")[2] if found else "unknown"


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False).stdout.strip()
