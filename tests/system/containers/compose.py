"""`docker compose` for tests: impatient settings, and what the engine knows."""

import json
import subprocess
from collections.abc import Mapping
from typing import Any

import yaml

from deploy.compose import Compose

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


def in_haste(project: str, *files: str, settings: Mapping[str, str] | None = None) -> Compose:
    """A project that archives at once and lets everybody sign in."""
    return Compose(project, *files, settings=HASTE | dict(settings or {}))


def services_of(project: Compose) -> dict[str, Any]:
    """What the files say of each service, with all references resolved."""
    return dict(yaml.safe_load(project.config())["services"])


def inspect(kind: str, *names: str) -> list[dict[str, Any]]:
    """What the engine knows of containers, networks or the like."""
    done = subprocess.run(["docker", kind, "inspect", *names], capture_output=True, check=True)
    return list(json.loads(done.stdout))
