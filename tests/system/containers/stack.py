"""The services of the compose file as single containers, each of which a test may stop, kill or replace."""

import re
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import msgspec
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient
from testcontainers.core.network import Network

from chassis.testing import eventually
from tests.system.containers.compose import in_haste, services_of

LABEL = "velaro.test"
UNITS = {"h": 3600, "m": 60, "s": 1}
READY_SECONDS = 120
LEFT_OUT = ("mail", "demo", "seed")
COUNTS = ("test", "retries")
"""What a health check says that is no duration."""


class ContainerStack:
    """What `docker-compose.yml` says, run container by container, behind the door of the cluster."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = free_port()
        self.base_url = f"http://localhost:{self.port}"
        self.started: dict[str, DockerContainer] = {}
        self._network = Network(docker_network_kw={"labels": {LABEL: name}})
        self._services = services_for(self.base_url)

    def up(self) -> None:
        """Everything, each container once what it depends on is there."""
        self._network.create()
        for service in in_order(self._services):
            self.start(service)
        for service, described in self._services.items():
            self._wait(service, "service_healthy" if is_lasting(described) else "service_completed_successfully")

    def start(self, service: str, *, as_another: str = "") -> None:
        """Starts one container of ``service``; ``as_another`` names a second one beside the first."""
        described = self._services[service]
        for other, condition in depends_on(described).items():
            self._wait(other, condition)
        container = self._container(service, described, as_another or service)
        container.start()
        self.started[as_another or service] = container

    def stop(self, name: str) -> None:
        """As `docker stop`: a request, and its grace period."""
        self.started[name].get_wrapped_container().stop(timeout=45)

    def start_again(self, name: str) -> None:
        self.started[name].get_wrapped_container().start()

    def remove(self, name: str) -> None:
        self.started.pop(name).stop()

    def wait_until_healthy(self, name: str) -> None:
        wrapped = self.started[name].get_wrapped_container()
        settled = eventually(lambda: settled_health(wrapped), timeout=READY_SECONDS, every=0.3)
        assert settled == "healthy", f"{wrapped.name} ended: {wrapped.logs(tail=5).decode()}"

    @property
    def host_address(self) -> str:
        """This machine's address in the network of the containers."""
        described = DockerClient().client.networks.get(self._network.name).attrs
        return str(described["IPAM"]["Config"][0]["Gateway"])

    def lasting(self) -> list[str]:
        """The containers that are to run for ever."""
        return [name for name in self._services if is_lasting(self._services[name])]

    def names(self) -> list[str]:
        """Of the containers, as the engine has them."""
        return [container.get_wrapped_container().name for container in self.started.values()]

    def options_of(self, service: str, *, has_tmp: bool = True) -> list[str]:
        """What `docker run` needs to put one more container of ``service`` beside the others."""
        described = self._services[service]
        volumes = [f"{self._volume(source)}:{target}:{mode}" for source, target, mode in mounts(described)]
        settings = [f"{name}={value}" for name, value in described["environment"].items()]
        return [
            *("--network", self._network.name),
            *(("--tmpfs", "/tmp") if has_tmp else ()),
            *(part for volume in volumes for part in ("-v", volume)),
            *(part for setting in settings for part in ("-e", setting)),
        ]

    def seed(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Has accounts make a customer, in a container of its own."""
        done = subprocess.run(
            ["docker", "run", "--rm", "-i", *self.options_of("accounts"), self._services["accounts"]["image"], "seed"],
            input=msgspec.json.encode(wanted),
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return dict(msgspec.json.decode(done.stdout))

    def down(self) -> None:
        """Containers, volumes and network of this stack, and of one that a cut-off run left behind."""
        client = DockerClient().client
        for container in client.containers.list(all=True, filters={"label": f"{LABEL}={self.name}"}):
            container.remove(force=True, v=True)
        for volume in client.volumes.list(filters={"name": f"{self.name}_"}):
            volume.remove()
        for network in client.networks.list(filters={"label": f"{LABEL}={self.name}"}):
            network.remove()

    def _wait(self, service: str, condition: str) -> None:
        if condition == "service_completed_successfully":
            wrapped = self.started[service].get_wrapped_container()
            assert wrapped.wait(timeout=READY_SECONDS)["StatusCode"] == 0, wrapped.logs().decode()
        else:
            self.wait_until_healthy(service)

    def _container(self, service: str, described: dict[str, Any], name: str) -> DockerContainer:
        container = DockerContainer(described["image"], **self._options(service, described))
        container.with_name(f"{self.name}-{name}")
        if described.get("network_mode") is None:
            container.with_network(self._network).with_network_aliases(service)
        if (command := described.get("command")) is not None:
            container.with_command(command)
        for key, value in (described.get("environment") or {}).items():
            container.with_env(key, str(value))
        for folder in described.get("tmpfs") or []:
            container.with_tmpfs_mount(folder)
        for source, target, mode in mounts(described):
            container.with_volume_mapping(self._volume(source), target, mode)
        if service == "edge":
            container.with_bind_ports(8080, self.port)
        return container

    def _options(self, service: str, described: dict[str, Any]) -> dict[str, Any]:
        kept = ("user", "hostname", "read_only", "cap_drop", "security_opt", "mem_limit", "pids_limit")
        options = {key: described[key] for key in kept if described.get(key) is not None}
        options["labels"] = {LABEL: self.name}
        if entrypoint := described.get("entrypoint"):
            options["entrypoint"] = [part.replace("$$", "$") for part in entrypoint]
        if check := described.get("healthcheck"):
            options["healthcheck"] = {
                key: value if key in COUNTS else nanoseconds(value) for key, value in check.items()
            }
        if shared := described.get("network_mode"):
            options["network_mode"] = f"container:{self.name}-{shared.partition(':')[2]}"
        return options

    def _volume(self, source: str) -> str:
        return source if source.startswith("/") else f"{self.name}_{source}"


def services_for(base_url: str) -> dict[str, Any]:
    """What the compose file says of each service, and the cluster's door, which several gateways can stand behind."""
    settings = {"VELARO_PUBLIC_URL": base_url, "VELARO_TRUSTED_PROXIES": "1"}
    services = services_of(in_haste("velaro", "docker-compose.yml", settings=settings))
    cluster = services_of(in_haste("velaro", "docker-compose.yml", "docker-compose.cluster.yml", settings=settings))
    left_out = {"mail", "demo", "seed"}
    return {name: said for name, said in services.items() if name not in left_out} | {"edge": cluster["edge"]}


def in_order(services: dict[str, Any]) -> Iterator[str]:
    """Each service after those it depends on."""
    waiting = dict(services)
    while waiting:
        free = [name for name in waiting if not set(depends_on(waiting[name])) & set(waiting)]
        yield from free
        for name in free:
            del waiting[name]


def depends_on(described: dict[str, Any]) -> dict[str, str]:
    return {name: each["condition"] for name, each in (described.get("depends_on") or {}).items()}


def is_lasting(described: dict[str, Any]) -> bool:
    return described.get("restart") != "no"


def mounts(described: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Volume or folder, where it appears, and how; older and newer versions of compose print them differently."""
    for mount in described.get("volumes") or []:
        if isinstance(mount, str):
            source, target, *mode = mount.split(":")
            yield source, target, mode[0] if mode else "rw"
        else:
            yield mount["source"], mount["target"], "ro" if mount.get("read_only") else "rw"


def nanoseconds(duration: str) -> int:
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)([hms])", duration)) * 1_000_000_000


def settled_health(container: Any) -> str | None:
    """``healthy``, or ``ended``; None while it may still become either."""
    container.reload()
    state = container.attrs["State"]
    if not state["Running"]:
        return "ended"
    return "healthy" if state["Health"]["Status"] == "healthy" else None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
