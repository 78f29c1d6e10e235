"""A customer."""

from datetime import datetime

import msgspec


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    customer_id: str
    name: str
    created_at: datetime
