"""Where surveys and responses are kept; the customer is part of every question asked of it."""

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
import pymongo
from pymongo import ASCENDING, DESCENDING
from pymongo.client_session import ClientSession
from pymongo.collation import Collation
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, OperationFailure

from chassis import mongo
from chassis.outbox import Outbox
from contracts.payload import Event
from contracts.surveys import ResponseRecorded
from services.surveys import reports
from services.surveys.model import (
    TOPICS,
    UNATTACHED_LIFETIME,
    ConversationErased,
    Draft,
    Opening,
    Period,
    Place,
    Question,
    Report,
    Response,
    ServiceRatings,
    Survey,
    VersionTaken,
    Which,
    shown,
)

Announce = Callable[[Response], Event | None]
Document = dict[str, Any]
T = TypeVar("T")

WITHOUT_KEY = {"_id": False}
NEWEST_FIRST = [("answered_at", DESCENDING), ("response_id", DESCENDING)]
REPORT_SECONDS = 20.0
COUNTER_PARTS = 16
"""A counter that all customers share is spread over so many documents, so that few transactions meet on one."""
_ALREADY_EXISTS = 48
ANY_CASE = Collation("en", strength=2)

IMMUTABLE = {
    "$jsonSchema": {
        "required": ["_id"],
        "additionalProperties": False,
        "properties": {
            "_id": {
                "bsonType": "object",
                "required": [
                    "customer_id",
                    "site_id",
                    "placement",
                    "version",
                    "survey_id",
                    "questions",
                    "published_at",
                ],
                "properties": {"version": {"bsonType": "int", "minimum": 1}, "published_at": {"bsonType": "date"}},
            }
        },
    }
}
"""A published version is its own key, whole. MongoDB lets nobody change a key, and this lets nobody add to it."""


TOMBSTONE_KEPT = timedelta(days=30)
"""How long the bare id of an erased conversation stands against answers that arrive late."""


