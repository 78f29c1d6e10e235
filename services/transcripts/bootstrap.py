"""Puts transcripts together: settings, database, store, clients. Called by every way in."""

from dataclasses import dataclass
from typing import Any

from flask import current_app
from pymongo.database import Database

from chassis import logs, mongo, settings
from chassis.auth import TokenIssuer, TokenVerifier
from chassis.http import ServiceClient
from chassis.tasks import ensure_slots
from services.transcripts.clients import ChatClient
from services.transcripts.settings import Settings
from services.transcripts.store import TranscriptStore

SERVICE = "transcripts"


@dataclass(frozen=True, kw_only=True)
class Context:
    """All that the ways in hand to the actions."""

    settings: Settings
    database: Database[Any]
    verifier: TokenVerifier
    store: TranscriptStore
    chat: ChatClient


def bootstrap(chosen: Settings | None = None) -> Context:
    """Connect and make sure of the indexes."""
    chosen = chosen or settings.read(Settings)
    logs.configure(SERVICE, chosen.log_level)
    database = mongo.connect(chosen.mongo_url.get_secret_value())
    mongo.wait_for_primary(database)
    store = TranscriptStore(database)
    store.ensure_indexes()
    ensure_slots(database)
    issuer = TokenIssuer(SERVICE, chosen.service_key.get_secret_value())
    return Context(
        settings=chosen,
        database=database,
        verifier=TokenVerifier(SERVICE, chosen.service_keys),
        store=store,
        chat=ChatClient(ServiceClient(chosen.chat_url, audience="chat", issuer=issuer)),
    )


def context() -> Context:
    """What bootstrap made, for the request being answered; for routes alone."""
    found: Context = current_app.extensions[SERVICE]
    return found
