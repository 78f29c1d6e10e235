"""What kustomize makes of `deploy/kubernetes`, and questions to it: who runs what, who may reach whom."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pytest

from deploy.local.instance import REPOSITORY

KUBERNETES = REPOSITORY / "deploy" / "kubernetes"
OVERLAYS = ("base", "overlays/small", "overlays/production")

Resource = dict[str, Any]


@dataclass(frozen=True)
class Manifests:
    """All resources of one overlay."""

    resources: tuple[Resource, ...]

    def all(self, kind: str) -> list[Resource]:
        return [resource for resource in self.resources if resource["kind"] == kind]

    def one(self, kind: str, name: str) -> Resource:
        [found] = [resource for resource in self.all(kind) if resource["metadata"]["name"] == name]
        return found

    @property
    def deployments(self) -> dict[str, Resource]:
        return {each["metadata"]["name"]: each for each in self.all("Deployment")}

    @property
    def pods(self) -> dict[str, Resource]:
        return {name: deployment["spec"]["template"] for name, deployment in self.deployments.items()}

    def replicas(self, name: str) -> int:
        """How many there are at least: as the Deployment says, or whoever scales it."""
        for scaled in self.all("ScaledObject"):
            if scaled["spec"]["scaleTargetRef"]["name"] == name:
                return int(scaled["spec"]["minReplicaCount"])
        return int(self.deployments[name]["spec"].get("replicas", 1))

    def environment(self, name: str) -> dict[str, str]:
        """What the process finds in its environment, ConfigMaps included."""
        process = container(self.pods[name])
        found: dict[str, str] = {}
        for source in process.get("envFrom", []):
            found |= self.one("ConfigMap", source["configMapRef"]["name"])["data"]
        return found | {each["name"]: each["value"] for each in process.get("env", [])}

    @cached_property
    def network(self) -> "Network":
        return Network(self)


class Network:
    """The NetworkPolicies, as Kubernetes reads them: allowed is what both ends allow."""

    RABBITMQ = {"app.kubernetes.io/name": "rabbitmq"}
    MONGODB = {"app": "mongodb-svc"}

    def __init__(self, manifests: Manifests) -> None:
        self._policies = [policy["spec"] for policy in manifests.all("NetworkPolicy")]
        ours = {name: pod["metadata"]["labels"] for name, pod in manifests.pods.items()}
        self.pods = ours | {"rabbitmq": self.RABBITMQ, "mongodb": self.MONGODB}

    def reaches(self, source: str) -> set[tuple[str, int]]:
        """The pods, and their ports, that a pod of ours reaches."""
        return {
            (target, port)
            for target in self.pods
            if target != source
            for port in PORTS
            if self._allows("Egress", self.pods[source], port, pod=self.pods[target])
            and self._allows("Ingress", self.pods[target], port, pod=self.pods[source])
        }

    def is_reached_from(self, namespace: dict[str, str]) -> set[tuple[str, int]]:
        """The pods, and their ports, that any pod of another namespace reaches."""
        return {
            (target, port)
            for target, labels in self.pods.items()
            for port in PORTS
            if self._allows("Ingress", labels, port, namespace=namespace)
        }

    def closed(self, direction: str) -> set[str]:
        """The pods that nothing is open for, unless a rule says so."""
        return {name for name, labels in self.pods.items() if self._of(direction, labels)}

    def _of(self, direction: str, labels: dict[str, str]) -> list[Resource]:
        return [
            policy
            for policy in self._policies
            if direction in policy["policyTypes"] and selects(policy["podSelector"], labels)
        ]

    def _allows(self, direction: str, labels: dict[str, str], port: int, **other: dict[str, str]) -> bool:
        policies = self._of(direction, labels)
        rules = [rule for policy in policies for rule in policy.get(direction.lower(), [])]
        return not policies or any(_rule_allows(direction, rule, port, **other) for rule in rules)


PORTS = (2525, 4369, 5672, 8080, 15672, 15692, 25672, 27017)


def _rule_allows(direction: str, rule: Resource, port: int, **other: dict[str, str]) -> bool:
    peers = rule.get("from" if direction == "Ingress" else "to")
    is_open = "ports" not in rule or port in [each["port"] for each in rule["ports"]]
    return is_open and (not peers or any(_is_peer(peer, **other) for peer in peers))


def _is_peer(peer: Resource, pod: dict[str, str] | None = None, namespace: dict[str, str] | None = None) -> bool:
    if namespace is not None:
        # Any pod of it: one named by a pod selector as well is not known here, so it counts as reached.
        return "namespaceSelector" in peer and selects(peer["namespaceSelector"], namespace)
    return "namespaceSelector" not in peer and "podSelector" in peer and selects(peer["podSelector"], pod or {})


def selects(selector: Resource, labels: dict[str, str]) -> bool:
    """Only what our manifests use; anything else would be understood wrongly."""
    assert set(selector) <= {"matchLabels"}, f"teach this test to read {selector}"
    return selector.get("matchLabels", {}).items() <= labels.items()


def container(pod: Resource) -> Resource:
    """The one container of a pod of ours."""
    [only] = pod["spec"]["containers"]
    assert "initContainers" not in pod["spec"]
    return only  # type: ignore[no-any-return]


@cache
def build(overlay: str) -> Manifests:
    """The overlay as kustomize builds it."""
    import yaml

    built = subprocess.run(
        [_kubectl(), "kustomize", KUBERNETES / overlay], capture_output=True, text=True, check=True
    ).stdout
    return Manifests(tuple(yaml.safe_load_all(built)))


def _kubectl() -> str:
    """The one of this environment, since a machine's own may carry a kustomize that is years old."""
    beside = Path(sys.executable).parent / "kubectl"
    found = str(beside) if beside.exists() else shutil.which("kubectl")
    if found is None:
        left_out("kubectl")
    return found


def left_out(tool: str) -> None:
    """Says what is not tested here; where nothing may be skipped, that is a failure."""
    line = f"the Kubernetes manifests were not checked: {tool} is missing, `make venv` installs it"
    if os.environ.get("CI") or os.environ.get("VELARO_NOTHING_SKIPPED") == "1":
        pytest.fail(line)
    pytest.skip(line)
