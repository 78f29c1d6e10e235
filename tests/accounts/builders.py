"""What the tests of accounts build their situations from."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from chassis.auth import new_key, public_keys
from chassis.ids import new_id
from services.accounts.bootstrap import Context
from services.accounts.operators.model import Operator
from services.accounts.policy.model import NOTICE_PERIOD, Draft
from services.accounts.settings import Settings
from services.accounts.sites.model import Site

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
PASSWORD = "correct horse battery"
UNWRITABLE = "=?idna?b?\x7f?=@1"
"""An address that the email package cannot put into a header, and says so with an IndexError."""


def some_settings(mongo_url: str, **changed: Any) -> Settings:
    """All that accounts must be told, of neighbours that are nowhere."""
    key = new_key("accounts")
    values = {
        "amqp_url": "amqp://nowhere.invalid",
        "tasks_url": "amqp://nowhere.invalid",
        "mongo_url": mongo_url,
        "service_key": key,
        "service_keys": public_keys([key]),
        "identity_key": base64.urlsafe_b64encode(bytes(32)).decode(),
        "smtp_url": "smtp://nowhere.invalid",
        "mail_sender": "Velaro <no-reply@velaro.example>",
        "support_address": "Velaro <support@velaro.example>",
        "public_url": "https://chat.velaro.example",
        "chat_url": "http://nowhere.invalid",
        "transcripts_url": "http://nowhere.invalid",
        "log_level": "WARNING",
    }
    return Settings(**values | changed)


def an_operator(context: Context, customer_id: str = "c1", *, password: str = PASSWORD, **changed: Any) -> Operator:
    fields = {
        "operator_id": new_id(),
        "email": f"{new_id()}@shop.example",
        "name": "Somebody",
        "role": "operator",
        "password_hash": context.passwords.hash(password),
        "created_at": NOW,
    }
    return context.operators.add_once(customer_id, Operator(customer_id=customer_id, **fields | changed))


def a_site(customer_id: str = "c1", **changed: Any) -> Site:
    fields = {
        "site_id": new_id(),
        "site_key": new_id(),
        "name": "Shop",
        "origins": ("https://shop.example",),
        "created_at": NOW,
    }
    return Site(customer_id=customer_id, **fields | changed)


def outbox(context: Context) -> list[dict[str, Any]]:
    """What waits to be announced, as it will be on the bus."""
    rows = context.database["outbox"].find().sort("_id")
    return [{"type": row["type"], **json.loads(row["payload"])} for row in rows]


def a_draft(**changed: Any) -> Draft:
    fields = {"draft_id": new_id(), "revision": 0, "summary": "Less.", "text": "We keep less.", "saved_at": NOW}
    return Draft(**{"saved_by": "lea", **fields, **changed})


def a_posted_version(versions: Any, number: int, *, posted_at: datetime, lasts: timedelta = NOTICE_PERIOD) -> None:
    """A version from the past, as only an administrator of the database can write it."""
    identity = {"number": number, "posted_at": posted_at}
    versions.insert_one(
        {"_id": identity, "effective_at": posted_at + lasts, "summary": f"Change {number}.", "text": f"Text {number}."}
    )
