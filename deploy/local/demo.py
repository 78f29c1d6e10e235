"""The demo customer: a business with one site, an owner, an operator and a pre-chat survey."""

import json
import os
import subprocess
import sys
from typing import Any

import requests

from deploy.local.instance import REPOSITORY, Instance
from deploy.local.processes import environment

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


def seed(instance: Instance) -> dict[str, Any]:
    """Creates what is missing and writes ``demo.json``; the same passwords every time."""
    secrets = instance.secrets.demo
    people = [
        {"email": "owner@demo.example", "name": "Olivia Owner", "role": "owner", "password": secrets["owner"]},
        {
            "email": "operator@demo.example",
            "name": "Oscar Operator",
            "role": "operator",
            "password": secrets["operator"],
        },
    ]
    customer = seed_customer(
        instance,
        {
            "customer": {"name": "Alder & Wren"},
            "site": {"name": "Alder & Wren", "origins": [instance.base_url], "site_key": secrets["site_key"]},
            "operators": people,
        },
    )
    owner, operator = ({"email": one["email"], "password": one["password"]} for one in people)
    offer_survey(instance.base_url, owner, customer["site_id"])
    demo = {
        "base_url": instance.base_url,
        "site_key": customer["site_key"],
        "site_page": f"{instance.base_url}/demo",
        "operator": operator,
        "owner": owner,
        "staff": [],
    }
    instance.demo_file.touch(mode=0o600)
    instance.demo_file.write_text(json.dumps(demo, indent=2) + "\n")
    return demo


def seed_customer(instance: Instance, wanted: dict[str, Any]) -> dict[str, Any]:
    """Creates a customer through the accounts service's own command, which may be run again."""
    result = subprocess.run(
        [sys.executable, "-m", "services.accounts.seed"],
        input=json.dumps(wanted),
        env=os.environ | environment(instance, "accounts") | instance.overrides.get("*", {}),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise SystemExit(f"seeding failed: {result.stderr.strip()[-2000:]}")
    return dict(json.loads(result.stdout.strip().splitlines()[-1]))


def offer_survey(base_url: str, owner: dict[str, str], site_id: str) -> None:
    """Puts the pre-chat survey in place as its owner would, unless there is one."""
    with requests.Session() as browser:
        browser.headers["Origin"] = base_url
        browser.post(f"{base_url}/api/v1/sessions", json=owner, timeout=10).raise_for_status()
        address = f"{base_url}/api/v1/sites/{site_id}/surveys/pre-chat"
        if browser.get(address, timeout=10).status_code == requests.codes.not_found:
            browser.put(address, json={"questions": SURVEY}, timeout=10).raise_for_status()
        browser.delete(f"{base_url}/api/v1/sessions/current", timeout=10)


def print_addresses(instance: Instance) -> None:
    demo = json.loads(instance.demo_file.read_text())
    print(f"""
  The demo shop, with the widget   {demo["site_page"]}
  The console                      {demo["base_url"]}/console
    operator                       {demo["operator"]["email"]}  {demo["operator"]["password"]}
    owner                          {demo["owner"]["email"]}  {demo["owner"]["password"]}
  The API                          {demo["base_url"]}/api/docs
  All of this as a file            {instance.demo_file}
""")
