"""The connection to a service's own database."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import pymongo
import structlog
from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)

from chassis.problems import Unavailable

Document = dict[str, Any]
T = TypeVar("T")

TRANSACTION_SECONDS = 5.0
_REFUSED = (13, 18)  # Unauthorized, AuthenticationFailed

log = structlog.get_logger(__name__)


class StoreUnavailable(Unavailable):
    """The database did not answer in time. A write may or may not have happened: repeat it under the same key."""


def connect(url: str) -> Database[Document]:
    """The database that ``url`` names; connections are made when first used, and never before a fork.

    Writes count once a majority has them in its journal; reads see only such writes, from the primary.
    """
    client: MongoClient[Document] = MongoClient(
        url,
        w="majority",
        journal=True,
        readConcernLevel="majority",
        retryWrites=True,
        retryReads=True,
        tz_aware=True,
        tzinfo=UTC,
        serverSelectionTimeoutMS=5000,
        connectTimeoutMS=3000,
        timeoutMS=3000,
        maxPoolSize=64,
        waitQueueTimeoutMS=2000,
    )
    return client.get_default_database()


def wait_for_primary(database: Database[Document], *, patience: float = 60.0) -> None:
    """Return once the database takes writes and knows us; raise ``StoreUnavailable`` when patience ends."""
    deadline = time.monotonic() + patience
    told = ""
    while True:
        try:
            ping(database)
        except (StoreUnavailable, OperationFailure) as error:
            reason = _why_not(database, error)
            if time.monotonic() > deadline:
                raise StoreUnavailable(reason) from error
        else:
            return
        if reason != told:
            log.warning("waiting for the database", reason=reason)
            told = reason
        time.sleep(0.2)


def _why_not(database: Database[Document], error: StoreUnavailable | OperationFailure) -> str:
    servers = database.client.topology_description.server_descriptions()
    hosts = ", ".join(sorted(f"{host}:{port}" for host, port in servers))
    if isinstance(error, StoreUnavailable):
        return f"no primary of database {database.name} answers at {hosts}"
    if error.code in _REFUSED:
        return f"{hosts} refuses the user of database {database.name}"
    raise error


def ping(database: Database[Document]) -> None:
    """A readiness check: raises ``StoreUnavailable`` unless the primary answers."""
    with unavailable(), pymongo.timeout(2):
        database.command("ping")


def server_time(database: Database[Document]) -> datetime:
    """What the primary's clock says, for what must not depend on ours."""
    with unavailable():
        moment: datetime = database.command("hello", codec_options=database.codec_options)["localTime"]
        return moment


@contextmanager
def unavailable() -> Iterator[None]:
    """Inside, or on a function so decorated, lost connections, timeouts and majorities are ``StoreUnavailable``."""
    try:
        yield
    except (ConnectionFailure, ExecutionTimeout, WriteConcernError) as error:
        raise StoreUnavailable from error
    except PyMongoError as error:
        if error.timeout or _lacks_majority(error):
            raise StoreUnavailable from error
        raise


def _lacks_majority(error: PyMongoError) -> bool:
    return isinstance(error, BulkWriteError) and bool((error.details or {}).get("writeConcernErrors"))


def transaction(database: Database[Document], work: Callable[[ClientSession], T]) -> T:
    """Do ``work`` in one transaction: all of it or nothing. It may run several times, so it must only write."""
    with unavailable(), database.client.start_session() as session, pymongo.timeout(TRANSACTION_SECONDS):
        return session.with_transaction(work)
