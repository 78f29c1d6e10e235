"""The secrets of an installation as files: one folder for each container that reads them, with what it needs alone."""

import json
from pathlib import Path

from deploy import demo
from deploy.broker_users import with_users
from deploy.containers.settings import Settings
from deploy.secrets import SERVICES, Secrets, write_private

Files = dict[str, str]


def write(chosen: Secrets, settings: Settings) -> None:
    """Write what is missing and correct what has changed; each file is complete or absent."""
    for owner, files in files_by_owner(chosen, settings).items():
        folder = settings.secrets_root / owner
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            _write(folder / name, content)


def _write(path: Path, content: str) -> None:
    if path.exists() and path.read_text() == content:
        return
    # The servers run as users of their own: who may read a folder is whoever it is mounted for.
    write_private(path, content, mode=0o444)


def files_by_owner(chosen: Secrets, settings: Settings) -> dict[str, Files]:
    """For each folder the names and contents of its files."""
    hosts = {"mongo_hosts": settings.mongo_hosts, "amqp_hosts": settings.amqp_hosts}
    files = {service: chosen.files_of(service, **hosts) for service in SERVICES}
    files["gateway"]["velaro_demo_site_key"] = chosen.demo["site_key"]
    files["accounts"]["demo_customer.json"] = json.dumps(demo.customer(chosen, settings.public_url))
    files["mongo"] = {"replica_key": chosen.replica_key}
    files["rabbitmq"] = {
        "erlang_cookie": chosen.erlang_cookie,
        "definitions.json": json.dumps(with_users(chosen)),
    }
    return files
