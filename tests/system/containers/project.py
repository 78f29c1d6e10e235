"""One installation by the compose files, as a customer's engineer has it."""

import json
import subprocess
from typing import Any

from chassis.testing import eventually
from deploy.compose import Compose
from tests.system.containers.compose import HASTE, inspect
from tests.system.containers.stack import free_port

STARTING_SECONDS = 240


class Project(Compose):
    """Started at a free port, with the demo customer, archiving at once."""

    def __init__(self, name: str, *files: str) -> None:
        port = free_port()
        self.base_url = f"http://localhost:{port}"
        settings = HASTE | {"VELARO_PORT": str(port), "VELARO_PUBLIC_URL": self.base_url}
        super().__init__(name, *files, settings=settings)

    def up(self) -> str:
        """Returns, once the demo customer is there, what was printed for people."""
        self("up", "-d")
        return eventually(self._addresses, timeout=STARTING_SECONDS, every=0.5)

    def _addresses(self) -> str | None:
        printed = self("logs", "--no-color", "demo", check=False)
        return printed if self.base_url in printed else None

    def forget(self) -> None:
        """Everything, volumes too."""
        self("down", "-v", "--remove-orphans", check=False)

    def run(self, service: str, *command: str, stdin: str | None = None) -> str:
        """One command in a container of its own."""
        return self("run", "--rm", "-T", "--no-deps", service, *command, stdin=stdin)

    def seed(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Has accounts make a customer."""
        return dict(json.loads(self.run("accounts", "seed", stdin=json.dumps(wanted))))

    def kill(self, service: str) -> str:
        """Kills (-9) one container of ``service``; its id."""
        victim = self.container_ids(service)[0]
        subprocess.run(["docker", "kill", "--signal", "KILL", victim], capture_output=True, check=True)
        return victim

    def names(self) -> list[str]:
        """Of the containers that run."""
        return [one["Name"].lstrip("/") for one in inspect("container", *self.container_ids())]