class SurveyStore:
    """Five collections: ``versions``, ``drafts``, ``responses``, ``openings`` and ``service_ratings``.

    ``openings`` is where a response and the event that opens its conversation meet. Whichever comes
    first leaves a trace there and both write to the same document, so that two transactions which
    pass each other conflict, and the one that is repeated sees the other. A response and the erasure of its visitor
    meet there in the same way, under the visitor's id.

    ``service_ratings`` holds what is said about our own service: numbers by topic, month and rating, without a trace
    of who asked or answered.
    """

    def __init__(self, database: Database[Document]) -> None:
        self._database = database
        self._versions = database["versions"]
        self._drafts = database["drafts"]
        self._responses = database["responses"]
        self._openings = database["openings"]
        self._ratings = database["service_ratings"]
        self._outbox = Outbox(database)

    @mongo.unavailable()
    def ensure_indexes(self) -> None:
        self._make_versions()
        which = [("customer_id", ASCENDING), ("site_id", ASCENDING), ("placement", ASCENDING)]
        versions = [(f"_id.{field}", order) for field, order in (*which, ("version", DESCENDING))]
        self._versions.create_index(versions, unique=True)
        self._drafts.create_index(which, unique=True)
        occasion = [("customer_id", ASCENDING), ("placement", ASCENDING), ("occasion_id", ASCENDING)]
        self._responses.create_index(occasion, unique=True)
        self._responses.create_index([*which, *NEWEST_FIRST])
        conversation = [("customer_id", ASCENDING), ("conversation_id", ASCENDING)]
        self._responses.create_index(conversation)
        self._responses.create_index([("customer_id", ASCENDING), ("visitor_id", ASCENDING)])
        addresses = [("customer_id", ASCENDING), ("answers.value", ASCENDING)]
        with_address = {"answers.kind": "email"}
        self._responses.create_index(addresses, collation=ANY_CASE, partialFilterExpression=with_address)
        self._openings.create_index(conversation, unique=True)
        # These only clean up, in their own time: what has expired is passed over by every question below.
        for forgetful in (self._responses, self._openings):
            forgetful.create_index("expires_at", expireAfterSeconds=0)
        self._make(self._ratings.name)
        self._outbox.ensure_indexes()

    def _make_versions(self) -> None:
        self._make(self._versions.name, validator=IMMUTABLE, validationLevel="strict", validationAction="error")

    def _make(self, name: str, **options: Any) -> None:
        try:
            self._database.create_collection(name, check_exists=False, **options)
        except OperationFailure as failure:
            # All processes of a service do this when they start, and they may start together.
            if failure.code != _ALREADY_EXISTS:
                raise

    @mongo.unavailable()
    def current(self, which: Which) -> Survey | None:
        found = self._versions.find_one(_in_key(which), sort=[("_id.version", DESCENDING)])
        return _survey(found) if found else None

    @mongo.unavailable()
    def version(self, which: Which, number: int) -> Survey | None:
        found = self._versions.find_one(_in_key(which) | {"_id.version": number})
        return _survey(found) if found else None

    @mongo.unavailable()
    def versions(self, which: Which, *, before: int | None, limit: int) -> list[Survey]:
        """The newest first, from the one before ``before`` on."""
        key = _in_key(which) | ({"_id.version": {"$lt": before}} if before is not None else {})
        found = self._versions.find(key, sort=[("_id.version", DESCENDING)], limit=limit)
        return [_survey(document) for document in found]

    @mongo.unavailable()
    def add_version(self, survey: Survey) -> None:
        try:
            self._versions.insert_one({"_id": _document(survey)})
        except DuplicateKeyError as error:
            raise VersionTaken from error

    @mongo.unavailable()
    def draft(self, which: Which) -> Draft | None:
        found = self._drafts.find_one(_document(which), WITHOUT_KEY)
        return _read(found, Draft) if found else None

    @mongo.unavailable()
    def save_draft(self, draft: Draft) -> None:
        which = Which(customer_id=draft.customer_id, site_id=draft.site_id, placement=draft.placement)
        self._drafts.replace_one(_document(which), _document(draft), upsert=True)

    @mongo.unavailable()
    def drop_draft(self, which: Which) -> None:
        self._drafts.delete_one(_document(which))

    def add(self, response: Response, *, announcing: Announce, now: datetime) -> Response:
        """Keep the response, or return the one there already is for its occasion.

        One with a time to expire waits for its conversation, unless that is open already.
        """
        return self._transaction(lambda session: self._add(response, announcing, now, session))

    def attach(self, opening: Opening, *, announcing: Announce, now: datetime) -> list[Response]:
        """Note the opening; attach and announce what was pending for it, and return that."""
        return self._transaction(lambda session: self._attach(opening, announcing, now, session))

    @mongo.unavailable()
    def responses_in(self, customer_id: str, conversation_id: str, *, now: datetime) -> list[Response]:
        key = {"customer_id": customer_id, "conversation_id": conversation_id}
        found = self._responses.find(key | _alive(now), WITHOUT_KEY, sort=[("answered_at", ASCENDING)])
        return [_read(document, Response) for document in found]

    @mongo.unavailable()
    def responses_of(
        self, customer_id: str, visitor_id: str, *, after: Place | None, limit: int, now: datetime
    ) -> list[Response]:
        """All that a visitor has answered, with a conversation and without, the newest first, from ``after`` on."""
        which = {"customer_id": customer_id, "visitor_id": visitor_id, "$and": [_alive(now), _earlier_than(after)]}
        found = self._responses.find(which, WITHOUT_KEY, sort=NEWEST_FIRST, limit=limit)
        return [_read(document, Response) for document in found]

    @mongo.unavailable()
    def visitors_of_address(self, customer_id: str, email: str) -> list[str]:
        """Whoever has given this address in an answer, however it was written."""
        given = {"$elemMatch": {"kind": "email", "value": email}}
        which = {"customer_id": customer_id, "answers.kind": "email", "answers.value": email, "answers": given}
        found = self._responses.find(which, {"visitor_id": 1}).collation(ANY_CASE)
        return sorted({document["visitor_id"] for document in found if document.get("visitor_id")})

    @mongo.unavailable()
    def responses(self, which: Which, period: Period, *, after: Place | None, limit: int) -> list[Response]:
        """Those that stay, the newest first, from ``after`` on."""
        found = self._responses.find(
            _staying(which, period) | _earlier_than(after), WITHOUT_KEY, sort=NEWEST_FIRST, limit=limit
        )
        return [_read(document, Response) for document in found]

    def report(self, which: Which, period: Period, *, asked: tuple[Question, ...]) -> Report:
        """What was answered, as it was at one moment."""
        match = _staying(which, period)
        with mongo.unavailable(), pymongo.timeout(REPORT_SECONDS), self._snapshot() as session:
            count = self._responses.count_documents(match, session=session)
            totals = self._rows(reports.totals(match), reports.Total, session)
            counts = self._rows(reports.counts(match), reports.Count, session)
            numbers = [total for total in totals if total.has_buckets]
            if numbers:
                counts += self._rows(reports.buckets(match, numbers), reports.Count, session)
        return Report(responses=count, questions=reports.questions_of(asked, totals, counts))

    def _snapshot(self) -> ClientSession:
        return self._database.client.start_session(snapshot=True)

    def _rows(self, pipeline: list[Document], kind: type[T], session: ClientSession) -> list[T]:
        return [_read(document, kind) for document in self._responses.aggregate(pipeline, session=session)]

    @mongo.unavailable()
    def service_ratings(self) -> list[ServiceRatings]:
        """Of all customers together, the newest month first; groups too small to tell of are left out."""
        by = {"month": "$_id.month", "topic": "$_id.topic", "rating": "$_id.rating"}
        rows = self._ratings.aggregate([{"$group": {"_id": by, "count": {"$sum": "$count"}}}])
        counts: dict[tuple[str, Any], dict[str, int]] = {}
        for row in rows:
            key = row["_id"]
            counts.setdefault((key["month"], key["topic"]), {})[key["rating"]] = row["count"]
        newest_first = sorted(counts, key=lambda key: TOPICS.index(key[1]))
        newest_first.sort(key=lambda key: key[0], reverse=True)
        told = [ServiceRatings(month=key[0], topic=key[1], ratings=shown(counts[key])) for key in newest_first]
        return [ratings for ratings in told if ratings.ratings]

    def erase(
        self, customer_id: str, conversation_id: str, *, now: datetime, announcing: Callable[[dict[str, int]], Event]
    ) -> None:
        """Leave no answer of the conversation, let none in, and announce what was removed: all or nothing.

        The id may be a visitor's: then it is about all they answered, also before conversations that were never opened.
        """
        key = {"customer_id": customer_id, "conversation_id": conversation_id}
        # The customer is in both, so that each is looked up in its own index.
        own = {"$or": [key, {"customer_id": customer_id, "visitor_id": conversation_id}]}
        gone = key | {"erased_at": now, "expires_at": now + TOMBSTONE_KEPT}

        def receipt(session: ClientSession) -> None:
            self._outbox.add(announcing({}), session=session)

        def work(session: ClientSession) -> None:
            self._openings.replace_one(key, gone, upsert=True, session=session)
            found = {
                "responses": self._responses.delete_many(own, session=session).deleted_count,
                "announcements": self._outbox.retract(ResponseRecorded, conversation_id, session=session),
            }
            removed = {kind: number for kind, number in found.items() if number}
            self._outbox.add(announcing(removed), session=session)

        self._transaction(receipt if self._is_bare(key, own) else work)

    @mongo.unavailable()
    def _is_bare(self, key: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
        """Whether it is erased already, and so lets nothing in: every look but the first."""
        is_erased = self._openings.find_one({**key, "erased_at": {"$exists": True}}, {"_id": True}) is not None
        return is_erased and self._responses.find_one(own, {"_id": True}) is None

    def _transaction(self, work: Callable[[ClientSession], T]) -> T:
        while True:
            try:
                return mongo.transaction(self._database, work)
            except DuplicateKeyError:
                # Two upserts of one opening, or one response twice, at once: now it exists, and the next round sees it.
                continue

    def _add(self, response: Response, announcing: Announce, now: datetime, session: ClientSession) -> Response:
        is_open = self._is_open(response, now, session)
        is_settled = response.expires_at is None or is_open
        key = {
            "customer_id": response.customer_id,
            "placement": response.placement,
            "occasion_id": response.occasion_id,
        }
        if there := self._responses.find_one(key | _alive(now), WITHOUT_KEY, session=session):
            return _read(there, Response)
        self._responses.delete_one(key, session=session)
        kept = response.attached() if is_settled else response
        self._responses.insert_one(_document(kept), session=session)
        if is_settled:
            self._settle(kept, announcing, session)
        return kept

    def _is_open(self, response: Response, now: datetime, session: ClientSession) -> bool:
        """Whether the conversation was opened lately. Raises ``ConversationErased`` if it or its visitor is erased."""
        traced = {
            which: self._trace(response.customer_id, which, now, session)
            for which in (response.conversation_id, response.visitor_id)
            if which
        }
        if any("erased_at" in before for before in traced.values()):
            raise ConversationErased
        before = traced.get(response.conversation_id or "", {})
        heard_at = before.get("heard_at")
        is_recent = heard_at is not None and heard_at > now - UNATTACHED_LIFETIME
        return is_recent and before.get("site_id") == response.site_id

    def _trace(self, customer_id: str, which: str, now: datetime, session: ClientSession) -> Document:
        """Leave a trace for the conversation, or the visitor, of a response; what there was before."""
        key = {"customer_id": customer_id, "conversation_id": which}
        trace = {"$inc": {"responses": 1}, "$max": {"expires_at": now + UNATTACHED_LIFETIME}}
        return self._openings.find_one_and_update(key, trace, upsert=True, session=session) or {}

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
            self._settle(response, announcing, session)
        return found

    def _settle(self, response: Response, announcing: Announce, session: ClientSession) -> None:
        """The response stays: announce it, and count what it says about our service."""
        if event := announcing(response):
            self._outbox.add(event, session=session)
        for answer in response.answers:
            if answer.topic is not None:
                key = {
                    "month": response.answered_at.strftime("%Y-%m"),
                    "topic": answer.topic,
                    "rating": answer.value,
                    "part": secrets.randbelow(COUNTER_PARTS),
                }
                self._ratings.update_one({"_id": key}, {"$inc": {"count": 1}}, upsert=True, session=session)


def _alive(now: datetime) -> Document:
    return {"$or": [{"expires_at": None}, {"expires_at": {"$gt": now}}]}


def _earlier_than(after: Place | None) -> Document:
    if after is None:
        return {}
    earlier = {"answered_at": after.answered_at, "response_id": {"$lt": after.response_id}}
    return {"$or": [{"answered_at": {"$lt": after.answered_at}}, earlier]}


def _staying(which: Which, period: Period) -> Document:
    answered = {"$gte": period.since, "$lt": period.until}
    within = {name: moment for name, moment in answered.items() if moment is not None}
    return _document(which) | {"expires_at": None} | ({"answered_at": within} if within else {})


def _in_key(which: Which) -> Document:
    return {f"_id.{name}": value for name, value in _document(which).items()}


def _survey(found: Mapping[str, Any]) -> Survey:
    return _read(found["_id"], Survey)


def _document(value: msgspec.Struct) -> Document:
    document: Document = msgspec.to_builtins(value, builtin_types=(datetime,))
    return document


def _read(document: Mapping[str, Any], kind: type[T]) -> T:
    return msgspec.convert(document, kind)
