"""Where surveys and responses are kept; the customer is part of every question asked of it."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
from pymongo import ASCENDING, DESCENDING
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from chassis import mongo
from chassis.outbox import Outbox
from contracts.payload import Event
from contracts.surveys import ResponseRecorded
from services.surveys.model import (
    UNATTACHED_LIFETIME,
    ConversationErased,
    Opening,
    Placement,
    Response,
    Survey,
    VersionTaken,
)

Announce = Callable[[Response], Event]
T = TypeVar("T")

WITHOUT_KEY = {"_id": False}


TOMBSTONE_KEPT = timedelta(days=30)
"""How long the bare id of an erased conversation stands against answers that arrive late."""


class SurveyStore:
    """Three collections: ``surveys`` (one document a version), ``responses``, and ``openings``.

    ``openings`` is where a response and the event that opens its conversation meet. Whichever comes
    first leaves a trace there and both write to the same document, so that two transactions which
    pass each other conflict, and the one that is repeated sees the other.
    """

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._database = database
        self._surveys = database["surveys"]
        self._responses = database["responses"]
        self._openings = database["openings"]
        self._outbox = Outbox(database)

    @mongo.unavailable()
    def ensure_indexes(self) -> None:
        versions = [
            ("customer_id", ASCENDING),
            ("site_id", ASCENDING),
            ("placement", ASCENDING),
            ("version", DESCENDING),
        ]
        self._surveys.create_index(versions, unique=True)
        conversation = [("customer_id", ASCENDING), ("conversation_id", ASCENDING)]
        self._responses.create_index([*conversation, ("placement", ASCENDING)], unique=True)
        self._openings.create_index(conversation, unique=True)
        # These only clean up, in their own time: what has expired is passed over by every question below.
        for forgetful in (self._responses, self._openings):
            forgetful.create_index("expires_at", expireAfterSeconds=0)
        self._outbox.ensure_indexes()

    @mongo.unavailable()
    def current(self, customer_id: str, site_id: str, placement: Placement) -> Survey | None:
        key = {"customer_id": customer_id, "site_id": site_id, "placement": placement}
        found = self._surveys.find_one(key, WITHOUT_KEY, sort=[("version", DESCENDING)])
        return _read(found, Survey) if found else None

    @mongo.unavailable()
    def add_version(self, survey: Survey) -> None:
        try:
            self._surveys.insert_one(_document(survey))
        except DuplicateKeyError as error:
            raise VersionTaken from error

    def add(self, response: Response, *, announcing: Announce, now: datetime) -> Response:
        """Keep the response, or return the one there already is for its conversation and placement."""
        return self._transaction(lambda session: self._add(response, announcing, now, session))

    def attach(self, opening: Opening, *, announcing: Announce, now: datetime) -> list[Response]:
        """Note the opening; attach and announce what was pending for it, and return that."""
        return self._transaction(lambda session: self._attach(opening, announcing, now, session))

    @mongo.unavailable()
    def responses_in(self, customer_id: str, conversation_id: str, *, now: datetime) -> list[Response]:
        key = {"customer_id": customer_id, "conversation_id": conversation_id}
        found = self._responses.find(key | _alive(now), WITHOUT_KEY, sort=[("answered_at", ASCENDING)])
        return [_read(document, Response) for document in found]

    def erase(
        self, customer_id: str, conversation_id: str, *, now: datetime, announcing: Callable[[dict[str, int]], Event]
    ) -> None:
        """Leave no answer of the conversation, let none in, and announce what was removed: all or nothing."""
        key = {"customer_id": customer_id, "conversation_id": conversation_id}
        gone = key | {"erased_at": now, "expires_at": now + TOMBSTONE_KEPT}

        def receipt(session: ClientSession) -> None:
            self._outbox.add(announcing({}), session=session)

        def work(session: ClientSession) -> None:
            self._openings.replace_one(key, gone, upsert=True, session=session)
            found = {
                "responses": self._responses.delete_many(key, session=session).deleted_count,
                "announcements": self._outbox.retract(ResponseRecorded, conversation_id, session=session),
            }
            removed = {kind: number for kind, number in found.items() if number}
            self._outbox.add(announcing(removed), session=session)

        self._transaction(receipt if self._is_bare(key) else work)

    @mongo.unavailable()
    def _is_bare(self, key: Mapping[str, Any]) -> bool:
        """Whether it is erased already, and so lets nothing in: every look but the first."""
        is_erased = self._openings.find_one({**key, "erased_at": {"$exists": True}}, {"_id": True}) is not None
        return is_erased and self._responses.find_one(key, {"_id": True}) is None

    def _transaction(self, work: Callable[[ClientSession], T]) -> T:
        while True:
            try:
                return mongo.transaction(self._database, work)
            except DuplicateKeyError:
                # Two upserts of one opening at once: one of them exists now, so the next round updates it.
                continue

    def _add(self, response: Response, announcing: Announce, now: datetime, session: ClientSession) -> Response:
        key = {"customer_id": response.customer_id, "conversation_id": response.conversation_id}
        is_open = self._is_open(key, response.site_id, now, session)
        key |= {"placement": response.placement}
        if there := self._responses.find_one(key | _alive(now), WITHOUT_KEY, session=session):
            return _read(there, Response)
        self._responses.delete_one(key, session=session)
        kept = response.attached() if is_open else response
        self._responses.insert_one(_document(kept), session=session)
        if is_open:
            self._outbox.add(announcing(kept), session=session)
        return kept

    def _is_open(self, key: Mapping[str, Any], site_id: str, now: datetime, session: ClientSession) -> bool:
        trace = {"$inc": {"responses": 1}, "$max": {"expires_at": now + UNATTACHED_LIFETIME}}
        before = self._openings.find_one_and_update(key, trace, upsert=True, session=session) or {}
        if "erased_at" in before:
            raise ConversationErased
        heard_at = before.get("heard_at")
        return before.get("site_id") == site_id and heard_at is not None and heard_at > now - UNATTACHED_LIFETIME

    def _attach(self, opening: Opening, announcing: Announce, now: datetime, session: ClientSession) -> list[Response]:
        key = {"customer_id": opening.customer_id, "conversation_id": opening.conversation_id}
        if self._openings.find_one(key | {"erased_at": {"$exists": True}}, session=session):
            return []
        trace = {"site_id": opening.site_id, "heard_at": now, "expires_at": now + UNATTACHED_LIFETIME}
        self._openings.update_one(key, {"$set": trace, "$inc": {"openings": 1}}, upsert=True, session=session)
        pending = key | {"site_id": opening.site_id, "expires_at": {"$gt": now}}
        found = [_read(document, Response) for document in self._responses.find(pending, WITHOUT_KEY, session=session)]
        for response in found:
            which = key | {"placement": response.placement}
            self._responses.update_one(which, {"$set": {"expires_at": None}}, session=session)
            self._outbox.add(announcing(response), session=session)
        return found


def _alive(now: datetime) -> dict[str, Any]:
    return {"$or": [{"expires_at": None}, {"expires_at": {"$gt": now}}]}


def _document(value: msgspec.Struct) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(value, builtin_types=(datetime,))
    return document


def _read(document: Mapping[str, Any], kind: type[T]) -> T:
    return msgspec.convert(document, kind)
