"""Where the chains are kept. Entries are only ever added, each by one insert that nobody can make twice.

``(chain, number)`` is unique, so of two that want to be the next one is; the other looks again and follows it.
``(chain, act_id)`` is unique, so what is told again is not noted again. One insert, and no transaction: who is killed
in the middle of it has either added the entry or not, and holds nobody up.
"""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zlib import crc32

import msgspec
from pymongo import ASCENDING, DESCENDING
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from chassis.mongo import Document, server_time, unavailable
from services.accounts.audit import model
from services.accounts.audit.model import Act, Entry, Head

PAGE = 1000
LOCKS = 64
ROUND = "round"
MADE_WITHIN = timedelta(minutes=1)
"""How much later than the time it bears an entry may be there: an insert takes seconds at most."""

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class AuditStore:
    def __init__(self, database: Database[Any]) -> None:
        self._database = database
        self._entries = database["audit_entries"]
        self._heads = database["audit_heads"]
        self._rounds = database["audit_rounds"]
        # Threads of one process queue here, rather than chase each other through the database.
        self._turns = [threading.Lock() for _ in range(LOCKS)]

    @unavailable()
    def ensure_indexes(self) -> None:
        in_order = [("chain", ASCENDING), ("number", ASCENDING)]
        self._entries.create_index(in_order, unique=True)
        self._entries.create_index([("chain", ASCENDING), ("act_id", ASCENDING)], unique=True)
        self._entries.create_index([("at", ASCENDING), ("chain", ASCENDING)])
        self._heads.create_index(in_order, unique=True)

    @unavailable()
    def append(self, chain: str, act: Act) -> Entry:
        """Note the act as the next entry; what was noted under its id, if it was."""
        with self._turns[crc32(chain.encode()) % LOCKS]:
            while True:
                last, at = self._last(chain)
                entry = model.following(chain, last, act, at)
                try:
                    self._entries.insert_one(msgspec.structs.asdict(entry) | {"actor": _actor(entry)})
                except DuplicateKeyError:
                    if known := self._entries.find_one({"chain": chain, "act_id": act.act_id}):
                        return _entry(known)
                else:
                    return entry

    def _last(self, chain: str) -> tuple[Entry | None, datetime]:
        """The last entry, and what the database's clock says."""
        stages: list[Document] = [
            {"$match": {"chain": chain}},
            {"$sort": {"number": DESCENDING}},
            {"$limit": 1},
            {"$set": {"read_at": "$$NOW"}},
        ]
        for document in self._entries.aggregate(stages):
            return _entry(document), document["read_at"]
        return None, server_time(self._database)

    @unavailable()
    def last(self, chain: str) -> tuple[Entry | None, datetime]:
        """The last entry, if there is any, and the database's time."""
        return self._last(chain)

    @unavailable()
    def newest(self, chain: str, *, before: int | None, limit: int) -> list[Entry]:
        """Entries, the newest first, from before that number on."""
        earlier: Document = {"number": {"$lt": before}} if before is not None else {}
        found = self._entries.find({"chain": chain, **earlier}).sort("number", DESCENDING).limit(limit)
        return [_entry(document) for document in found]

    def stored(self, chain: str) -> Iterator[tuple[int, Entry | None]]:
        """Every entry from the first on, a page at a time; None for one that cannot be read any more."""
        last = -1
        while page := self._page(self._entries, chain, last):
            for document in page:
                yield document["number"], _readable(document)
            last = page[-1]["number"]

    def certificates(self, chain: str) -> Iterator[str]:
        """Every signed head, the earliest first."""
        last = -1
        while page := self._page(self._heads, chain, last):
            yield from (document["certificate"] for document in page)
            last = page[-1]["number"]

    @unavailable()
    def _page(self, collection: Any, chain: str, after: int) -> list[Document]:
        # Pages rather than one long cursor: the time a cursor may take is bounded, that of a look is not.
        which = {"chain": chain, "number": {"$gt": after}}
        return list(collection.find(which).sort("number", ASCENDING).limit(PAGE))

    def chains(self) -> Iterator[str]:
        """Every chain of which there is an entry or a head, in the order of their names."""
        last = ""
        while (following := self._chain_after(last)) is not None:
            yield following
            last = following

    @unavailable()
    def _chain_after(self, last: str) -> str | None:
        later = {"chain": {"$gt": last}}
        found = [
            collection.find_one(later, {"chain": True}, sort=[("chain", ASCENDING)])
            for collection in (self._entries, self._heads)
        ]
        return min((document["chain"] for document in found if document), default=None)

    @unavailable()
    def changed(self) -> tuple[datetime, list[str]]:
        """The time, and the chains that grew since the last round of signing that was finished."""
        known = self._rounds.find_one({"_id": ROUND})
        since = known["began_at"] - MADE_WITHIN if known else LONG_AGO
        return server_time(self._database), self._entries.distinct("chain", {"at": {"$gte": since}})

    @unavailable()
    def finish_round(self, began_at: datetime) -> None:
        """The head of every chain that had grown by then is signed."""
        self._rounds.update_one({"_id": ROUND}, {"$max": {"began_at": began_at}}, upsert=True)

    @unavailable()
    def keep_head(self, head: Head) -> Head:
        """Keep a signed head; the one that is there, if another was faster."""
        try:
            self._heads.insert_one(msgspec.structs.asdict(head))
        except DuplicateKeyError:
            return self.latest_head(head.chain) or head
        return head

    @unavailable()
    def latest_head(self, chain: str) -> Head | None:
        found = self._heads.find_one({"chain": chain}, sort=[("number", DESCENDING)])
        return msgspec.convert(found, Head) if found else None


def _actor(entry: Entry) -> Document:
    return msgspec.structs.asdict(entry.actor)


def _entry(document: Document) -> Entry:
    return msgspec.convert(document, Entry)


def _readable(document: Document) -> Entry | None:
    try:
        return _entry(document)
    except msgspec.ValidationError:
        return None
