"""The compose files say what the other ways to run the stack say. Needs no engine."""

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from chassis.settings import PREFIX, ServingSettings
from deploy.local.instance import REPOSITORY, Instance, Ports
from deploy.local.processes import all_of
from deploy.secrets import SERVICES

Services = dict[str, dict[str, Any]]
FILES = ("docker-compose.yml", "docker-compose.override.yml", "docker-compose.cluster.yml")


@pytest.fixture(scope="module")
def files() -> dict[str, Services]:
    return {name: yaml.safe_load((REPOSITORY / name).read_text())["services"] for name in FILES}


@pytest.fixture
def services(files: dict[str, Services]) -> Services:
    return files["docker-compose.yml"]


def processes(services: Services) -> set[tuple[str, str]]:
    """The service and the argument of every lasting process of ours."""
    return {
        (service, one["command"])
        for one in services.values()
        for service in SERVICES
        if one["image"].startswith(f"velaro/{service}:") and one["restart"] != "no"
    }


def test_every_process_of_the_local_stack_has_a_container_and_no_other(services: Services, tmp_path: Path) -> None:
    local = [one.name for one in all_of(Instance(root=tmp_path, ports=Ports(20_000))) if one.stage != "servers"]

    assert processes(services) == {(name.partition("-")[0], name.partition("-")[2] or "web") for name in local}


def test_every_process_has_a_limit_and_time_to_end(services: Services) -> None:
    for name, one in services.items():
        if one["restart"] != "no":
            assert one["mem_limit"], name
            assert one["read_only"], name
            assert one["cap_drop"] == ["ALL"], name


def test_every_variable_is_one_that_the_service_reads(services: Services) -> None:
    shared = {f"{PREFIX}{service.upper()}_URL" for service in SERVICES} | {f"{PREFIX}PARTITIONS"}
    for service in SERVICES:
        settings = importlib.import_module(f"services.{service}.settings").Settings
        known = {f"{PREFIX}{name.upper()}" for cls in (settings, ServingSettings) for name in cls.model_fields}
        assert set(services[service]["environment"]) <= known | shared


def test_the_secrets_of_a_service_are_mounted_by_it_alone_and_cannot_be_changed_by_it(services: Services) -> None:
    for name, one in services.items():
        mounted = [volume for volume in one.get("volumes", []) if volume.startswith("secrets-")]
        if name != "secrets" and not one["image"].startswith("velaro/setup"):
            owner = next((service for service in SERVICES if name.startswith(service)), "")
            owner = owner or {"seed": "accounts"}.get(name, name)
            assert mounted in ([f"secrets-{owner}:/run/secrets:ro"], []), name


def test_only_a_door_is_published(files: dict[str, Services]) -> None:
    published = {(file, name) for file, services in files.items() for name, one in services.items() if one.get("ports")}

    assert published == {("docker-compose.override.yml", "gateway"), ("docker-compose.cluster.yml", "edge")}


def test_a_cluster_has_three_of_each_server_and_two_of_each_process(files: dict[str, Services]) -> None:
    cluster = files["docker-compose.cluster.yml"]

    assert {"mongo-2", "mongo-3", "rabbitmq-2", "rabbitmq-3"} <= set(cluster)
    ours = [name for name in files["docker-compose.yml"] if name.startswith(SERVICES)]
    assert [name for name in ours if cluster[name].get("scale") != 2] == []


def test_the_servers_that_a_cluster_adds_are_as_the_first_ones(files: dict[str, Services]) -> None:
    """Older versions of compose cannot extend a service that depends on another, so they stand there twice."""
    first, added = files["docker-compose.yml"], files["docker-compose.cluster.yml"]
    own = {"volumes", "hostname", "environment", "depends_on"}
    for name in ("mongo", "rabbitmq"):
        for number in (2, 3):
            other = added[f"{name}-{number}"]
            assert {key: said for key, said in other.items() if key not in own} == {
                key: said for key, said in first[name].items() if key not in own
            }
