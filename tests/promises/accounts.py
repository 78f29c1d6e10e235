"""What the stories about accounts share: their documents, as an administrator of the database can move them in time."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.message import Message
from email.utils import getaddresses
from typing import Any

from pymongo import MongoClient

from deploy.local.instance import Instance
from tests.edge.http import Edge, made
from tests.edge.mails import Mails
from tests.edge.people import Operator

MILLISECOND = timedelta(milliseconds=1)
ELSEWHERE = "Elsewhere/1.0 (an operator's own browser it is not)"


class Books:
    """The database of accounts. Time does not pass faster for tests, so what they need is written as it was."""

    def __init__(self, instance: Instance) -> None:
        client: MongoClient[Any] = MongoClient(instance.mongo_url("admin", "accounts"), tz_aware=True)
        self._client = client
        self.database = client.get_default_database()

    @classmethod
    @contextmanager
    def of(cls, instance: Instance) -> Iterator["Books"]:
        opened = cls(instance)
        yield opened
        opened._client.close()

    def age(self, collection: str, which: dict[str, Any], by: timedelta, *fields: str) -> None:
        """Have what these fields say happened earlier."""
        moved = {field: {"$subtract": [f"${field}", by // MILLISECOND]} for field in fields}
        done = self.database[collection].update_many(which, [{"$set": moved}])
        assert done.modified_count, f"nothing to move in {collection}"

    def pass_time(self, customer_id: str, by: timedelta) -> None:
        """So much later, nobody has confirmed the customer's details again."""
        fields = ("contact.confirmed_at", "billing.confirmed_at", "due_at", "remind_at")
        self.age("account_details", {"_id": customer_id}, by, *fields)


def letters(mails: Mails, prefix: str, customer_id: str = "") -> list[Message]:
    """The mails whose id begins so, of one customer if one is named."""
    found = [mail for mail in mails.all() if message_id(mail).startswith(f"<{prefix}")]
    return [mail for mail in found if f".{customer_id}@" in message_id(mail)] if customer_id else found


def message_id(mail: Message) -> str:
    return str(mail["Message-ID"]).strip()


def addresses(mails: list[Message]) -> Counter[str]:
    """How many of them each address got."""
    return Counter(address for mail in mails for _, address in getaddresses([str(mail["X-RcptTo"])]))


class Stranger(Operator):
    """Somebody with an operator's password, at a device that nobody has seen."""

    def __init__(self, base_url: str, email: str, password: str) -> None:
        self.edge = Edge(base_url)
        self.edge._session.headers["User-Agent"] = ELSEWHERE
        self.me = made(self.edge.post("/api/v1/sessions", {"email": email, "password": password}))
