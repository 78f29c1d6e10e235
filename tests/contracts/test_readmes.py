"""The tables in each service's README say what the code says.

In every table the first column names the thing; the rest is for people:

    ## Endpoints   | `GET /path/ID` `{body}` | …     words in capitals, or in <angle brackets>, are variable
    ## Hears       | `ConversationOpened` | …
    ## Publishes   | `ResponseRecorded` | …
    ## Settings    | `VELARO_LOG_LEVEL` | default | …   a dash where there is none
"""

import importlib
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import PydanticUndefined

from contracts.catalogue import COMMANDS, PAYLOADS
from docs.generate import REPOSITORY, SERVICES, hears, publishes

FOR_MACHINES = {"static", "chassis.health", "chassis.ready", "chassis.metrics", "openapi.spec"}
NAMES = {payload.__name__ for payload in PAYLOADS.values()}


class Anything:
    """A context of which only the routes are asked."""

    def __getattr__(self, name: str) -> "Anything":
        return Anything()


def rows(service: str, heading: str) -> list[list[str]]:
    """The cells of the tables of one section, without their heads."""
    text = (REPOSITORY / "services" / service / "README.md").read_text()
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    assert section, f"{service} has no section {heading!r}"
    tables = [block for block in section.split("\n\n") if re.match(r"\n?\|", block)]
    lines = [line for block in tables for line in block.strip().splitlines()[2:]]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))] for line in lines]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def endpoints_in_readme(service: str) -> set[str]:
    found = set()
    for cells in rows(service, "Endpoints"):
        method, _, path = (quoted(cells[0]) or [""])[0].partition(" ")
        if re.fullmatch("[A-Z]+", method) and path:
            found.add(f"{method} {shape(path.partition('?')[0])}")
    return found


def endpoints_in_code(service: str) -> set[str]:
    app = importlib.import_module(f"services.{service}.app").create_app(Anything())
    return {
        f"{method} {shape(rule.rule)}"
        for rule in app.url_map.iter_rules()
        if rule.endpoint not in FOR_MACHINES
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def shape(path: str) -> str:
    """The path with its variable parts alike, however they are written."""
    return re.sub(r"<[^>]+>|(?<![a-z0-9_-])[A-Z][A-Z_]+(?![a-z0-9_-])", "*", path)


def payloads_in_readme(service: str, heading: str) -> set[str]:
    return {name for cells in rows(service, heading) for name in quoted(cells[0]) if name in NAMES}


def settings_in_readme(service: str) -> dict[str, str]:
    return {quoted(cells[0])[0]: cells[1].replace("`", "").strip() for cells in rows(service, "Settings")}


def settings_in_code(service: str) -> dict[str, set[str]]:
    fields = importlib.import_module(f"services.{service}.settings").Settings.model_fields
    return {f"VELARO_{name.upper()}": spellings(field.default) for name, field in fields.items()}


def spellings(default: Any) -> set[str]:
    """The ways in which a README may write a default."""
    if default is PydanticUndefined or default is None or default == "":
        return {"\N{EN DASH}", "-", "none", "empty"}
    if isinstance(default, timedelta):
        return durations(default.total_seconds())
    if isinstance(default, Path):
        return {str(default.relative_to(REPOSITORY)) if default.is_absolute() else str(default)}
    if isinstance(default, int | float) and not isinstance(default, bool):
        return {f"{default:g}", str(default), f"{default:,}", f"{default:,.0f}".replace(",", " ")} | durations(default)
    return {str(default)}


def durations(seconds: float) -> set[str]:
    units = {"s": 1, "min": 60, "h": 3600, "d": 86400, "days": 86400}
    return {f"{seconds / length:g} {unit}" for unit, length in units.items()}


@pytest.mark.parametrize("service", SERVICES)
def test_the_endpoints_are_those_that_are_routed(service: str):
    assert endpoints_in_readme(service) == endpoints_in_code(service)


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_heard_is_what_is_subscribed_to(service: str):
    heard = {event.__name__ for event in hears()[service]}
    heard |= {command.__name__ for command in COMMANDS if command.routing_key.startswith(f"{service}.")}

    assert payloads_in_readme(service, "Hears") == heard


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_published_is_what_the_code_makes(service: str):
    assert payloads_in_readme(service, "Publishes") == {payload.__name__ for payload in publishes()[service]}


@pytest.mark.parametrize("service", SERVICES)
def test_the_settings_and_their_defaults_are_those_that_are_read(service: str):
    written, read = settings_in_readme(service), settings_in_code(service)

    assert set(written) == set(read)
    assert {name: written[name] for name in read if written[name] not in read[name]} == {}
