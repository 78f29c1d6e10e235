"""The settings of a test's service as a process of its own reads them."""

import os
from datetime import timedelta
from typing import Any

from pydantic import SecretStr
from pydantic_settings import BaseSettings


def environment_of(settings: BaseSettings, **changes: Any) -> dict[str, str]:
    """Our own environment, with these settings."""
    values = settings.model_dump() | changes
    return dict(os.environ) | {f"VELARO_{name.upper()}": _text(value) for name, value in values.items() if value != ""}


def _text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return f"PT{value.total_seconds():g}S" if isinstance(value, timedelta) else str(value)
