"""Where verifications, documents and their keys are kept: apart from each other, and found by the verification's id.

A document lies in GridFS under its verification's id, sealed; its wrapped key is a document of its own. So a key can
be destroyed by one deletion, and everything that is kept can be reached from the verification.
"""

from datetime import datetime
from typing import Any

import msgspec
import pymongo
from gridfs import GridFSBucket
from gridfs.errors import NoFile
from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from chassis.mongo import Document, transaction, unavailable
from services.accounts.identity.model import (
    ARRIVES_WITHIN,
    DEFAULT,
    GRANTED_FOR,
    KEPT_FOR,
    Action,
    AlreadyDecided,
    Decision,
    Receipt,
    Strictness,
    Verification,
    VerificationNotFound,
    VerificationOpen,
)

BUCKET = "identity_documents"
GRIDFS_SECONDS = 20.0
MOST_LISTED = 200


class VerificationStore:
    def __init__(self, database: Database[Any]) -> None:
        self._database = database
        self._verifications = database["identity_verifications"]
        self._keys = database["identity_keys"]
        self._files = database[f"{BUCKET}.files"]
        self._chunks = database[f"{BUCKET}.chunks"]
        self._rules = database["identity_rules"]
        self._bucket = GridFSBucket(database, bucket_name=BUCKET)

    def ensure_indexes(self) -> None:
        by_operator = [("customer_id", ASCENDING), ("operator_id", ASCENDING), ("action", ASCENDING)]
        self._verifications.create_index(by_operator, unique=True, partialFilterExpression={"is_open": True})
        self._verifications.create_index([("customer_id", ASCENDING), ("operator_id", ASCENDING), ("_id", DESCENDING)])
        self._verifications.create_index([("is_open", ASCENDING), ("_id", DESCENDING)])
        self._verifications.create_index("is_kept", partialFilterExpression={"is_kept": True})
        self._chunks.create_index([("files_id", ASCENDING), ("n", ASCENDING)], unique=True)

    @unavailable()
    def strictness(self, customer_id: str) -> Strictness:
        rule = self._rules.find_one({"_id": customer_id})
        return msgspec.convert(rule["strictness"], Strictness) if rule else DEFAULT

    @unavailable()
    def set_strictness(self, customer_id: str, strictness: Strictness) -> None:
        self._rules.update_one({"_id": customer_id}, {"$set": {"strictness": strictness}}, upsert=True)

    @unavailable()
    def begin(self, customer_id: str, verification: Verification) -> None:
        """A document is about to be kept: from here on whoever sweeps finds it. Raises ``VerificationOpen``."""
        document = msgspec.to_builtins(verification, builtin_types=(datetime,))
        document["_id"] = document.pop("verification_id")
        try:
            self._verifications.insert_one({**document, "customer_id": customer_id, "is_open": True, "is_kept": True})
        except DuplicateKeyError as error:
            raise VerificationOpen from error

    def put_document(self, customer_id: str, verification_id: str, sealed: bytes) -> None:
        """Only ever what is sealed already."""
        with unavailable(), pymongo.timeout(GRIDFS_SECONDS):
            self._bucket.upload_from_stream_with_id(verification_id, verification_id, sealed)

    def admit(self, customer_id: str, verification_id: str, wrapped_key: bytes) -> Verification:
        """The document is complete: now there is a key to it, and it waits. Raises ``VerificationNotFound``."""
        arriving = {"_id": verification_id, "customer_id": customer_id, "state": "arriving"}

        def work(session: ClientSession) -> None:
            update = {"$set": {"state": "waiting"}}
            # Who was so slow that their document was swept meanwhile leaves no key behind.
            if not self._verifications.update_one(arriving, update, session=session).matched_count:
                raise VerificationNotFound
            self._keys.insert_one({"_id": verification_id, "wrapped": wrapped_key}, session=session)

        transaction(self._database, work)
        return self.get(verification_id)

    @unavailable()
    def get(self, verification_id: str) -> Verification:
        """For staff, who have no customer. Raises ``VerificationNotFound``."""
        return _verification(self._verifications.find_one({"_id": verification_id}))

    @unavailable()
    def of_operator(self, customer_id: str, operator_id: str) -> list[Verification]:
        """The operator's own, the newest first."""
        which = {"customer_id": customer_id, "operator_id": operator_id, "state": {"$ne": "arriving"}}
        return [_verification(each) for each in self._verifications.find(which).sort("_id", DESCENDING).limit(20)]

    @unavailable()
    def listed(self) -> list[Verification]:
        """For staff: those that wait, the oldest first, then the newest of the others."""
        waiting = self._verifications.find({"is_open": True, "state": "waiting"}).sort("_id", ASCENDING)
        others = self._verifications.find({"is_open": False}).sort("_id", DESCENDING)
        return [_verification(each) for some in (waiting, others) for each in some.limit(MOST_LISTED)]

    def sealed(self, verification_id: str) -> tuple[bytes, bytes]:
        """The wrapped key and the sealed document. Raises ``VerificationNotFound`` when either is gone."""
        with unavailable(), pymongo.timeout(GRIDFS_SECONDS):
            key = self._keys.find_one({"_id": verification_id})
            try:
                content = self._bucket.open_download_stream(verification_id).read()
            except NoFile as error:
                raise VerificationNotFound from error
        if key is None:
            raise VerificationNotFound
        return key["wrapped"], content

    @unavailable()
    def decide(
        self, verification_id: str, decision: Decision, *, decided_by: str, reason: str, now: datetime
    ) -> Verification:
        """Decide on what waits; once. Who decides the same again is told the same. Raises ``AlreadyDecided``."""
        decided: Document = {"state": decision, "decided_at": now, "decided_by": decided_by, "reason": reason}
        if decision == "approved":
            decided["granted_until"] = now + GRANTED_FOR
        waiting = {"_id": verification_id, "state": "waiting", "uploaded_at": {"$gt": now - KEPT_FOR}}
        self._verifications.update_one(waiting, {"$set": {**decided, "is_open": False, "is_told": False}})
        found = self.get(verification_id)
        if (found.state, found.decided_by, found.reason) != (decision, decided_by, reason):
            raise AlreadyDecided
        return found

    @unavailable()
    def expire(self, now: datetime) -> None:
        """End what has waited too long, and what never arrived whole."""
        late = {"state": "waiting", "uploaded_at": {"$lte": now - KEPT_FOR}}
        lost = {"state": "arriving", "uploaded_at": {"$lte": now - ARRIVES_WITHIN}}
        self._verifications.update_many(late, {"$set": {"state": "expired", "is_open": False, "is_told": False}})
        self._verifications.update_many(lost, {"$set": {"state": "broken", "is_open": False}})

    @unavailable()
    def untold(self) -> list[Verification]:
        """Those of whose outcome no letter has been written yet."""
        return [_verification(each) for each in self._verifications.find({"is_told": False}).limit(MOST_LISTED)]

    @unavailable()
    def set_told(self, verification_id: str) -> None:
        self._verifications.update_one({"_id": verification_id}, {"$unset": {"is_told": ""}})

    @unavailable()
    def to_destroy(self) -> list[str]:
        """Verifications that are over and may still have a key or a document."""
        found = self._verifications.find({"is_kept": True, "is_open": False}, {"_id": True}).limit(MOST_LISTED)
        return [document["_id"] for document in found]

    @unavailable()
    def destroy_key(self, verification_id: str) -> None:
        self._keys.delete_one({"_id": verification_id})

    @unavailable()
    def destroy_document(self, verification_id: str) -> None:
        self._files.delete_one({"_id": verification_id})
        self._chunks.delete_many({"files_id": verification_id})

    @unavailable()
    def look(self, verification_id: str, now: datetime) -> Receipt:
        """What there still is of the document."""
        return Receipt(
            keys=self._keys.count_documents({"_id": verification_id}),
            files=self._files.count_documents({"_id": verification_id}),
            chunks=self._chunks.count_documents({"files_id": verification_id}),
            looked_at=now,
        )

    @unavailable()
    def set_destroyed(self, verification_id: str, receipt: Receipt) -> None:
        """It is shown to be gone. The first receipt stays."""
        which = {"_id": verification_id, "is_kept": True, "is_open": False}
        values = msgspec.to_builtins(receipt, builtin_types=(datetime,))
        self._verifications.update_one(which, {"$set": {"receipt": values}, "$unset": {"is_kept": ""}})

    @unavailable()
    def destroy_strays(self) -> int:
        """Remove parts of documents that should not be there any more: a writer may wake up after a sweep."""
        found = {*self._keys.distinct("_id"), *self._files.distinct("_id"), *self._chunks.distinct("files_id")}
        which = {"_id": {"$in": list(found)}, "is_kept": True}
        strays = found - {document["_id"] for document in self._verifications.find(which, {"_id": True})}
        for verification_id in strays:
            self.destroy_key(verification_id)
            self.destroy_document(verification_id)
        return len(strays)

    @unavailable()
    def use_grant(self, customer_id: str, operator_id: str, action: Action, now: datetime) -> bool:
        """Whether this operator may do exactly this now, because a document of theirs was approved for it."""
        granted = {
            "customer_id": customer_id,
            "operator_id": operator_id,
            "action": action,
            "state": "approved",
            "granted_until": {"$gt": now},
        }
        used = self._verifications.find_one_and_update(
            granted, {"$set": {"used_at": now}}, return_document=ReturnDocument.AFTER
        )
        return used is not None


def _verification(document: Document | None) -> Verification:
    if document is None:
        raise VerificationNotFound
    return msgspec.convert({**document, "verification_id": document["_id"]}, Verification)
