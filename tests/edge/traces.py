"""Where a planted marker can still be found: every database, queue and log of an instance, past all services.

What is searched is what each part hands out when asked. The files of MongoDB and RabbitMQ themselves keep what was
deleted until they are written over, which `docs/architecture.md` tells of.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import bson
import pika
import zstandard
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

from chassis.testing import eventually
from deploy.local import broker
from deploy.local.instance import Instance

NOT_OURS = frozenset({"admin", "config", "local"})
VHOSTS = ("velaro", "velaro-tasks")
ARCHIVED = zstandard.MAGIC_NUMBER.to_bytes(4, "little")
_archived = zstandard.ZstdDecompressor()


class Traces:
    """Looks for markers in everything that an instance keeps."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def of(self, *markers: str) -> list[str]:
        """Every place that still holds one of ``markers``."""
        wanted = [marker.encode() for marker in markers]
        return [*self._in_databases(wanted), *self._in_queues(wanted), *self._in_logs(wanted)]

    def databases(self) -> Any:
        """A client that may read everything."""
        return closing(MongoClient(self._instance.mongo_url("admin", "admin"), document_class=RawBSONDocument))

    def _in_databases(self, wanted: list[bytes]) -> Iterator[str]:
        with self.databases() as client:
            for database in set(client.list_database_names()) - NOT_OURS:
                for collection in client[database].list_collection_names():
                    yield from self._in_collection(client[database][collection], wanted)

    def _in_collection(self, collection: Any, wanted: list[bytes]) -> Iterator[str]:
        for document in collection.find({}):
            for content in _contents(document.raw):
                if _holds(content, wanted):
                    yield f"database {collection.full_name}"

    def _in_queues(self, wanted: list[bytes]) -> Iterator[str]:
        for vhost in VHOSTS:
            for queue, body in resting_in(self._instance, vhost):
                if _holds(body, wanted):
                    yield f"queue {queue} of {vhost}"

    def _in_logs(self, wanted: list[bytes]) -> Iterator[str]:
        root = self._instance.root
        for path in [*(root / "log").rglob("*"), *root.rglob("*.log")]:
            if path.is_file() and _file_holds(path, wanted):
                yield f"log {path.relative_to(root)}"


def lengths_in(instance: Instance, vhost: str) -> dict[str, int]:
    """How much is in every queue that outlives its consumer, delivered or not."""
    wanted = ("name", "messages", "exclusive")
    listed = broker.control(instance, "-q", "list_queues", "-p", vhost, *wanted, "--no-table-headers")
    queues = [line.split("\t") for line in listed.splitlines()]
    # Of a quorum queue, which never is, it is not even said.
    return {name: int(length) for name, length, is_exclusive in queues if is_exclusive != "true"}


def resting_in(instance: Instance, vhost: str) -> Iterator[tuple[str, bytes]]:
    """What lies in every durable queue; all of it goes back when the channel closes.

    A partition of chat is nobody's to look into but its one consumer's: it has to be empty.
    """

    def partitions_if_empty() -> tuple[set[str], set[str]] | None:
        lengths = lengths_in(instance, vhost)
        partitions = {name for name in lengths if re.fullmatch(r"chat\.p\.\d\d", name)}
        return None if any(lengths[name] for name in partitions) else (set(lengths), partitions)

    names, partitions = eventually(partitions_if_empty, timeout=30, every=0.5)
    connection = pika.BlockingConnection(pika.URLParameters(instance.amqp_url("admin", vhost)))
    with closing(connection):
        for name in sorted(names - partitions):
            channel = connection.channel()
            while (got := channel.basic_get(name))[0] is not None:
                yield name, got[2]
            channel.close()


def _contents(raw: bytes) -> Iterable[bytes]:
    """A document as it is stored, and what is packed in it."""
    yield raw
    for value in bson.decode(raw).values():
        if isinstance(value, bytes):
            try:
                yield _archived.decompress(value, max_output_size=64 << 20)
            except zstandard.ZstdError:
                # Sealed for somebody: there as it is.
                yield value


def _holds(content: bytes, wanted: list[bytes]) -> bool:
    return any(marker in content for marker in wanted)


def _file_holds(path: Path, wanted: list[bytes]) -> bool:
    with path.open("rb") as lines:
        return any(_holds(line, wanted) for line in lines)
