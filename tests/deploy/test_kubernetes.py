"""The manifests are what Kubernetes understands, and say what we mean; each overlay is built by a real kustomize.

Whether a cluster and the operators in it take them, only a cluster tells: none is started here.
"""

import ast
import importlib
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest

from chassis.settings import PREFIX, ServingSettings
from chassis.tasks import make_celery
from contracts.partitions import partition_queue
from deploy.kubernetes.secrets import all_of
from deploy.local.instance import REPOSITORY, Instance, Ports
from deploy.local.processes import all_of as local_processes
from deploy.secrets import SERVICES
from docs.generate import all_queues
from services.chat.settings import Settings as ChatSettings
from tests.deploy.manifests import Manifests, Network, Resource, build, container, left_out

try:
    import kubernetes_validate
except ImportError:
    kubernetes_validate = None

VERSIONS = ("1.32", "1.37")
"""Of Kubernetes: the oldest and the newest whose schemas the manifests keep."""

SCHEMAS = Path(__file__).parent / "schemas"
OF_OPERATORS = {"RabbitmqCluster", "MongoDBCommunity", "ScaledObject", "TriggerAuthentication"}
WITH_MARGIN = 5


def check(resource: Resource, version: str) -> None:
    if kubernetes_validate is None:
        left_out("kubernetes-validate")
    kubernetes_validate.validate(resource, version, strict=True)


def processes(tmp_path: Path) -> dict[str, tuple[str, str]]:
    """The service and the argument of every process of ours, as the local stack knows them."""
    names = [
        process.name
        for process in local_processes(Instance(root=tmp_path, ports=Ports(20_000)))
        if process.stage != "servers"
    ]
    return {name: (name.partition("-")[0], name.partition("-")[2] or "web") for name in names}


def settings_of(service: str) -> Any:
    return importlib.import_module(f"services.{service}.settings").Settings


def variables(*classes: Any) -> set[str]:
    return {f"{PREFIX}{name.upper()}" for cls in classes for name in cls.model_fields}


# What Kubernetes understands


@pytest.mark.parametrize("version", VERSIONS)
def test_every_resource_is_what_kubernetes_understands(manifests: Manifests, version: str) -> None:
    for resource in manifests.resources:
        if resource["kind"] not in OF_OPERATORS:
            check(resource, version)


def test_every_resource_of_an_operator_has_only_fields_that_we_know(manifests: Manifests) -> None:
    for resource in manifests.resources:
        if resource["kind"] in OF_OPERATORS:
            schema = json.loads((SCHEMAS / f"{resource['kind'].lower()}.json").read_text())
            jsonschema.Draft202012Validator(schema).validate(resource)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_operators_are_told_of_pods_and_volumes_is_what_kubernetes_understands(
    production: Manifests, version: str
) -> None:
    rabbitmq = production.one("RabbitmqCluster", "rabbitmq")["spec"]["override"]["statefulSet"]["spec"]
    mongodb = production.one("MongoDBCommunity", "mongodb")["spec"]["statefulSet"]["spec"]

    for pod in (rabbitmq["template"], mongodb["template"]):
        check({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "any"}, **pod}, version)
    for claim in mongodb["volumeClaimTemplates"]:
        check({"apiVersion": "v1", "kind": "PersistentVolumeClaim", **claim}, version)


@pytest.mark.parametrize("version", VERSIONS)
def test_how_keda_is_told_to_scale_is_what_kubernetes_understands(production: Manifests, version: str) -> None:
    for scaled in production.all("ScaledObject"):
        behaviour = scaled["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": scaled["spec"]["scaleTargetRef"]["name"]}
        check(
            {
                "apiVersion": "autoscaling/v2",
                "kind": "HorizontalPodAutoscaler",
                "metadata": {"name": "any"},
                "spec": {"scaleTargetRef": target, "maxReplicas": 1, "behavior": behaviour},
            },
            version,
        )


def test_an_unknown_field_is_refused(production: Manifests) -> None:
    if kubernetes_validate is None:
        left_out("kubernetes-validate")
    deployment = production.deployments["chat-relay"]
    misspelt = deployment | {"spec": deployment["spec"] | {"replica": 2}}

    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        check(misspelt, VERSIONS[-1])


# Every process, and each as it should be


def test_every_process_has_a_deployment_and_every_deployment_is_a_process(manifests: Manifests, tmp_path: Path) -> None:
    run = {}
    for name, pod in manifests.pods.items():
        image, argument = container(pod)["image"], container(pod)["args"]
        run[name] = (image.partition(":")[0].removeprefix("velaro/"), *argument)

    assert run == processes(tmp_path)


