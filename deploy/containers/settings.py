"""What the preparing containers read from their environment."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis.settings import PREFIX

Hosts = str
"""``one:1234,two:1234``"""


class Settings(BaseSettings):
    """Where things are, and where secrets go."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    secrets_root: Path = Path("/secrets")
    mongo_hosts: Hosts = Field(default="mongo:27017", pattern=r"^[^,:\s]+:\d+(,[^,:\s]+:\d+)*$")
    amqp_hosts: Hosts = Field(default="rabbitmq:5672", pattern=r"^[^,:\s]+:\d+(,[^,:\s]+:\d+)*$")
    public_url: str = "http://localhost:8080"
    gateway_address: str = "http://gateway:8080"
