"""The replica set and its users: one for each service with a database, with rights on that and on no other."""

from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure

from deploy.secrets import WITH_DATABASE, Secrets

Client = MongoClient[dict[str, Any]]

ELECTION_MILLISECONDS = 5_000
"""How long a primary may be silent; with MongoDB's ten seconds its loss would be a pause of nearly twelve."""

ALREADY_INITIATED = 23
ALREADY_EXISTS = 51003


def prepare(chosen: Secrets, members: list[str], *, here: str) -> None:
    """Initiates the replica set of ``members`` (``host:port``) and creates the users; harmless when all is there.

    MongoDB admits an unauthenticated client from its own machine exactly until the first user exists, so the
    administrator is created first, through ``here``, and everybody else by the administrator.
    """
    bare: Client
    client: Client
    with MongoClient(here, directConnection=True, serverSelectionTimeoutMS=60_000) as bare:
        _initiate(bare, members)
        _wait_for_primary(bare)
        _create_administrator(bare, chosen.mongo["admin"])
    with MongoClient(chosen.mongo_url("admin", "admin", ",".join(members)), serverSelectionTimeoutMS=60_000) as client:
        for service in WITH_DATABASE:
            _grant(client, service, chosen.mongo[service])


def _initiate(client: Client, hosts: list[str]) -> None:
    # The first is where the users are created, so it should be the one that is elected.
    members = [{"_id": number, "host": host, "priority": 1 if number else 2} for number, host in enumerate(hosts)]
    settings = {"electionTimeoutMillis": ELECTION_MILLISECONDS}
    try:
        client.admin.command("replSetInitiate", {"_id": "velaro", "members": members, "settings": settings})
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
