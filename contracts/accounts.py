"""What accounts tells the rest of the system."""

from datetime import datetime

from contracts.payload import Event


class SessionRevoked(Event, frozen=True, kw_only=True):
    """A session or API token of an operator ended before its time; its sockets must close."""

    routing_key = "accounts.session.revoked.v1"

    session_id: str
    operator_id: str
    revoked_at: datetime


EVENTS = (SessionRevoked,)
