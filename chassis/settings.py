"""What a service reads from its environment: one frozen class a service, everything wrong reported at once."""

import os
import sys
from typing import TypeVar

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

PREFIX = "VELARO_"
EX_CONFIG = 78


class ServiceSettings(BaseSettings):
    """What every service needs: ``VELARO_<NAME>`` in the environment, or such a file in ``VELARO_SECRETS_DIR``."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    log_level: str = "INFO"
    amqp_url: SecretStr
    service_key: SecretStr
    service_keys: str


class StoreSettings(ServiceSettings):
    """What a service with a database needs; the URL names the database in its path."""

    mongo_url: SecretStr


class ServingSettings(BaseSettings):
    """What the web server needs, before there is any service."""

    model_config = ServiceSettings.model_config

    log_level: str = "INFO"
    bind: str = "127.0.0.1:8000"
    workers: int = 1
    threads: int = 16


S = TypeVar("S", bound=BaseSettings)


def read(cls: type[S]) -> S:
    """The settings, or the end of the process with every problem on a line of its own. Values are never shown."""
    try:
        return cls(_secrets_dir=os.environ.get(f"{PREFIX}SECRETS_DIR"))  # noqa: TID251 - here they are read
    except ValidationError as error:
        problems = [
            f"{PREFIX}{_name(problem['loc'])}: {problem['msg']}" for problem in error.errors(include_input=False)
        ]
    except SettingsError as error:
        problems = [str(error)]
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    raise SystemExit(EX_CONFIG)


def _name(location: tuple[int | str, ...]) -> str:
    # An alias, and so the variable's own name, may already carry the prefix.
    return ".".join(str(part) for part in location).upper().removeprefix(PREFIX)
