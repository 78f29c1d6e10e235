"""Everything the gateway reads from its environment."""

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from chassis.settings import ServiceSettings

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]


class Settings(ServiceSettings):
    """Where the gateway is, whom it asks, and how much it lets one client do."""

    public_url: str
    accounts_url: str
    chat_url: str
    transcripts_url: str
    surveys_url: str
    partitions: Positive = 8

    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0
    demo_site_key: str | None = None
    web_dist: Path = Path(__file__).parent / "web" / "dist"

    answer_timeout: Seconds = 5.0
    introspection_cache: Annotated[float, Field(ge=0, le=10)] = 4.0
    site_cache: Annotated[float, Field(ge=0, le=30)] = 30.0
    policy_refresh: Annotated[float, Field(gt=0, le=30)] = 5.0

    sign_ins_per_minute: Positive = 20
    visits_per_minute: Positive = 600
    tickets_per_minute: Positive = 1200
    conversations_per_minute: Positive = 300
    copies_per_minute: Positive = 10
    uploads_per_minute: Positive = 10
    questions_per_minute: Positive = 10

    connections: Positive = 12_000
    unauthenticated_sockets: Positive = 2_000
    unauthenticated_sockets_per_address: Positive = 1_000
    sockets_per_visitor: Positive = 50
    sockets_per_operator: Positive = 200
    messages_per_second: Positive = 40
    message_burst: Positive = 80
    socket_lifetime: Seconds = 4 * 3600.0
    drain_seconds: Seconds = 30.0
    summary_interval: Seconds = 1.0
    summary_frames_per_second: Positive = 2_000

    @field_validator("public_url")
    @classmethod
    def _origin_only(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"} or parts.query:
            raise ValueError("must be an origin, such as https://chat.example.com")
        return f"{parts.scheme}://{parts.netloc}"

    @model_validator(mode="after")
    def _secret_cookies_need_tls(self) -> Self:
        if not self.is_secure and urlsplit(self.public_url).hostname not in LOOPBACK:
            raise ValueError("public_url must be https, except on this machine itself")
        return self

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach us over TLS."""
        return self.public_url.startswith("https://")

    @property
    def session_cookie(self) -> str:
        """The cookie of people who work for customers."""
        return self.cookie_name("session")

    @property
    def staff_cookie(self) -> str:
        """Staff have a cookie of their own, so that who is both is never one as the other."""
        return self.cookie_name("staff")

    def cookie_name(self, name: str) -> str:
        """The name that makes browsers guard the cookie; it needs TLS, which a local try-out does not have."""
        return f"__Host-{name}" if self.is_secure else name
