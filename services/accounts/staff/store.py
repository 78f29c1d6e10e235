"""Where staff and their sessions are kept, in collections of their own: no credential of an operator is found here."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from pymongo import ASCENDING
from pymongo.database import Database

from chassis.mongo import Document, unavailable
from services.accounts.staff.model import Staff, StaffNotFound, StaffSession, StaffSessionNotLive


class StaffStore:
    def __init__(self, database: Database[Any]) -> None:
        self._staff = database["staff"]

    def ensure_indexes(self) -> None:
        self._staff.create_index("email", unique=True)

    @unavailable()
    def add_once(self, staff: Staff) -> Staff:
        """Keep the member of staff unless there is one with that e-mail address; who is there stays as they are."""
        document = _document(staff, "staff_id")
        identity = {"email": document.pop("email")}
        self._staff.update_one(identity, {"$setOnInsert": document}, upsert=True)
        return _staff(self._staff.find_one(identity))

    @unavailable()
    def by_email(self, email: str) -> Staff | None:
        document = self._staff.find_one({"email": email})
        return _staff(document) if document else None

    @unavailable()
    def get(self, staff_id: str) -> Staff:
        return _staff(self._staff.find_one({"_id": staff_id}))

    @unavailable()
    def set_details(self, staff_id: str, *, name: str, role: str) -> None:
        self._staff.update_one({"_id": staff_id}, {"$set": {"name": name, "role": role}})

    @unavailable()
    def set_password(self, staff_id: str, password_hash: str) -> None:
        self._staff.update_one({"_id": staff_id}, {"$set": {"password_hash": password_hash}})


class StaffSessionStore:
    def __init__(self, database: Database[Any]) -> None:
        self._sessions = database["staff_sessions"]

    def ensure_indexes(self) -> None:
        self._sessions.create_index("secret_hash", unique=True)
        self._sessions.create_index([("staff_id", ASCENDING)])
        self._sessions.create_index("expires_at", expireAfterSeconds=0)

    @unavailable()
    def add(self, session: StaffSession) -> None:
        self._sessions.insert_one(_document(session, "session_id"))

    @unavailable()
    def by_secret(self, secret_hash: str, *, now: datetime, idle: timedelta) -> StaffSession:
        """The live session with this secret. Raises ``StaffSessionNotLive``."""
        is_live = {"expires_at": {"$gt": now}, "last_used_at": {"$gt": now - idle}}
        document = self._sessions.find_one({"secret_hash": secret_hash, **is_live})
        if document is None:
            raise StaffSessionNotLive
        return msgspec.convert({**document, "session_id": document["_id"]}, StaffSession)

    @unavailable()
    def touch(self, session_id: str, now: datetime) -> None:
        self._sessions.update_one({"_id": session_id}, {"$max": {"last_used_at": now}})

    @unavailable()
    def remove(self, session_id: str) -> None:
        self._sessions.delete_one({"_id": session_id})

    @unavailable()
    def remove_all(self, staff_id: str) -> None:
        self._sessions.delete_many({"staff_id": staff_id})


def _document(thing: Staff | StaffSession, id_field: str) -> Document:
    document: Document = msgspec.structs.asdict(thing)
    document["_id"] = document.pop(id_field)
    return document


def _staff(document: Document | None) -> Staff:
    if document is None:
        raise StaffNotFound
    return msgspec.convert({**document, "staff_id": document["_id"]}, Staff)