def test_every_image_has_a_version(manifests: Manifests) -> None:
    for pod in manifests.pods.values():
        assert re.fullmatch(r"velaro/[a-z]+:\d+\.\d+\.\d+", container(pod)["image"])


def test_no_container_is_root_or_becomes_it_or_writes_to_its_disk(manifests: Manifests) -> None:
    for pod in manifests.pods.values():
        of_pod, of_container = pod["spec"]["securityContext"], container(pod)["securityContext"]
        assert of_pod["runAsNonRoot"] is True
        assert of_pod["runAsUser"] == of_pod["runAsGroup"] == 10001
        assert of_pod["seccompProfile"] == {"type": "RuntimeDefault"}
        assert of_container == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_what_a_process_must_write_goes_to_memory(manifests: Manifests) -> None:
    for pod in manifests.pods.values():
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        writable = [mount for mount in container(pod)["volumeMounts"] if not mount.get("readOnly")]
        assert [mount["mountPath"] for mount in writable] == ["/tmp"]
        assert volumes[writable[0]["name"]]["emptyDir"]["medium"] == "Memory"


def test_every_container_is_asked_whether_it_lives_and_whether_it_is_ready(manifests: Manifests) -> None:
    for pod in manifests.pods.values():
        process = container(pod)
        assert process["ports"] == [{"name": "http", "containerPort": 8080}]
        for probe, path in (("startupProbe", "/health"), ("livenessProbe", "/health"), ("readinessProbe", "/ready")):
            assert process[probe]["httpGet"] == {"path": path, "port": "http"}


def test_every_container_says_what_it_needs_and_may_not_take_more_than_it_is_given(manifests: Manifests) -> None:
    for pod in manifests.pods.values():
        resources = container(pod)["resources"]
        assert set(resources["requests"]) == set(resources["limits"]) == {"cpu", "memory"}


def test_no_process_has_a_token_for_kubernetes(manifests: Manifests) -> None:
    accounts = {each["metadata"]["name"]: each for each in manifests.all("ServiceAccount")}

    for pod in manifests.pods.values():
        service = pod["metadata"]["labels"]["app.kubernetes.io/name"]
        assert pod["spec"]["serviceAccountName"] == service
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert accounts[service]["automountServiceAccountToken"] is False


# Coming and going


def test_a_process_has_the_time_it_needs_to_end(manifests: Manifests) -> None:
    celery = make_celery("any", broker_url="amqp://nowhere").conf.worker_soft_shutdown_timeout
    needed = {
        "gateway": graceful_timeout("services/gateway/serving.py"),
        **{service: graceful_timeout("chassis/serving.py") for service in SERVICES if service != "gateway"},
        "transcripts-worker": celery,
        "accounts-worker": celery,
    }

    for name, pod in manifests.pods.items():
        pause = container(pod).get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        assert pod["spec"]["terminationGracePeriodSeconds"] >= pause + needed.get(name, 15) + WITH_MARGIN, name


