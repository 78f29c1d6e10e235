import json
import subprocess
import sys
from typing import Any

import jsonschema
import pytest

from contracts.catalogue import PAYLOADS
from contracts.payload import Payload
from docs.generate import BUS_DOCUMENT, REPOSITORY, SCHEMAS, generated
from tests.contracts.examples import example


def committed(payload: type[Payload]) -> dict[str, Any]:
    return json.loads((SCHEMAS / f"{payload.routing_key}.json").read_text())


def everything_in(document: Any) -> list[Any]:
    inner = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    return [document, *(found for part in inner for found in everything_in(part))]


def test_what_is_committed_is_what_the_code_says():
    stale = [path for path, text in generated().items() if not path.exists() or path.read_text() != text]

    assert stale == [], "run `make contracts`; a released payload may only gain an optional field"


def test_there_is_no_schema_without_a_payload():
    assert {path.stem for path in SCHEMAS.iterdir()} == set(PAYLOADS)


def test_the_check_of_make_lint_finds_them_up_to_date():
    command = [sys.executable, "-m", "docs.generate", "--check"]

    assert subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("payload", PAYLOADS.values())
def test_a_schema_takes_the_example_and_leaves_room_for_later_fields(payload: type[Payload]):
    validator = jsonschema.Draft202012Validator(committed(payload))
    wire = json.loads(example(payload))

    validator.validate(wire)
    validator.validate(wire | {"added_later": {"anything": 1}})
    assert not validator.is_valid({})


def test_every_reference_of_the_bus_document_leads_somewhere():
    document = json.loads(BUS_DOCUMENT.read_text())

    for part in everything_in(document):
        if isinstance(part, dict) and "$ref" in part:
            target = document
            for step in part["$ref"].removeprefix("#/").split("/"):
                target = target[step]


def test_every_payload_is_sent_by_somebody_and_received_by_somebody_in_the_bus_document():
    operations = json.loads(BUS_DOCUMENT.read_text())["operations"]

    for action in ("send", "receive"):
        named = {name.rpartition(".")[2] for name, operation in operations.items() if operation["action"] == action}
        assert named == {payload.__name__ for payload in PAYLOADS.values()}
