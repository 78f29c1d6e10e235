"""`python -m deploy.containers secrets|database|demo|json`: each prepares one thing, and may be run again."""

import json
import sys
from collections.abc import Callable

import requests
from pymongo.errors import PyMongoError

from chassis.settings import read
from deploy import database_users, demo
from deploy.containers import secret_files
from deploy.containers.settings import Settings
from deploy.secrets import Secrets


def secrets(settings: Settings) -> None:
    """Generates the secrets, once, and writes each container's share into its folder."""
    secret_files.write(Secrets.kept_in(settings.secrets_root / "setup"), settings)
    print("The secrets are written")


def database(settings: Settings) -> None:
    """Initiates the replica set and creates its users; runs in the network of its first member."""
    members = settings.mongo_hosts.split(",")
    port = members[0].rpartition(":")[2]
    database_users.prepare(_kept(settings), members, here=f"127.0.0.1:{port}")
    print("The database is prepared")


def demo_customer(settings: Settings) -> None:
    """Gives the demo customer its survey, and prints where to go."""
    document = demo.document(_kept(settings), settings.public_url)
    demo.offer_survey(settings.public_url, document["owner"], document["site_key"], address=settings.gateway_address)
    print(demo.addresses(document))


def demo_document(settings: Settings) -> None:
    """Prints all of this as JSON."""
    print(json.dumps(demo.document(_kept(settings), settings.public_url), indent=2))


def _kept(settings: Settings) -> Secrets:
    return Secrets.kept_in(settings.secrets_root / "setup")


COMMANDS: dict[str, Callable[[Settings], None]] = {
    "secrets": secrets,
    "database": database,
    "demo": demo_customer,
    "json": demo_document,
}


def main() -> int:
    """0 when done; else one line that says what was in the way."""
    if len(sys.argv) != 2 or sys.argv[1] not in COMMANDS:
        print(f"usage: python -m deploy.containers {'|'.join(COMMANDS)}", file=sys.stderr)
        return 64
    try:
        COMMANDS[sys.argv[1]](read(Settings))
    except (OSError, PyMongoError, requests.RequestException) as problem:
        print(f"{sys.argv[1]}: {problem}", file=sys.stderr)
        return 75
    return 0


if __name__ == "__main__":
    sys.exit(main())
