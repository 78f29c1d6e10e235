"""What a service reads from its environment: one frozen class a service, everything wrong reported at once."""

import os
import sys
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError
from pymongo import MongoClient
from pymongo.errors import PyMongoError

PREFIX = "VELARO_"
EX_CONFIG = 78


class ServiceSettings(BaseSettings):
    """What every service needs: ``VELARO_<NAME>`` in the environment, or such a file in ``VELARO_SECRETS_DIR``."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    log_level: str = "INFO"
    amqp_url: SecretStr
    service_key: SecretStr
    service_keys: str

    @field_validator("amqp_url")
    @classmethod
    def _names_a_broker(cls, value: SecretStr) -> SecretStr:
        return address(value, "amqp", "amqps")

    @field_validator("service_key")
    @classmethod
    def _is_a_private_key(cls, value: SecretStr) -> SecretStr:
        try:
            is_private = OKPKey.import_key(msgspec.json.decode(value.get_secret_value())).is_private
        except (JoseError, ValueError, TypeError):
            is_private = False
        if not is_private:
            raise ValueError("must be a private Ed25519 key, as a JWK")
        return value

    @field_validator("service_keys")
    @classmethod
    def _is_a_key_set(cls, value: str) -> str:
        try:
            KeySet.import_key_set(msgspec.json.decode(value))
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise ValueError("must be a set of public Ed25519 keys, as a JWK set") from error
        return value


def address(value: SecretStr, *schemes: str) -> SecretStr:
    """For a validator: ``value`` if it is an address of one of ``schemes``; it is never shown."""
    parts = urlsplit(value.get_secret_value())
    hosts = parts.netloc.rpartition("@")[2].split(",")
    if parts.scheme not in schemes or not all(map(_is_a_host, hosts)):
        raise ValueError(f"must be an address such as {schemes[0]}://user:password@host/name")
    return value


def _is_a_host(text: str) -> bool:
    try:
        parts = urlsplit(f"//{text}")
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


class StoreSettings(ServiceSettings):
    """What a service with a database needs; the URL names the database in its path.

    ``operations_bind`` is where its processes without a web server show their health and metrics, if at all.
    """

    mongo_url: SecretStr
    operations_bind: str = Field(default="", pattern=r"^(\S+:\d{1,5})?$")

    @field_validator("mongo_url")
    @classmethod
    def _names_a_database(cls, value: SecretStr) -> SecretStr:
        address(value, "mongodb", "mongodb+srv")
        try:
            # Without a question to the name service, which an address of the other form needs.
            url = value.get_secret_value().replace("mongodb+srv://", "mongodb://", 1)
            MongoClient[dict[str, Any]](url, connect=False).get_default_database()
        except (PyMongoError, ValueError) as error:
            # What is wrong with it may be the password: the reason is not for the log.
            raise ValueError("must be an address that MongoDB knows, with a database in its path") from error
        return value


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
