"""`python -m deploy.compose up|down`: what `make up` and `make down` call where there is a Docker engine."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
DEMO_FILE = REPOSITORY / "var" / "demo.json"
STARTING_SECONDS = 300
NO_BASES = (
    "Where no image registry is reached, `sudo make stand-ins` builds what the images "
    "stand on from packages; `make up-here` needs no containers at all."
)


class ComposeFailed(Exception):
    """A command to compose did not succeed; its own words say why."""


class Compose:
    """Commands to one project; two projects share nothing but the images. No files means those that compose finds."""

    def __init__(self, project: str, *files: str, settings: Mapping[str, str] | None = None) -> None:
        self.project = project
        self._prefix = [*command(), "-p", project, *(part for file in files for part in ("-f", file))]
        self._environment = os.environ | dict(settings or {})

    def __call__(self, *arguments: str, check: bool = True, stdin: str | None = None) -> str:
        """Runs one command and returns what it printed."""
        done = self._run(arguments, capture_output=True, text=True, input=stdin)
        if check and done.returncode:
            raise ComposeFailed(f"{' '.join(arguments)}: {done.stdout[-2000:]}{done.stderr[-4000:]}")
        return str(done.stdout)

    def aloud(self, *arguments: str) -> None:
        """Runs one command whose words are for people."""
        if self._run(arguments).returncode:
            raise ComposeFailed(f"`{' '.join([*command(), *arguments])}` did not succeed")

    def config(self) -> str:
        """The files with all references resolved, as YAML."""
        return self("config")

    def container_ids(self, *services: str) -> list[str]:
        """Of the containers that run."""
        return self("ps", "-q", *services).split()

    def _run(self, arguments: tuple[str, ...], **options: Any) -> subprocess.CompletedProcess[Any]:
        return subprocess.run(
            [*self._prefix, *arguments], cwd=REPOSITORY, env=self._environment, check=False, **options
        )


@cache
def command() -> list[str]:
    """The plugin of the Docker client, else the older program of its own."""
    plugin = ["docker", "compose"]
    return plugin if _succeeds([*plugin, "version"]) else ["docker-compose"]


def is_missing() -> bool:
    """Whether there is no engine, or no compose."""
    return not (_succeeds(["docker", "info"]) and _succeeds([*command(), "version"]))


def _succeeds(arguments: list[str]) -> bool:
    return shutil.which(arguments[0]) is not None and (
        subprocess.run(arguments, capture_output=True, check=False).returncode == 0
    )


def up(project: Compose) -> None:
    """Everything, seeded; returns when the demo customer is there."""
    try:
        project.aloud("up", "-d", "--build")
    except ComposeFailed as problem:
        raise ComposeFailed(f"{problem}.\n{NO_BASES}") from problem
    deadline = time.monotonic() + STARTING_SECONDS
    while "/demo" not in (printed := project("logs", "--no-color", "demo")):
        if time.monotonic() > deadline:
            raise ComposeFailed(f"waited {STARTING_SECONDS} s for the demo customer; `docker compose logs` says more")
        time.sleep(1)
    document = project("run", "--rm", "-T", "--no-deps", "demo", "json")
    DEMO_FILE.parent.mkdir(exist_ok=True)
    DEMO_FILE.touch(mode=0o600)
    DEMO_FILE.write_text(document)
    print("\n".join(line.partition("| ")[2] for line in printed.splitlines()))
    print(f"  All of this as a file            {DEMO_FILE}\n")


def down(project: Compose) -> None:
    """Ends every container of the project; the volumes keep their data."""
    project.aloud("down")


def main() -> int:
    """0 when done."""
    project = Compose("velaro")
    try:
        {"up": up, "down": down}[sys.argv[1]](project)
    except ComposeFailed as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