def graceful_timeout(module: str) -> int:
    """Read, not imported: to import how the gateway is served patches the whole process."""
    for node in ast.parse((REPOSITORY / module).read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "graceful_timeout":
            return int(ast.literal_eval(node.value))
    raise AssertionError(f"{module} has no graceful_timeout")


def test_no_web_process_goes_before_its_successor_is_ready_or_while_it_is_still_sent_requests(
    manifests: Manifests,
) -> None:
    for service in SERVICES:
        deployment = manifests.deployments[service]
        assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
        assert container(manifests.pods[service])["lifecycle"]["preStop"]["sleep"]["seconds"] > 0


def test_every_deployment_of_more_than_one_loses_one_at_a_time(manifests: Manifests) -> None:
    budgets = [budget["spec"] for budget in manifests.all("PodDisruptionBudget")]

    for name, deployment in manifests.deployments.items():
        if manifests.replicas(name) > 1:
            [budget] = [each for each in budgets if each["selector"] == deployment["spec"]["selector"]]
            assert budget["maxUnavailable"] == 1


def test_in_production_there_are_several_of_everything_but_the_timer(production: Manifests) -> None:
    alone = [name for name in production.deployments if production.replicas(name) == 1]

    assert alone == ["accounts-beat", "transcripts-beat"]
    assert production.one("RabbitmqCluster", "rabbitmq")["spec"]["replicas"] == 3
    assert production.one("MongoDBCommunity", "mongodb")["spec"]["members"] == 3


def test_the_pods_of_a_process_are_spread_over_zones_and_nodes(manifests: Manifests) -> None:
    for pod in manifests.pods.values():
        constraints = pod["spec"]["topologySpreadConstraints"]
        assert [each["topologyKey"] for each in constraints] == [
            "topology.kubernetes.io/zone",
            "kubernetes.io/hostname",
        ]
        for each in constraints:
            assert each["labelSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
            assert {"app.kubernetes.io/name", "app.kubernetes.io/component"} <= set(each["matchLabelKeys"])


def test_no_two_servers_of_a_majority_share_a_node(production: Manifests) -> None:
    rabbitmq = production.one("RabbitmqCluster", "rabbitmq")["spec"]["override"]["statefulSet"]["spec"]
    mongodb = production.one("MongoDBCommunity", "mongodb")["spec"]["statefulSet"]["spec"]

    for pods, labels in ((rabbitmq, Network.RABBITMQ), (mongodb, Network.MONGODB)):
        [strict] = [
            each
            for each in pods["template"]["spec"]["topologySpreadConstraints"]
            if each["whenUnsatisfiable"] == "DoNotSchedule"
        ]
        assert (strict["topologyKey"], strict["maxSkew"]) == ("kubernetes.io/hostname", 1)
        assert strict["labelSelector"]["matchLabels"] == labels


# Who may reach whom


def test_every_pod_is_closed_in_both_directions_unless_a_rule_opens_it(manifests: Manifests) -> None:
    everybody = set(manifests.network.pods)

    assert manifests.network.closed("Ingress") == everybody
    assert manifests.network.closed("Egress") == everybody


def test_nothing_but_the_gateway_can_be_reached_from_the_ingress(manifests: Manifests) -> None:
    assert manifests.network.is_reached_from({"velaro/ingress": "yes"}) == {("gateway", 8080)}


def test_mail_comes_in_from_the_mail_server_alone(manifests: Manifests) -> None:
    assert manifests.network.is_reached_from({"velaro/mail": "yes"}) == {("accounts-inbox", 2525)}


def test_a_namespace_without_a_role_reaches_nothing(manifests: Manifests) -> None:
    assert manifests.network.is_reached_from({"kubernetes.io/metadata.name": "default"}) == set()


def test_metrics_are_read_from_every_process(manifests: Manifests) -> None:
    reached = manifests.network.is_reached_from({"velaro/monitoring": "yes"})

    assert {name for name, port in reached if port == 8080} == set(manifests.pods)


def test_the_autoscaler_asks_the_broker_and_nobody_else(production: Manifests) -> None:
    assert production.network.is_reached_from({"velaro/autoscaling": "yes"}) == {("rabbitmq", 15672)}


@pytest.mark.parametrize("overlay", ["small", "production"])
def test_every_process_reaches_what_it_needs_and_nothing_else(overlay: str) -> None:
    mongodb, rabbitmq, chat = ("mongodb", 27017), ("rabbitmq", 5672), ("chat", 8080)
    needs = {
        "gateway": {rabbitmq, chat, ("accounts", 8080), ("surveys", 8080), ("transcripts", 8080)},
        "accounts": {mongodb},
        "accounts-consumer": {mongodb, rabbitmq},
        "accounts-inbox": {mongodb},
        "accounts-worker": {mongodb, rabbitmq, chat, ("transcripts", 8080)},
        "accounts-beat": {rabbitmq},
        "chat": {mongodb},
        "chat-relay": {mongodb, rabbitmq},
        "chat-consumer": {mongodb, rabbitmq},
        "surveys": {mongodb},
        "surveys-consumer": {mongodb, rabbitmq},
        "transcripts": {mongodb},
        "transcripts-consumer": {mongodb, rabbitmq, chat},
        "transcripts-worker": {mongodb, rabbitmq, chat},
        "transcripts-beat": {rabbitmq},
        "rabbitmq": set(),
        "mongodb": set(),
    }
    network = build(f"overlays/{overlay}").network

    assert {name: network.reaches(name) for name in network.pods} == needs


def test_every_service_address_is_a_service_whose_pods_are_there(manifests: Manifests) -> None:
    for service in SERVICES:
        selector = manifests.one("Service", service)["spec"]["selector"]
        chosen = [name for name, pod in manifests.pods.items() if selector.items() <= pod["metadata"]["labels"].items()]
        assert chosen == [service]
    for name in manifests.pods:
        for variable, value in manifests.environment(name).items():
            if variable.endswith("_URL") and variable != "VELARO_PUBLIC_URL":
                assert value == f"http://{variable.removeprefix(PREFIX).removesuffix('_URL').lower()}:8080"


# The public door


def test_the_address_is_the_same_for_gateway_certificate_and_ingress(manifests: Manifests) -> None:
    ingress = manifests.one("Ingress", "gateway")["spec"]
    host = urlsplit(manifests.environment("gateway")["VELARO_PUBLIC_URL"]).hostname

    assert [rule["host"] for rule in ingress["rules"]] == [host]
    assert [tls["hosts"] for tls in ingress["tls"]] == [[host]]


def test_every_public_path_comes_through_the_ingress_and_none_that_is_for_machines(manifests: Manifests) -> None:
    [rule] = manifests.one("Ingress", "gateway")["spec"]["rules"]
    text = (REPOSITORY / "services/gateway/README.md").read_text()
    documented = re.findall(r"^\| `[A-Z]+ (/[^ ?`]*)", text, flags=re.MULTILINE)

    assert len(documented) > 30
    assert [path for path in (*documented, "/static/app.js") if not lets_through(rule, path)] == []
    assert not any(lets_through(rule, path) for path in ("/health", "/ready", "/metrics", "/internal/v1/sessions"))


def lets_through(rule: Resource, path: str) -> bool:
    for each in rule["http"]["paths"]:
        prefix = each["path"]
        if path == prefix or (each["pathType"] == "Prefix" and path.startswith(f"{prefix}/")):
            return True
    return False


def test_a_silent_socket_outlives_several_pings(manifests: Manifests) -> None:
    annotations = manifests.one("Ingress", "gateway")["metadata"]["annotations"]
    timeouts = {name: value for name, value in annotations.items() if "timeout" in name}

    assert timeouts
    assert all(int(value.removesuffix("s")) >= 3 * 25 for value in timeouts.values())


# Settings and secrets


def test_every_variable_is_one_that_its_service_reads(manifests: Manifests) -> None:
    for name, pod in manifests.pods.items():
        service = pod["metadata"]["labels"]["app.kubernetes.io/name"]
        known = variables(settings_of(service), *([ServingSettings] if name == service else []))
        assert set(manifests.environment(name)) <= known, name


def test_every_process_can_read_its_settings_from_what_it_is_given(
    manifests: Manifests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {secret["metadata"]["name"]: secret["stringData"] for secret in secrets(tmp_path)}
    for name, pod in manifests.pods.items():
        for secret in mounted(pod):
            folder = tmp_path / name
            folder.mkdir()
            for file, content in made[secret].items():
                (folder / file).write_text(content)
        with monkeypatch.context() as patched:
            for variable, value in manifests.environment(name).items():
                patched.setenv(variable, value)
            settings_of(pod["metadata"]["labels"]["app.kubernetes.io/name"])(_secrets_dir=folder)


def test_a_secret_is_mounted_by_one_service_only_and_never_in_the_environment(manifests: Manifests) -> None:
    for pod in manifests.pods.values():
        service = pod["metadata"]["labels"]["app.kubernetes.io/name"]
        assert mounted(pod) == [service]
        assert all("secretRef" not in source for source in container(pod).get("envFrom", []))
        assert all("valueFrom" not in variable for variable in container(pod).get("env", []))
        paths = {mount["name"]: mount["mountPath"] for mount in container(pod)["volumeMounts"]}
        assert paths["secrets"] == "/run/secrets"


def test_no_secret_is_among_the_manifests(manifests: Manifests) -> None:
    assert manifests.all("Secret") == []


def test_every_secret_that_is_named_is_one_that_is_made(production: Manifests, tmp_path: Path) -> None:
    made = {secret["metadata"]["name"]: secret["stringData"] for secret in secrets(tmp_path)}
    rabbitmq = production.one("RabbitmqCluster", "rabbitmq")["spec"]["override"]["statefulSet"]["spec"]
    mongodb = production.one("MongoDBCommunity", "mongodb")["spec"]
    queues = production.one("TriggerAuthentication", "queues")["spec"]["secretTargetRef"]

    named = {name for pod in production.pods.values() for name in mounted(pod)}
    named |= set(mounted(rabbitmq["template"]))
    named |= {user["passwordSecretRef"]["name"] for user in mongodb["users"]}
    named |= {reference["name"] for reference in queues}
    assert named == set(made)
    assert all("password" in made[user["passwordSecretRef"]["name"]] for user in mongodb["users"])
    assert all(reference["key"] in made[reference["name"]] for reference in queues)


def secrets(tmp_path: Path) -> list[Resource]:
    return all_of(tmp_path / "kept", namespace="velaro", mongodb_members=3, smtp_url="smtp+starttls://mail.example.com")


def mounted(pod: Resource) -> list[str]:
    return [volume["secret"]["secretName"] for volume in pod["spec"]["volumes"] if "secret" in volume]


# The servers


def test_gateway_and_chat_agree_on_the_number_of_partitions(manifests: Manifests) -> None:
    told = {manifests.environment(name)["VELARO_PARTITIONS"] for name in manifests.pods if reads_partitions(name)}

    assert told == {str(ChatSettings.model_fields["partitions"].default)}


def reads_partitions(name: str) -> bool:
    return name.partition("-")[0] in {"chat", "gateway"}


@pytest.mark.parametrize("overlay", ["small", "production"])
def test_rabbitmq_loads_the_definitions_as_they_are_committed(overlay: str) -> None:
    built = build(f"overlays/{overlay}")
    spec = built.one("RabbitmqCluster", "rabbitmq")["spec"]
    pod = spec["override"]["statefulSet"]["spec"]["template"]["spec"]
    [name] = [volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume]
    committed = (REPOSITORY / "deploy/rabbitmq/definitions.json").read_text()

    assert built.one("ConfigMap", name)["data"] == {"definitions.json": committed}
    folder = re.search(r"^load_definitions = (\S+)$", spec["rabbitmq"]["additionalConfig"], flags=re.MULTILINE)
    assert folder
    [process] = pod["containers"]
    files = sorted((mount["mountPath"], mount["subPath"]) for mount in process["volumeMounts"])
    # Virtual hosts before the rights on them; and one file each, since RabbitMQ reads whatever is in the folder.
    assert files == [
        (f"{folder[1]}/10-definitions.json", "definitions.json"),
        (f"{folder[1]}/20-users.json", "users.json"),
    ]


@pytest.mark.parametrize("overlay", ["small", "production"])
def test_mongodb_has_a_user_for_each_service_with_rights_on_its_own_database_only(overlay: str) -> None:
    users = build(f"overlays/{overlay}").one("MongoDBCommunity", "mongodb")["spec"]["users"]

    assert {user["name"]: (user["db"], user["roles"]) for user in users} == {
        service: ("admin", [{"db": service, "name": "readWrite"}]) for service in SERVICES if service != "gateway"
    }


# Scaling


def test_what_is_scaled_by_its_work_says_nothing_of_replicas_itself(production: Manifests) -> None:
    scaled = {each["spec"]["scaleTargetRef"]["name"] for each in production.all("ScaledObject")}

    assert scaled == {"gateway", "chat-relay", "transcripts-consumer", "transcripts-worker"}
    assert all("replicas" not in production.deployments[name]["spec"] for name in scaled)


def test_there_are_never_more_relays_than_partitions(production: Manifests) -> None:
    partitions = int(production.environment("chat-relay")["VELARO_PARTITIONS"])

    assert production.one("ScaledObject", "chat-relay")["spec"]["maxReplicaCount"] <= partitions


def test_a_process_is_scaled_by_the_queues_that_it_works_off(production: Manifests) -> None:
    partitions = [partition_queue(number) for number in range(8)]
    names = {queue.name for queue in all_queues()} | {
        f"{name}.{aside}" for name in partitions for aside in ("retry", "dead")
    }
    relay, consumer, worker = (
        production.one("ScaledObject", name)["spec"]["triggers"][0]["metadata"]
        for name in ("chat-relay", "transcripts-consumer", "transcripts-worker")
    )

    assert [name for name in sorted(names | set(partitions)) if re.search(relay["queueName"], name)] == partitions
    assert consumer["queueName"] in names
    assert worker["queueName"] == make_celery("transcripts", broker_url="amqp://nowhere").conf.task_default_queue
    assert (relay["vhostName"], consumer["vhostName"], worker["vhostName"]) == ("velaro", "velaro", "velaro-tasks")


def test_the_gateway_is_scaled_by_sockets_and_work_and_gives_up_one_pod_at_a_time(production: Manifests) -> None:
    spec = production.one("ScaledObject", "gateway")["spec"]
    by_type = {trigger["type"]: trigger for trigger in spec["triggers"]}
    down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]

    assert set(by_type) == {"prometheus", "cpu"}
    assert "velaro_gateway_sockets" in by_type["prometheus"]["metadata"]["query"]
    assert '"velaro_gateway_sockets"' in (REPOSITORY / "services/gateway/sockets.py").read_text()
    assert [(policy["type"], policy["value"]) for policy in down["policies"]] == [("Pods", 1)]
    assert down["policies"][0]["periodSeconds"] >= 300
