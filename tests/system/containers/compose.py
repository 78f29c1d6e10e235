"""`docker compose`, whichever of its versions there is, for one project of this repository."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml

from deploy.local.instance import REPOSITORY

HOW_TO_GET_IT = (
    "the tests in containers were left out: they need a Docker engine and compose "
    "(on Debian: apt-get install docker.io docker-compose), and where no image registry is reached, make stand-ins"
)
HASTE = {
    "VELARO_ARCHIVE_AFTER": "PT3S",
    "VELARO_ARCHIVE_EVERY": "PT2S",
    "VELARO_SIGN_INS_PER_MINUTE": "10000",
    "VELARO_DRAIN_SECONDS": "2",
}


class Compose:
    """Commands to one project; two projects share nothing but the images."""

    def __init__(self, project: str, *files: str, settings: Mapping[str, str] | None = None) -> None:
        self.project = project
        self._prefix = [*command(), "-p", project, *(part for file in files for part in ("-f", file))]
        self._environment = os.environ | HASTE | (settings or {})

    def __call__(self, *arguments: str, check: bool = True, stdin: str | None = None) -> str:
        """Runs one command and returns what it printed; what it complained of is in the error."""
        done = subprocess.run(
            [*self._prefix, *arguments],
            cwd=REPOSITORY,
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, f"{' '.join(arguments)}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout

    def config(self) -> dict[str, Any]:
        """The files with all references resolved."""
        return dict(yaml.safe_load(self("config")))

    def container_ids(self, *services: str) -> list[str]:
        return self("ps", "-q", *services).split()

    def inspect(self, kind: str, *names: str) -> list[dict[str, Any]]:
        """What the engine knows of containers, networks or the like."""
        done = subprocess.run(["docker", kind, "inspect", *names], capture_output=True, check=True)
        return list(json.loads(done.stdout))


@cache
def command() -> list[str]:
    """The plugin of the Docker client, else the older program of its own."""
    plugin = ["docker", "compose"]
    if _succeeds([*plugin, "version"]):
        return plugin
    return ["docker-compose"]


def is_missing() -> bool:
    return not (_succeeds(["docker", "info"]) and _succeeds([*command(), "version"]))


def _succeeds(arguments: list[str]) -> bool:
    return shutil.which(arguments[0]) is not None and (
        subprocess.run(arguments, capture_output=True, check=False).returncode == 0
    )
