"""The demo customer of a local instance."""

import json
import os
import subprocess
import sys
from typing import Any

from deploy import demo
from deploy.local.instance import REPOSITORY, Instance
from deploy.local.processes import environment


def seed(instance: Instance) -> dict[str, Any]:
    """Creates what is missing and writes ``demo.json``."""
    seed_customer(instance, demo.customer(instance.secrets, instance.base_url))
    document = demo.document(instance.secrets, instance.base_url)
    demo.offer_survey(instance.base_url, document["owner"], document["site_key"])
    instance.demo_file.touch(mode=0o600)
    instance.demo_file.write_text(json.dumps(document, indent=2) + "\n")
    return document


def seed_customer(instance: Instance, wanted: dict[str, Any]) -> dict[str, Any]:
    """Creates a customer through the accounts service's own command, which may be run again."""
    result = subprocess.run(
        [sys.executable, "-m", "services.accounts", "seed"],
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


def print_addresses(instance: Instance) -> None:
    print(demo.addresses(json.loads(instance.demo_file.read_text())))
    print(f"  Every mail that is sent          {instance.mails}/new")
    print(f"  All of this as a file            {instance.demo_file}\n")
