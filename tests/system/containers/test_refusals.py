"""What is missing or wrong is said in one line; then the container ends with a status, or tries again."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chassis.testing import eventually
from deploy.secrets import SERVICES, WITH_DATABASE
from tests.system.containers.stack import ContainerStack
from tests.system.containers.test_images import image_of

WORKERS = [("chat", "relay"), ("chat", "consumer"), ("surveys", "consumer"), ("transcripts", "consumer")]
SECRETS = {"VELARO_AMQP_URL", "VELARO_SERVICE_KEY", "VELARO_SERVICE_KEYS"}


def ended(service: str, process: str, *options: str) -> tuple[int, list[str]]:
    """The status with which a container ended, and the lines that it printed."""
    done = subprocess.run(
        ["docker", "run", "--rm", *options, image_of(service), process], capture_output=True, text=True, timeout=150
    )
    return done.returncode, (done.stdout + done.stderr).splitlines()


@contextmanager
def running(service: str, process: str, *options: str) -> Iterator[str]:
    """The id of a container that is expected to go on trying."""
    arguments = ["docker", "run", "-d", "--label", "velaro.test=velaro-stories", *options, image_of(service), process]
    container = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.strip()
    try:
        yield container
    finally:
        subprocess.run(["docker", "rm", "-f", container], capture_output=True, check=True)


def lines_of(container: str) -> list[str]:
    printed = subprocess.run(["docker", "logs", container], capture_output=True, text=True, check=True)
    return (printed.stdout + printed.stderr).splitlines()


def is_trying(container: str) -> bool:
    return bool(
        json.loads(subprocess.run(["docker", "inspect", container], capture_output=True).stdout)[0]["State"]["Running"]
    )


def assert_no_stack_trace(lines: list[str]) -> None:
    assert not [line for line in lines if line.startswith(("Traceback", "  File"))], "\n".join(lines)


@pytest.mark.parametrize("service", SERVICES)
def test_each_missing_secret_has_a_line_of_its_own(service: str) -> None:
    status, lines = ended(service, "web", "--tmpfs", "/run/secrets")
    assert status == 78
    assert {line.partition(":")[0] for line in lines} >= SECRETS
    assert all(line.startswith("VELARO_") for line in lines)


@pytest.mark.parametrize("service", SERVICES)
def test_a_wrong_secret_is_named_and_not_shown(containers: ContainerStack, service: str) -> None:
    status, lines = ended(service, "web", *containers.options_of(service), "-e", "VELARO_SERVICE_KEY=hunter2")
    assert status == 78
    [line] = lines
    assert line.startswith("VELARO_SERVICE_KEY: ")
    assert "hunter2" not in line


@pytest.mark.parametrize("service", WITH_DATABASE)
def test_a_database_that_is_not_there_is_waited_for(containers: ContainerStack, service: str) -> None:
    nowhere = f"VELARO_MONGO_URL=mongodb://127.0.0.1:9/{service}?replicaSet=velaro"
    with running(service, "web", *containers.options_of(service), "-e", nowhere) as container:
        lines = eventually(lambda: lines_of(container), timeout=30)
        assert [json.loads(line)["event"] for line in lines] == ["waiting for the database"]
        assert "127.0.0.1:9" in json.loads(lines[0])["reason"]
        assert is_trying(container)


def test_a_database_that_does_not_come_ends_the_container_with_one_more_line(containers: ContainerStack) -> None:
    nowhere = "VELARO_MONGO_URL=mongodb://127.0.0.1:9/chat?replicaSet=velaro"
    status, lines = ended("chat", "relay", *containers.options_of("chat"), "-e", nowhere)
    assert status == 75
    assert len(lines) == 2
    assert lines[-1].startswith("chat cannot start: no primary of database chat answers")


def test_a_database_that_refuses_us_is_told_apart_from_one_that_is_not_there(containers: ContainerStack) -> None:
    wrong = "VELARO_MONGO_URL=mongodb://chat:wrong@mongo:27017/chat?authSource=admin&replicaSet=velaro"
    with running("chat", "web", *containers.options_of("chat"), "-e", wrong) as container:
        lines = eventually(lambda: lines_of(container), timeout=30)
        assert json.loads(lines[0])["reason"] == "mongo:27017 refuses the user of database chat"
        assert_no_stack_trace(lines)


@pytest.mark.parametrize("process", ["worker", "beat"])
def test_a_broker_of_tasks_that_refuses_us_ends_the_container_with_one_line(
    containers: ContainerStack, process: str
) -> None:
    wrong = ("-e", "VELARO_TASKS_URL=amqp://transcripts:wrong@rabbitmq:5672/velaro-tasks")
    status, lines = ended("transcripts", process, *containers.options_of("transcripts"), *wrong)
    assert status == 75
    [line] = lines
    assert line.startswith("transcripts cannot start: the broker of its tasks refuses us")


@pytest.mark.parametrize("url", ["amqp://chat:wrong@rabbitmq:5672/velaro", "amqp://chat:wrong@127.0.0.1:9/velaro"])
@pytest.mark.parametrize(("service", "process"), WORKERS)
def test_a_broker_that_is_not_there_or_refuses_us_is_tried_again(
    containers: ContainerStack, service: str, process: str, url: str
) -> None:
    with running(service, process, *containers.options_of(service), "-e", f"VELARO_AMQP_URL={url}") as container:
        lines = eventually(lambda: told_of_attempts(container), timeout=60)
        assert_no_stack_trace(lines)
        assert is_trying(container)


def told_of_attempts(container: str) -> list[str] | None:
    """What it printed, once it has told of two attempts."""
    lines = lines_of(container)
    attempts = [line for line in lines if "bus disconnected" in line]
    return lines if len(attempts) >= 2 else None


@pytest.mark.parametrize("service", SERVICES)
def test_without_a_folder_to_write_to_it_says_so(containers: ContainerStack, service: str) -> None:
    status, lines = ended(service, "web", "--read-only", *containers.options_of(service, has_tmp=False))
    assert status == 73
    [line] = lines
    assert line.startswith("there is no folder to write temporary files to")


def test_a_broker_of_tasks_that_is_not_there_is_waited_for(containers: ContainerStack) -> None:
    nowhere = "VELARO_TASKS_URL=amqp://nobody@127.0.0.1:9/nowhere"
    with running("transcripts", "worker", *containers.options_of("transcripts"), "-e", nowhere) as container:
        eventually(lambda: any("Trying again" in line for line in lines_of(container)), timeout=60)
        assert_no_stack_trace(lines_of(container))
        assert is_trying(container)


def test_secrets_that_cannot_be_written_are_told_in_one_line(containers: ContainerStack) -> None:
    status, lines = ended("setup", "secrets", "--read-only")
    assert status == 75
    [line] = lines
    assert "Read-only file system" in line


def test_an_unknown_process_is_answered_with_those_there_are() -> None:
    assert ended("chat", "nonsense") == (64, ["usage: python -m services.chat web|relay|consumer|repartition NUMBER"])
