"""The demo customer: a business with one site, an owner, an operator and a pre-chat survey."""

from typing import Any

import requests

from deploy.secrets import STAFF_ROLES, Secrets

SURVEY = [
    {"question_id": "name", "kind": "text", "label": "What may we call you?", "is_required": True, "max_length": 80},
    {"question_id": "email", "kind": "email", "label": "Your e-mail address", "is_required": False},
    {
        "question_id": "topic",
        "kind": "choice",
        "label": "What is it about?",
        "is_required": True,
        "choices": ["An order", "A product", "Something else"],
    },
    {"question_id": "orders", "kind": "number", "label": "How often have you ordered here?", "is_required": False,
     "minimum": 0, "maximum": 1000},
]  # fmt: skip


ADDRESS = {"street": "Rosenthaler Str. 40", "city": "Berlin", "postcode": "10178", "country": "DE"}
DETAILS: dict[str, Any] = {
    "contact": {
        "name": "Alder & Wren",
        "contact_person": "Olivia Owner",
        "email": "owner@demo.example",
        "telephone": "+493012345678",
        "address": ADDRESS,
    },
    "billing": {"email": "invoices@demo.example", "address": ADDRESS, "tax_id": "DE136695976", "currency": "EUR"},
}
"""Confirmed whenever the customer is seeded, so that the account is complete."""


def customer(chosen: Secrets, origin: str) -> dict[str, Any]:
    """What accounts is to make of it; the same passwords every time."""
    people = (("owner", "Olivia Owner"), ("operator", "Oscar Operator"))
    return {
        "customer": {"name": "Alder & Wren", **DETAILS},
        "site": {"name": "Alder & Wren", "origins": [origin], "site_key": chosen.demo["site_key"]},
        "operators": [{"role": role, "name": name} | sign_in(chosen, role) for role, name in people],
        "staff": [{"name": f"{one['role'].title()} of Velaro"} | one for one in staff(chosen)],
    }


def sign_in(chosen: Secrets, role: str) -> dict[str, str]:
    return {"email": f"{role}@demo.example", "password": chosen.demo[role]}


def staff(chosen: Secrets) -> list[dict[str, str]]:
    """One person of ours for each role."""
    return [
        {"role": role, "email": f"{role}@velaro.example", "password": chosen.demo[f"staff-{role}"]}
        for role in STAFF_ROLES
    ]


def document(chosen: Secrets, origin: str) -> dict[str, Any]:
    """All that a person or a test needs to begin: ``demo.json``."""
    return {
        "base_url": origin,
        "site_key": chosen.demo["site_key"],
        "site_page": f"{origin}/demo",
        "operator": sign_in(chosen, "operator"),
        "owner": sign_in(chosen, "owner"),
        "staff": staff(chosen),
    }


def offer_survey(origin: str, owner: dict[str, str], site_key: str, *, address: str | None = None) -> None:
    """Puts the pre-chat survey in place as its owner would, unless there is one.

    ``address`` is where the gateway is reached, if that is not ``origin``, the name it goes by.
    """
    api = f"{address or origin}/api/v1"
    with requests.Session() as browser:
        browser.headers["Origin"] = origin
        browser.post(f"{api}/sessions", json=owner, timeout=10).raise_for_status()
        sites = browser.get(f"{api}/sites", timeout=10).json()["sites"]
        [site_id] = [site["site_id"] for site in sites if site["site_key"] == site_key]
        survey = f"{api}/sites/{site_id}/surveys/pre-chat"
        if browser.get(survey, timeout=10).status_code == requests.codes.not_found:
            browser.put(survey, json={"questions": SURVEY}, timeout=10).raise_for_status()
        browser.delete(f"{api}/sessions/current", timeout=10)


def addresses(demo: dict[str, Any]) -> str:
    """Where to go, for a person."""
    people = "\n".join(f"    {one['role']:<29}  {one['email']}  {one['password']}" for one in demo["staff"])
    return f"""
  The demo shop, with the widget   {demo["site_page"]}
  The console                      {demo["base_url"]}/console
    operator                       {demo["operator"]["email"]}  {demo["operator"]["password"]}
    owner                          {demo["owner"]["email"]}  {demo["owner"]["password"]}
  The staff desk                   {demo["base_url"]}/desk
{people}
  The API                          {demo["base_url"]}/api/docs
"""
