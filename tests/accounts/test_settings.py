import re
from pathlib import Path

from services.accounts.settings import Settings

README = Path(__file__).parents[2] / "services" / "accounts" / "README.md"


def test_the_defaults_are_safe_in_production():
    defaults = {name: field.default for name, field in Settings.model_fields.items()}

    assert defaults["argon2_memory_kib"] >= 64 * 1024
    assert defaults["argon2_time_cost"] >= 3
    assert defaults["session_idle_limit"] < defaults["session_absolute_limit"]


def test_the_readme_names_every_setting():
    text = README.read_text()

    for name in Settings.model_fields:
        assert f"`VELARO_{name.upper()}`" in text


def test_the_readme_names_every_route(client):
    text = README.read_text()

    for rule in client.application.url_map.iter_rules():
        if rule.rule.startswith("/internal"):
            for method in rule.methods - {"HEAD", "OPTIONS"}:
                path = rule.rule.replace("<site_key>", "KEY").replace("<version>", "VERSION")
                path = re.sub("<[a-z_]+_id>", "ID", path)
                assert f"| `{method} {path}" in text
