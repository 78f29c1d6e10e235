"""Where the versions of the policy are kept."""

from typing import Any

import msgspec
from pymongo import DESCENDING
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from chassis.mongo import Document, unavailable
from services.accounts.policy.model import PolicyVersion


class PolicyStore:
    def __init__(self, database: Database[Any]) -> None:
        self._versions = database["policy_versions"]

    def ensure_indexes(self) -> None:
        self._versions.create_index([("effective_at", DESCENDING)])

    @unavailable()
    def add_once(self, version: PolicyVersion) -> None:
        """Keep the version unless there is one of that name; a version once posted never changes."""
        document: Document = msgspec.structs.asdict(version)
        identity = {"_id": document.pop("version")}
        try:
            self._versions.update_one(identity, {"$setOnInsert": document}, upsert=True)
        except DuplicateKeyError:
            return

    @unavailable()
    def all(self) -> list[PolicyVersion]:
        found = self._versions.find().sort("effective_at", DESCENDING)
        return [msgspec.convert({**document, "version": document["_id"]}, PolicyVersion) for document in found]
