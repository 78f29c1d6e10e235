"""Where sessions and tokens are kept. What has expired is not there, whether or not it was cleaned away yet."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from pymongo import ASCENDING
from pymongo.client_session import ClientSession
from pymongo.database import Database

from chassis.mongo import Document, transaction, unavailable
from chassis.outbox import Outbox
from contracts.payload import Event
from services.accounts.sessions.model import Place, Session, SessionNotLive, Token, TokenNotFound, is_same_hash

PLACES_KEPT_FOR = timedelta(days=400)


class SessionStore:
    def __init__(self, database: Database[Any], *, outbox: Outbox) -> None:
        self._database = database
        self._sessions = database["sessions"]
        self._places = database["session_places"]
        self._outbox = outbox

    def ensure_indexes(self) -> None:
        self._places.create_index([("customer_id", ASCENDING), ("operator_id", ASCENDING)])
        self._places.create_index("last_seen_at", expireAfterSeconds=int(PLACES_KEPT_FOR.total_seconds()))
        self._sessions.create_index("secret_hash", unique=True)
        self._sessions.create_index([("customer_id", ASCENDING), ("operator_id", ASCENDING)])
        self._sessions.create_index("expires_at", expireAfterSeconds=0)

    @unavailable()
    def add(self, customer_id: str, session: Session) -> None:
        """Keep the session, and for longer than that from where it was begun."""
        self._sessions.insert_one(_document(session, "session_id") | {"customer_id": customer_id})
        whose = {"customer_id": customer_id, "operator_id": session.operator_id}
        for kind, fingerprint in (("address", session.address_fingerprint), ("device", session.device_fingerprint)):
            new = {**whose, "kind": kind, "fingerprint": fingerprint, "first_seen_at": session.created_at}
            update = {"$setOnInsert": new, "$max": {"last_seen_at": session.created_at}}
            self._places.update_one({"_id": fingerprint}, update, upsert=True)

    @unavailable()
    def places(self, customer_id: str, operator_id: str) -> list[Place]:
        """From where the operator has signed in."""
        found = self._places.find({"customer_id": customer_id, "operator_id": operator_id})
        return [msgspec.convert(document, Place) for document in found]

    @unavailable()
    def by_secret(self, secret_hash: str, *, now: datetime, idle: timedelta) -> Session:
        """The one question asked before the customer is known: the secret tells which customer it is."""
        session = _session(self._sessions.find_one({"secret_hash": secret_hash, **_live(now, idle)}))
        if not is_same_hash(session.secret_hash, secret_hash):
            raise SessionNotLive
        return session

    @unavailable()
    def get(self, customer_id: str, session_id: str, *, now: datetime, idle: timedelta) -> Session:
        return _session(self._sessions.find_one({"_id": session_id, "customer_id": customer_id, **_live(now, idle)}))

    @unavailable()
    def of_operator(self, customer_id: str, operator_id: str) -> list[Session]:
        found = self._sessions.find({"customer_id": customer_id, "operator_id": operator_id})
        return [_session(document) for document in found]

    @unavailable()
    def touch(self, customer_id: str, session_id: str, now: datetime) -> None:
        self._sessions.update_one({"_id": session_id, "customer_id": customer_id}, {"$max": {"last_used_at": now}})

    def remove(self, customer_id: str, session_id: str, *, announcing: Event) -> None:
        """Remove the session and announce it, both or neither; a session that is gone is not announced again."""
        identity = {"_id": session_id, "customer_id": customer_id}

        def work(session: ClientSession) -> None:
            if self._sessions.delete_one(identity, session=session).deleted_count:
                self._outbox.add(announcing, session=session)

        transaction(self._database, work)


class TokenStore:
    def __init__(self, database: Database[Any], *, outbox: Outbox) -> None:
        self._database = database
        self._tokens = database["tokens"]
        self._outbox = outbox

    def ensure_indexes(self) -> None:
        self._tokens.create_index("secret_hash", unique=True)
        self._tokens.create_index([("customer_id", ASCENDING), ("operator_id", ASCENDING), ("_id", ASCENDING)])
        self._tokens.create_index("expires_at", expireAfterSeconds=0)

    @unavailable()
    def add(self, customer_id: str, token: Token) -> None:
        document = _document(token, "token_id") | {"scopes": list(token.scopes), "customer_id": customer_id}
        self._tokens.insert_one(document)

    @unavailable()
    def by_secret(self, secret_hash: str, *, now: datetime) -> Token:
        """The one question asked before the customer is known: the secret tells which customer it is."""
        document = self._tokens.find_one({"secret_hash": secret_hash, **_unexpired(now)})
        if document is None or not is_same_hash(document["secret_hash"], secret_hash):
            raise SessionNotLive
        return _token(document)

    @unavailable()
    def get(self, customer_id: str, token_id: str, *, now: datetime) -> Token:
        document = self._tokens.find_one({"_id": token_id, "customer_id": customer_id, **_unexpired(now)})
        if document is None:
            raise TokenNotFound
        return _token(document)

    @unavailable()
    def all(self, customer_id: str, operator_id: str | None, *, now: datetime) -> list[Token]:
        """The customer's tokens; those of one operator, if one is named."""
        whose = {"operator_id": operator_id} if operator_id is not None else {}
        found = self._tokens.find({"customer_id": customer_id, **whose, **_unexpired(now)}).sort("_id").limit(200)
        return [_token(document) for document in found]

    @unavailable()
    def touch(self, customer_id: str, token_id: str, now: datetime) -> None:
        self._tokens.update_one({"_id": token_id, "customer_id": customer_id}, {"$max": {"last_used_at": now}})

    def remove(self, customer_id: str, token_id: str, *, announcing: Event) -> None:
        """Remove the token and announce it, both or neither; a token that is gone is not announced again."""
        identity = {"_id": token_id, "customer_id": customer_id}

        def work(session: ClientSession) -> None:
            if self._tokens.delete_one(identity, session=session).deleted_count:
                self._outbox.add(announcing, session=session)

        transaction(self._database, work)


def _live(now: datetime, idle: timedelta) -> Document:
    return {"expires_at": {"$gt": now}, "$or": [{"is_remembered": True}, {"last_used_at": {"$gt": now - idle}}]}


def _unexpired(now: datetime) -> Document:
    return {"$or": [{"expires_at": None}, {"expires_at": {"$gt": now}}]}


def _document(credential: Session | Token, id_field: str) -> Document:
    document: Document = msgspec.structs.asdict(credential)
    document["_id"] = document.pop(id_field)
    return document


def _session(document: Document | None) -> Session:
    if document is None:
        raise SessionNotLive
    return msgspec.convert({**document, "session_id": document["_id"]}, Session)


def _token(document: Document) -> Token:
    return msgspec.convert({**document, "token_id": document["_id"]}, Token)
