"""Puts surveys together: settings, database, store. Called by every way in."""

from dataclasses import dataclass
from typing import Any

from flask import current_app
from pymongo.database import Database

from chassis import logs, mongo, settings
from chassis.auth import TokenVerifier
from services.surveys.settings import Settings
from services.surveys.store import SurveyStore

SERVICE = "surveys"


@dataclass(frozen=True, kw_only=True)
class Context:
    """All that the ways in hand to the actions."""

    settings: Settings
    database: Database[Any]
    verifier: TokenVerifier
    store: SurveyStore


def bootstrap(chosen: Settings | None = None) -> Context:
    """Connect and make sure of the indexes."""
    chosen = chosen or settings.read(Settings)
    logs.configure(SERVICE, chosen.log_level)
    database = mongo.connect(chosen.mongo_url.get_secret_value())
    mongo.wait_for_primary(database)
    store = SurveyStore(database)
    store.ensure_indexes()
    verifier = TokenVerifier(SERVICE, chosen.service_keys)
    return Context(settings=chosen, database=database, verifier=verifier, store=store)


def context() -> Context:
    """What bootstrap made, for the request being answered; for routes alone."""
    found: Context = current_app.extensions[SERVICE]
    return found
