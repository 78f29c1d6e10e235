"""Customers of a running system, and the people who speak for them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from deploy.demo import DETAILS, offer_survey
from tests.edge.people import Operator, Visitor

Seed = Callable[[dict[str, Any]], dict[str, Any]]
"""Has accounts make a customer, and returns what it printed."""


@dataclass(frozen=True)
class Customer:
    """A business of its own, with whom nobody else shares anything."""

    base_url: str
    customer_id: str
    site_id: str
    site_key: str
    people: list[dict[str, Any]]

    def visitor(self) -> Visitor:
        return Visitor(self.base_url, self.site_key).arrive()

    def operator(self, role: str = "operator") -> Operator:
        one = next(person for person in self.people if person["role"] == role)
        return Operator(self.base_url, one["email"], one["password"])


def new_customer(
    base_url: str, seed: Seed, *, roles: tuple[str, ...] = ("owner", "operator"), is_complete: bool = True
) -> Customer:
    """A customer nobody has met before, with people in these roles, and a site that asks the demo's questions."""
    number = uuid4().hex[:12]
    people = [person(role, number) for role in roles]
    made = seed(
        {
            "customer": {"name": f"Customer {number}", **(DETAILS if is_complete else {})},
            "site": {"name": f"Site {number}", "origins": [base_url]},
            "operators": people,
        }
    )
    offer_survey(base_url, {"email": people[0]["email"], "password": people[0]["password"]}, made["site_key"])
    return Customer(base_url, made["customer_id"], made["site_id"], made["site_key"], people)


def person(role: str, number: str) -> dict[str, str]:
    email = f"{role}-{number}@example.org"
    return {"email": email, "name": f"{role.title()} {number}", "role": role, "password": uuid4().hex}
