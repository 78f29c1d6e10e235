"""Where inquiries are kept, which letters became them, and the ledger of the mails about them.

A letter and what it became are written in one transaction, under a key that no two letters share: delivered twice, it
is one. A mail of ours is written down with what caused it, and sent by whoever claims its line; who is killed leaves it
claimed, and it is free again after a while.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from chassis.mongo import Document, transaction, unavailable
from services.accounts.inquiries.model import (
    ACKNOWLEDGED_A_DAY,
    CONFIRMATION_KEPT,
    DUE_AFTER,
    KEPT_AFTER_CLOSING,
    MOST_ENTRIES,
    Confirmation,
    ConfirmationNotValid,
    Delivery,
    Entry,
    Inquiry,
    InquiryClosed,
    InquiryNotFound,
    Letter,
    Outgoing,
    State,
)

MAILS_KEPT = timedelta(days=30)
FIRST_NUMBER = 1000

Reply = Callable[[Inquiry], tuple[Outgoing | None, Confirmation | None]]
"""What is sent about a new inquiry, and the link in it, if any."""


class InquiryStore:
    def __init__(self, database: Database[Any]) -> None:
        self._database = database
        self._inquiries = database["inquiries"]
        self._letters = database["inquiry_letters"]
        self._mails = database["inquiry_mails"]
        self._numbers = database["inquiry_numbers"]
        self._confirmations = database["inquiry_confirmations"]

    @unavailable()
    def ensure_indexes(self) -> None:
        self._inquiries.create_index("number", unique=True)
        self._inquiries.create_index([("state", ASCENDING), ("due_at", ASCENDING), ("number", ASCENDING)])
        self._inquiries.create_index("message_ids")
        self._inquiries.create_index("forget_at", expireAfterSeconds=0, sparse=True)
        self._letters.create_index("forget_at", expireAfterSeconds=0)
        self._mails.create_index([("state", ASCENDING), ("due_at", ASCENDING)])
        self._mails.create_index([("to", ASCENDING), ("created_at", DESCENDING)])
        self._mails.create_index("inquiry_id")
        self._mails.create_index("created_at", expireAfterSeconds=int(MAILS_KEPT.total_seconds()))
        self._confirmations.create_index("forget_at", expireAfterSeconds=0)

    def take(self, letter: Letter, fresh: Inquiry, *, now: datetime, reply: Reply) -> tuple[Inquiry, bool]:
        """What the letter became, and whether it came before; a new inquiry unless it goes on with an older one."""

        def work(session: ClientSession) -> Inquiry:
            # The fence comes first: of two deliveries at once one waits here, and then finds the other.
            kept = {"_id": letter.key, "inquiry_id": "", "forget_at": now + KEPT_AFTER_CLOSING}
            self._letters.insert_one(kept, session=session)
            inquiry = self._go_on(letter, now, session) or self._begin(fresh, letter, now, reply, session)
            became = {"$set": {"inquiry_id": inquiry.inquiry_id}}
            self._letters.update_one({"_id": letter.key}, became, session=session)
            return inquiry

        try:
            return transaction(self._database, work), False
        except DuplicateKeyError:
            known = self._letters.find_one({"_id": letter.key})
            if known is None:
                raise
            return self.get(known["inquiry_id"]), True

    def _go_on(self, letter: Letter, now: datetime, session: ClientSession) -> Inquiry | None:
        """Add the letter to what it answers. Only whoever began it goes on with it: a Message-ID is no secret."""
        if not letter.references:
            return None
        which = {
            "message_ids": {"$in": list(letter.references)},
            "sender": letter.sender,
            f"entries.{MOST_ENTRIES - 1}": {"$exists": False},
        }
        entry = Entry(kind="question", text=letter.text, by=letter.sender, at=now)
        changes: Document = {"$push": {"entries": _plain(entry)}}
        if letter.message_id:
            changes["$addToSet"] = {"message_ids": letter.message_id}
        found = self._inquiries.find_one_and_update(
            which, changes, session=session, sort=[("number", DESCENDING)], return_document=ReturnDocument.AFTER
        )
        if found is None:
            return None
        if found["state"] != "open" and not letter.is_automatic:
            again = {"$set": {"state": "open", "due_at": now + DUE_AFTER}, "$unset": {"forget_at": "", "closed_at": ""}}
            found = self._inquiries.find_one_and_update(
                {"_id": found["_id"]}, again, session=session, return_document=ReturnDocument.AFTER
            )
        return _inquiry(found)

    def _begin(self, fresh: Inquiry, letter: Letter, now: datetime, reply: Reply, session: ClientSession) -> Inquiry:
        counted = self._numbers.find_one_and_update(
            {"_id": "last"},
            [{"$set": {"number": {"$add": [{"$ifNull": ["$number", FIRST_NUMBER]}, 1]}}}],
            upsert=True,
            session=session,
            return_document=ReturnDocument.AFTER,
        )
        inquiry = msgspec.structs.replace(fresh, number=(counted or {})["number"])
        mail, confirmation = reply(inquiry) if self._may_answer(letter, now, session) else (None, None)
        if mail is not None:
            inquiry = msgspec.structs.replace(inquiry, message_ids=(*inquiry.message_ids, mail.message_id))
            self._mails.insert_one(_due(mail, now), session=session)
        if confirmation is not None:
            link = _plain(confirmation)
            link |= {"_id": link.pop("token_hash"), "forget_at": confirmation.expires_at + CONFIRMATION_KEPT}
            self._confirmations.insert_one(link, session=session)
        self._inquiries.insert_one(_document(inquiry), session=session)
        return inquiry

    def _may_answer(self, letter: Letter, now: datetime, session: ClientSession) -> bool:
        lately = {"to": letter.return_path, "kind": "acknowledgement", "created_at": {"$gt": now - timedelta(days=1)}}
        found = self._mails.count_documents(lately, session=session, limit=ACKNOWLEDGED_A_DAY)
        return found < ACKNOWLEDGED_A_DAY

    @unavailable()
    def get(self, inquiry_id: str) -> Inquiry:
        return _inquiry(self._inquiries.find_one({"_id": inquiry_id}))

    @unavailable()
    def all(self, state: State | None, *, after: tuple[datetime, int] | None, limit: int) -> list[Inquiry]:
        """Those that are due first, first; without what was written."""
        which: Document = {"state": state} if state else {}
        if after is not None:
            due_at, number = after
            which["$or"] = [{"due_at": {"$gt": due_at}}, {"due_at": due_at, "number": {"$gt": number}}]
        in_order = [("due_at", ASCENDING), ("number", ASCENDING)]
        return [_inquiry(each) for each in self._inquiries.find(which, {"entries": 0}, sort=in_order).limit(limit)]

    def answer(self, inquiry_id: str, entry: Entry, mail: Outgoing, *, now: datetime) -> Inquiry:
        """Write the answer down, and the mail that carries it; the same mail again is the same answer."""

        def work(session: ClientSession) -> Document | None:
            self._mails.insert_one(_due(mail, now), session=session)
            changes = {
                "$push": {"entries": _plain(entry)},
                "$addToSet": {"message_ids": mail.message_id},
                "$set": {"state": "answered"},
            }
            which = {"_id": inquiry_id, "state": {"$ne": "closed"}}
            found = self._inquiries.find_one_and_update(
                which, changes, session=session, return_document=ReturnDocument.AFTER
            )
            if found is None:
                raise InquiryClosed
            return dict(found)

        try:
            return _inquiry(transaction(self._database, work))
        except DuplicateKeyError:
            return self.get(inquiry_id)

    @unavailable()
    def close(self, inquiry_id: str, *, now: datetime) -> Inquiry:
        """Nothing more is owed to it; a while later it is forgotten."""
        done = {"state": "closed", "closed_at": now, "forget_at": now + KEPT_AFTER_CLOSING}
        self._inquiries.update_one({"_id": inquiry_id, "state": {"$ne": "closed"}}, {"$set": done})
        return self.get(inquiry_id)

    @unavailable()
    def delivery(self, inquiry_id: str) -> Delivery:
        each: list[Document] = [
            {"$match": {"inquiry_id": inquiry_id}},
            {"$group": {"_id": "$state", "count": {"$sum": 1}}},
        ]
        counts = {found["_id"]: found["count"] for found in self._mails.aggregate(each)}
        return msgspec.convert(counts, Delivery)

    @unavailable()
    def claim(self, *, now: datetime, lasts: timedelta) -> Outgoing | None:
        """A mail that is due, and nobody else's for so long; None if there is none."""
        found = self._mails.find_one_and_update(
            {"state": "waiting", "due_at": {"$lte": now}},
            {"$set": {"due_at": now + lasts}, "$inc": {"attempts": 1}},
            sort=[("due_at", ASCENDING)],
            return_document=ReturnDocument.AFTER,
        )
        return msgspec.convert({**found, "mail_id": found["_id"]}, Outgoing) if found else None

    @unavailable()
    def set_sent(self, mail: Outgoing, *, now: datetime) -> None:
        """The server took it. Its text is with the inquiry, and a link in it is nobody's but the addressee's."""
        self._mails.update_one(
            {"_id": mail.mail_id}, {"$set": {"state": "sent", "sent_at": now}, "$unset": {"text": ""}}
        )

    @unavailable()
    def set_back(self, mail: Outgoing, *, due_at: datetime | None, is_refused: bool) -> None:
        """It did not go out: to be tried again then, or never."""
        state = {"state": "waiting", "due_at": due_at} if due_at else {"state": "failed"}
        which = {"_id": mail.mail_id, "attempts": mail.attempts, "state": "waiting"}
        self._mails.update_one(which, {"$set": state, "$inc": {"refusals": int(is_refused)}})

    @unavailable()
    def confirmation(self, token_hash: str, *, now: datetime) -> Confirmation:
        """What the link is for: one that is still to be used, or shows what came of it."""
        found = self._confirmations.find_one(
            {"_id": token_hash, "$or": [{"expires_at": {"$gt": now}}, {"done_at": {"$ne": None}}]}
        )
        if found is None:
            raise ConfirmationNotValid
        return msgspec.convert({**found, "token_hash": found["_id"]}, Confirmation)

    @unavailable()
    def set_done(self, token_hash: str, *, erasures: tuple[str, ...], now: datetime) -> None:
        """The link has done what it was for; it does it once."""
        done = {"done_at": now, "erasures": list(erasures)}
        self._confirmations.update_one({"_id": token_hash, "done_at": None}, {"$set": done})


def _plain(thing: msgspec.Struct) -> Document:
    plain: Document = msgspec.to_builtins(thing, builtin_types=(datetime,))
    return plain


def _document(inquiry: Inquiry) -> Document:
    document = _plain(inquiry)
    document["_id"] = document.pop("inquiry_id")
    return document


def _due(mail: Outgoing, now: datetime) -> Document:
    document = _plain(mail)
    document["_id"] = document.pop("mail_id")
    return document | {"state": "waiting", "due_at": now, "created_at": now}


def _inquiry(document: Document | None) -> Inquiry:
    if document is None:
        raise InquiryNotFound
    return msgspec.convert({**document, "inquiry_id": document["_id"]}, Inquiry)
