"""What the stories about the policy share: its versions as an administrator of the database can write them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import requests
from pymongo import MongoClient

from chassis.testing import eventually
from deploy.local.instance import REPOSITORY, Instance
from deploy.local.processes import environment
from tests.edge.everywhere import answers_everywhere

FIFTEEN_DAYS = timedelta(days=15)
IN_FORCE = "/api/v1/policy"


class Versions:
    """The versions in the database. Time does not pass faster for tests, so what they need is written as it was."""

    def __init__(self, instance: Instance) -> None:
        self._client: MongoClient[Any] = MongoClient(instance.mongo_url("admin", "accounts"), tz_aware=True)
        self.database = self._client.get_default_database()
        self.collection = self.database["policy_versions"]
        self._base_url = instance.base_url
        self._everywhere = partial(answers_everywhere, instance, IN_FORCE)

    def close(self) -> None:
        self._client.close()

    def post(self, *, ago: timedelta) -> str:
        """A version that was posted so long ago."""
        number = self.collection.find_one(sort=[("_id.number", -1)])["_id"]["number"] + 1
        posted_at = datetime.now(UTC) - ago
        self.collection.insert_one(
            {
                "_id": {"number": number, "posted_at": posted_at},
                "effective_at": posted_at + FIFTEEN_DAYS,
                "summary": f"Change {number}.",
                "text": f"# Policy {number}",
            }
        )
        return str(number)

    def put_into_force(self) -> str:
        """A new version whose time has just come; returns when every gateway knows."""
        version = self.post(ago=FIFTEEN_DAYS + timedelta(seconds=1))
        self.await_in_force(version)
        return version

    def await_in_force(self, version: str) -> None:
        """Return when every gateway says so."""
        eventually(lambda: {_version(each) for each in self._everywhere()} == {version}, timeout=60, every=0.5)

    def in_force(self) -> str:
        """What the public edge says."""
        return _version(requests.get(self._base_url + IN_FORCE, timeout=10).json())

    def states(self) -> dict[str, str]:
        listed = requests.get(f"{self._base_url}/api/v1/policy/versions", timeout=10).json()["versions"]
        return {each["version"]: each["state"] for each in listed}


def _version(policy: Any) -> str:
    return str(policy["in_force"]["version"])


@contextmanager
def wrong_clock(instance: Instance, process: str, log: Path, *, by: timedelta) -> Iterator[None]:
    """One more process of accounts, whose clock is wrong."""
    variables = environment(instance, "accounts") | {
        "VELARO_SWEEP_POLICY_EVERY": "PT1S",
        "PYTHONPATH": str(Path(__file__).parent / "wrong_clock"),
        "WRONG_BY": str(by.total_seconds()),
    }
    with log.open("ab") as output:
        started = subprocess.Popen(
            [sys.executable, "-m", "services.accounts", process],
            cwd=REPOSITORY,
            env=os.environ | variables,
            stdout=output,
            stderr=output,
        )
    try:
        yield
    finally:
        started.terminate()
        started.wait(60)
