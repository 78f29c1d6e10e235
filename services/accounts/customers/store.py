"""Where customers are kept."""

from typing import Any

from pymongo.database import Database

from chassis.mongo import unavailable
from services.accounts.customers.model import Customer


class CustomerStore:
    def __init__(self, database: Database[Any]) -> None:
        self._customers = database["customers"]

    @unavailable()
    def add_once(self, customer: Customer) -> None:
        """Keep the customer unless it is already there; what is there stays as it is."""
        new = {"name": customer.name, "created_at": customer.created_at}
        self._customers.update_one({"_id": customer.customer_id}, {"$setOnInsert": new}, upsert=True)

    @unavailable()
    def get(self, customer_id: str) -> Customer | None:
        document = self._customers.find_one({"_id": customer_id})
        if document is None:
            return None
        return Customer(customer_id=document["_id"], name=document["name"], created_at=document["created_at"])

    @unavailable()
    def count(self) -> int:
        """How many customers there are."""
        return self._customers.count_documents({})

    @unavailable()
    def ids(self, *, after: str, limit: int) -> list[str]:
        """The ids of the customers that follow ``after``, in their own order."""
        found = self._customers.find({"_id": {"$gt": after}}, {"_id": True}).sort("_id").limit(limit)
        return [document["_id"] for document in found]
