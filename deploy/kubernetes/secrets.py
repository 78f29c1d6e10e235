"""The Secrets that the manifests name, made once and kept in a folder: pipe them into ``kubectl apply -f -``.

python -m deploy.kubernetes.secrets var/kubernetes --mongodb-members 3 --smtp-url URL | kubectl apply -f -

Run again with the same folder, it prints the same passwords and keys. Whoever has the folder has the installation.
"""

import argparse
import json
import secrets
from pathlib import Path
from typing import Any

from deploy import broker_users
from deploy.secrets import BUS_VHOST, SERVICES, WITH_DATABASE, Secrets

AUTOSCALER = "autoscaler"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.kubernetes.secrets", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the passwords and keys are kept; made at the first run")
    parser.add_argument("--namespace", default="velaro")
    parser.add_argument("--smtp-url", required=True, help="smtp+starttls://user:password@host, or smtp:, or smtps:")
    parser.add_argument("--mongodb-members", type=int, default=3, help="1 for the overlay `small`")
    chosen = parser.parse_args()
    items = all_of(
        chosen.folder,
        namespace=chosen.namespace,
        mongodb_members=chosen.mongodb_members,
        smtp_url=chosen.smtp_url,
    )
    print(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=1))


def all_of(folder: Path, *, namespace: str, mongodb_members: int, smtp_url: str) -> list[dict[str, Any]]:
    """Every Secret, as Kubernetes wants it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = Secrets.kept_in(folder)
    members = [f"mongodb-{number}.mongodb-svc.{namespace}.svc:27017" for number in range(mongodb_members)]
    hosts = {"mongo_hosts": ",".join(members), "amqp_hosts": "rabbitmq:5672", "replica_set": "mongodb"}
    password = _kept(folder / AUTOSCALER)
    made: dict[str, dict[str, str]] = {
        **{service: kept.files_of(service, **hosts) for service in SERVICES},
        **{f"mongodb-{service}": {"password": kept.mongo[service]} for service in WITH_DATABASE},
        "rabbitmq-users": {"users.json": json.dumps(_users(kept, password))},
        # KEDA asks from a namespace of its own.
        AUTOSCALER: {"rabbitmq_url": f"http://{AUTOSCALER}:{password}@rabbitmq.{namespace}.svc:15672/{BUS_VHOST}"},
    }
    made["accounts"]["velaro_smtp_url"] = smtp_url
    return [_secret(name, namespace, contents) for name, contents in made.items()]


def _users(kept: Secrets, autoscaler_password: str) -> dict[str, Any]:
    """The part of RabbitMQ's definitions that is secret: the same users and rights as on one machine, and one more."""
    definitions = broker_users.with_users(kept)
    autoscaler = broker_users.user(AUTOSCALER, autoscaler_password, tags=["management"])
    return {
        "users": [*definitions["users"], autoscaler],
        "permissions": [
            *definitions["permissions"],
            *(_looks_on(AUTOSCALER, vhost["name"]) for vhost in definitions["vhosts"]),
        ],
    }


def _looks_on(user: str, vhost: str) -> dict[str, str]:
    """Sees how long queues are, and can neither read, write nor change one."""
    return {"user": user, "vhost": vhost, "configure": "^$", "write": "^$", "read": "^$"}


def _kept(path: Path) -> str:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24))
    return path.read_text()


def _secret(name: str, namespace: str, contents: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/part-of": "velaro"},
        },
        "type": "Opaque",
        "stringData": contents,
    }


if __name__ == "__main__":
    main()
