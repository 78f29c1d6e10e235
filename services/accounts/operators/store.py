"""Where operators are kept."""

from datetime import datetime
from typing import Any

import msgspec
from pymongo import ASCENDING
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from chassis.mongo import Document, transaction, unavailable
from services.accounts.operators.model import EmailTaken, NotAnOwner, Operator, OperatorNotFound


class OperatorStore:
    def __init__(self, database: Database[Any]) -> None:
        self._database = database
        self._operators = database["operators"]

    def ensure_indexes(self) -> None:
        self._operators.create_index("email", unique=True)
        self._operators.create_index([("customer_id", ASCENDING), ("_id", ASCENDING)])

    @unavailable()
    def add_once(self, customer_id: str, operator: Operator) -> Operator:
        """Keep the operator unless this customer has one with that e-mail address; who is there stays as they are."""
        document = _document(operator)
        identity = {"email": document.pop("email"), "customer_id": customer_id}
        document.pop("customer_id")
        try:
            self._operators.update_one(identity, {"$setOnInsert": document}, upsert=True)
        except DuplicateKeyError as error:
            raise EmailTaken from error
        return _operator(self._operators.find_one(identity))

    @unavailable()
    def by_email(self, email: str) -> Operator | None:
        """The one question asked before the customer is known: signing in tells which customer it is."""
        document = self._operators.find_one({"email": email})
        return _operator(document) if document else None

    @unavailable()
    def get(self, customer_id: str, operator_id: str) -> Operator:
        return _operator(self._operators.find_one({"_id": operator_id, "customer_id": customer_id}))

    @unavailable()
    def owners(self, customer_id: str) -> tuple[str, ...]:
        """Where the active owners of a customer get their mail."""
        which = {"customer_id": customer_id, "role": "owner", "is_active": True}
        return tuple(document["email"] for document in self._operators.find(which, {"email": True}).sort("_id"))

    @unavailable()
    def set_password(
        self, customer_id: str, operator_id: str, password_hash: str, *, changed_at: datetime | None = None
    ) -> None:
        """Without ``changed_at`` it is the same password, hashed anew."""
        identity = {"_id": operator_id, "customer_id": customer_id}
        changed = {"password_changed_at": changed_at} if changed_at else {}
        self._operators.update_one(identity, {"$set": {"password_hash": password_hash, **changed}})

    def pass_ownership(self, customer_id: str, owner_id: str, to_id: str) -> None:
        """The owner becomes an admin and the other an owner, both or neither.

        Raises ``NotAnOwner``, ``OperatorNotFound``.
        """

        def work(session: ClientSession) -> None:
            owner = {"_id": owner_id, "customer_id": customer_id, "role": "owner", "is_active": True}
            if not self._operators.update_one(owner, {"$set": {"role": "admin"}}, session=session).matched_count:
                raise NotAnOwner
            other = {"_id": to_id, "customer_id": customer_id, "is_active": True}
            if not self._operators.update_one(other, {"$set": {"role": "owner"}}, session=session).matched_count:
                raise OperatorNotFound

        transaction(self._database, work)

    @unavailable()
    def set_details(self, customer_id: str, operator_id: str, *, name: str, role: str) -> None:
        identity = {"_id": operator_id, "customer_id": customer_id}
        self._operators.update_one(identity, {"$set": {"name": name, "role": role}})


def _document(operator: Operator) -> Document:
    document: Document = msgspec.structs.asdict(operator)
    document["_id"] = document.pop("operator_id")
    return document


def _operator(document: Document | None) -> Operator:
    if document is None:
        raise OperatorNotFound
    return msgspec.convert({**document, "operator_id": document["_id"]}, Operator)
