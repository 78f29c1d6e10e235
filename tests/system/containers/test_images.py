"""What the images are: small, without privileges or tools, and each with one service alone."""

import json
import subprocess

import pytest

from deploy.secrets import SERVICES
from tests.system.containers.stack import ContainerStack

MEGABYTE = 1_000_000
ALONE = ("docker", "run", "--rm", "--read-only", "--network", "none")
TOOLS = ("gcc", "cc", "make", "npm", "node", "git", "curl")


def image_of(service: str) -> str:
    return f"velaro/{service}:latest"


def inside(service: str, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ALONE, "--entrypoint", command[0], image_of(service), *command[1:]],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_is_small_and_its_user_is_not_root(service: str) -> None:
    [image] = json.loads(subprocess.run(["docker", "image", "inspect", image_of(service)], capture_output=True).stdout)
    assert image["Size"] <= 300 * MEGABYTE
    assert image["Config"]["User"] == "velaro"
    assert inside(service, "id", "-u").stdout.strip() == "10001"
    assert image["Config"]["Healthcheck"]["Test"]


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_holds_one_service_and_no_other(service: str) -> None:
    for other in SERVICES:
        imported = inside(service, "python", "-c", f"import services.{other}.settings")
        if other == service:
            assert imported.returncode == 0, imported.stderr
        else:
            assert "ModuleNotFoundError" in imported.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_no_tool_that_builds_or_fetches_is_left_in_an_image(service: str) -> None:
    found = inside(service, "sh", "-c", "; ".join(f"command -v {tool}" for tool in TOOLS))
    assert found.stdout == ""


def test_every_container_runs_without_privileges_on_a_file_system_it_cannot_change(containers: ContainerStack) -> None:
    for name in containers.lasting():
        host = containers.started[name].get_wrapped_container().attrs["HostConfig"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert host["Memory"] > 0, name
        user = containers.started[name].exec(["id", "-u"])
        assert user.output.strip() != b"0", name
