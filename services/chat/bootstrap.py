"""Puts chat together: settings, database, stores. Called by every way in."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

from flask import current_app
from pymongo.database import Database

from chassis import logs, mongo, settings
from chassis.auth import TokenVerifier
from chassis.bus import Bus
from services.chat.settings import Settings
from services.chat.store import ConversationStore, ErasureStore, PresenceStore, RelayStore, TicketStore, VisitorStore

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
    relays: RelayStore
    erasures: ErasureStore
    tickets: TicketStore


def bootstrap(chosen: Settings | None = None) -> Context:
    """Put it together, and make sure of the number of partitions: the process ends if it is another."""
    made = assemble(chosen)
    refuse_other_partitions(made)
    return made


def assemble(chosen: Settings | None = None) -> Context:
    """Connect, and make sure of the indexes."""
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
        relays=RelayStore(database),
        erasures=ErasureStore(database),
        tickets=TicketStore(database),
    )
    made.conversations.ensure_indexes()
    made.visitors.ensure_indexes()
    made.presence.ensure_indexes()
    made.erasures.ensure_indexes()
    made.tickets.ensure_indexes()
    return made


def refuse_other_partitions(context: Context) -> None:
    """End the process if its number of partitions is not the one in force."""
    try:
        check_partitions(context.conversations, context.settings.partitions)
    except PartitionsChanged as error:
        _refuse(error)


def refuse_while_repartitioning(context: Context) -> None:
    """End the process if it would take part in partitions whose number is about to be another."""
    to_come = context.conversations.partitions_to_come()
    if to_come is not None:
        _refuse(
            PartitionsChanged(
                f"The number of partitions is being changed to {to_come}: `python -m services.chat repartition "
                f"{to_come}` is to be run to its end first, or `repartition {context.settings.partitions}` to go back."
            )
        )


def _refuse(reason: PartitionsChanged) -> NoReturn:
    sys.stderr.write(f"{reason}\n")
    raise SystemExit(settings.EX_CONFIG) from reason


def check_partitions(conversations: ConversationStore, wanted: int) -> None:
    """Refuse a number of partitions under which conversations would change their writer unawares."""
    in_force = conversations.partitions_in_force(wanted)
    if in_force != wanted:
        raise PartitionsChanged(
            f"VELARO_PARTITIONS is {wanted}, but this installation has {in_force}: set it to {in_force}, "
            f"or change the number with `python -m services.chat repartition {wanted}` first."
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
