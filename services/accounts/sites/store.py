"""Where sites are kept."""

from typing import Any

import msgspec
from pymongo import ASCENDING, ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from chassis.mongo import Document, unavailable
from services.accounts.sites.model import Choices, Site, SiteKeyTaken, SiteNotFound

_LASTING = ("site_key", "created_at", "choices")
"""What of a site stays when it is put again: pages of the customer carry the key, and the owner has chosen the rest."""


class SiteStore:
    def __init__(self, database: Database[Any]) -> None:
        self._sites = database["sites"]

    def ensure_indexes(self) -> None:
        self._sites.create_index("site_key", unique=True)
        self._sites.create_index([("customer_id", ASCENDING), ("_id", ASCENDING)])

    @unavailable()
    def put(self, customer_id: str, site: Site) -> Site:
        """Keep the site, or bring the one that is there up to date; its key and its choices stay what they were."""
        document = _document(site)
        identity = {"_id": document.pop("_id"), "customer_id": customer_id}
        lasting = {name: document.pop(name) for name in _LASTING}
        document.pop("customer_id")
        try:
            self._sites.update_one(identity, {"$set": document, "$setOnInsert": lasting}, upsert=True)
        except DuplicateKeyError as error:
            raise SiteKeyTaken from error
        return _site(self._sites.find_one(identity))

    @unavailable()
    def add_once(self, customer_id: str, site: Site) -> Site:
        """Keep the site unless it is there; what is there stays as it is."""
        document = _document(site)
        identity = {"_id": document.pop("_id"), "customer_id": customer_id}
        document.pop("customer_id")
        try:
            self._sites.update_one(identity, {"$setOnInsert": document}, upsert=True)
        except DuplicateKeyError as error:
            raise SiteKeyTaken from error
        return _site(self._sites.find_one(identity))

    @unavailable()
    def count(self, customer_id: str) -> int:
        return self._sites.count_documents({"customer_id": customer_id})

    @unavailable()
    def choose(self, customer_id: str, site_id: str, choices: Choices) -> Site:
        chosen = {"choices": msgspec.to_builtins(choices)}
        identity = {"_id": site_id, "customer_id": customer_id}
        return _site(self._sites.find_one_and_update(identity, {"$set": chosen}, return_document=ReturnDocument.AFTER))

    @unavailable()
    def by_key(self, site_key: str) -> Site:
        """The one question asked before the customer is known: the key tells which customer it is."""
        return _site(self._sites.find_one({"site_key": site_key}))

    @unavailable()
    def all(self, customer_id: str) -> list[Site]:
        return [_site(document) for document in self._sites.find({"customer_id": customer_id}).sort("_id").limit(200)]


def _document(site: Site) -> Document:
    document: Document = msgspec.structs.asdict(site)
    document["_id"] = document.pop("site_id")
    choices = msgspec.to_builtins(site.choices)
    return document | {"origins": list(site.origins), "departments": list(site.departments), "choices": choices}


def _site(document: Document | None) -> Site:
    if document is None:
        raise SiteNotFound
    # Sites from before there were choices have one of them beside the rest.
    choices = document.get("choices", {"ip_capture": document.get("ip_capture", "full")})
    return msgspec.convert({**document, "site_id": document["_id"], "choices": choices}, Site)
