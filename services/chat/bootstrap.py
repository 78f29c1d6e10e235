"""Puts chat together: settings, database, stores. Called by every way in."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flask import current_app
from pymongo.database import Database

from chassis import logs, mongo, settings
from chassis.auth import TokenVerifier
from chassis.bus import Bus
from services.chat.settings import Settings
from services.chat.store import ConversationStore, ErasureStore, PresenceStore, VisitorStore

SERVICE = "chat"


class PartitionsChanged(Exception):
    """The number of partitions differs from the one this installation was set up with."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """All that the ways in hand to the actions."""

    settings: Settings
    database: Database[Any]
    verifier: TokenVerifier
    conversations: ConversationStore
    visitors: VisitorStore
    presence: PresenceStore
    erasures: ErasureStore


def bootstrap(chosen: Settings | None = None) -> Context:
    """Connect, make sure of the indexes, and of the number of partitions: the process ends if it is another."""
    chosen = chosen or settings.read(Settings)
    logs.configure(SERVICE, chosen.log_level)
    database = mongo.connect(chosen.mongo_url.get_secret_value())
    mongo.wait_for_primary(database)
    made = Context(
        settings=chosen,
        database=database,
        verifier=TokenVerifier(SERVICE, chosen.service_keys),
        conversations=ConversationStore(database),
        visitors=VisitorStore(database),
        presence=PresenceStore(database),
        erasures=ErasureStore(database),
    )
    made.conversations.ensure_indexes()
    made.visitors.ensure_indexes()
    made.presence.ensure_indexes()
    made.erasures.ensure_indexes()
    try:
        check_partitions(made.conversations, chosen.partitions)
    except PartitionsChanged as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(settings.EX_CONFIG) from error
    return made


def check_partitions(conversations: ConversationStore, wanted: int) -> None:
    """Refuse a number of partitions under which conversations would change their writer unawares."""
    in_force = conversations.partitions_in_force(wanted)
    if in_force != wanted:
        raise PartitionsChanged(
            f"VELARO_PARTITIONS is {wanted}, but this installation was set up with {in_force}: set it to {in_force}, "
            f"or stop all publishers, drain the partitions and change the record in the database first."
        )


@contextmanager
def started_bus(chosen: Settings) -> Iterator[Bus]:
    """The bus, connected if it can be, for as long as it is needed."""
    bus = Bus(chosen.amqp_url.get_secret_value(), service=SERVICE)
    bus.start()
    bus.wait_until_up()
    try:
        yield bus
    finally:
        bus.close()


def context() -> Context:
    """What bootstrap made, for the request being answered; for routes alone."""
    found: Context = current_app.extensions[SERVICE]
    return found
