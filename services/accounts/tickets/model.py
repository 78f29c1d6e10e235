"""A ticket: single use, a minute long, standing for one visitor or operator."""

import hashlib
import secrets
from datetime import timedelta
from typing import Literal

import msgspec

from services.accounts.operators.model import OperatorRole

LIFE = timedelta(seconds=60)


class TicketNotValid(Exception):
    """There is no such ticket, or it was used, or its time is over."""


class TicketNotYours(Exception):
    """A ticket can only be had for the customer one acts for."""


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the ticket stands for, as the gateway established it when it asked for the ticket."""

    kind: Literal["visitor", "operator"]
    customer_id: str
    subject: str
    name: str
    role: OperatorRole | Literal["visitor"]
    session_id: str | None = None
    site_id: str | None = None


def new_ticket() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)


def hash_of(ticket: str) -> str:
    """What is kept of a ticket."""
    return hashlib.sha256(ticket.encode()).hexdigest()
