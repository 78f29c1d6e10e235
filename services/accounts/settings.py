"""What accounts reads from its environment."""

from datetime import timedelta
from email.utils import parseaddr

from pydantic import Field, SecretStr, field_validator

from chassis.mail import MailSettings
from chassis.settings import StoreSettings, address
from services.accounts.identity.sealing import decoded


class Settings(StoreSettings, MailSettings):
    """Everything the accounts service reads from its environment. The defaults are those for production."""

    tasks_url: SecretStr
    identity_key: SecretStr
    chat_url: str
    transcripts_url: str
    support_address: str
    inbox_bind: str = Field(default="127.0.0.1:2525", pattern=r"^[^\s]+:\d{1,5}$")
    send_inquiry_mails_every: timedelta = Field(default=timedelta(seconds=15), ge=timedelta(seconds=1))
    public_url: str = Field(pattern=r"^https?://[^/\s]+$")
    session_idle_limit: timedelta = timedelta(hours=2)
    session_absolute_limit: timedelta = timedelta(hours=16)
    argon2_time_cost: int = Field(default=3, ge=1)
    argon2_memory_kib: int = Field(default=64 * 1024, ge=8)
    argon2_parallelism: int = Field(default=4, ge=1)
    passwords_at_once: int = Field(default=4, ge=1)
    sweep_policy_every: timedelta = Field(default=timedelta(seconds=15), ge=timedelta(seconds=1))
    sweep_accounts_every: timedelta = Field(default=timedelta(minutes=1), ge=timedelta(seconds=1))
    notice_claimed_for: timedelta = Field(default=timedelta(minutes=10), ge=timedelta(seconds=1))
    sign_heads_every: timedelta = Field(default=timedelta(minutes=5), ge=timedelta(seconds=1))
    sweep_disclosures_every: timedelta = Field(default=timedelta(seconds=15), ge=timedelta(seconds=1))
    disclosure_claimed_for: timedelta = Field(default=timedelta(minutes=2), ge=timedelta(seconds=1))
    bundle_kept_for: timedelta = Field(default=timedelta(days=1), ge=timedelta(seconds=1))

    @field_validator("identity_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        decoded(value.get_secret_value())
        return value

    @field_validator("support_address")
    @classmethod
    def _is_a_mailbox_of_ours(cls, value: str) -> str:
        if parseaddr(value)[1].count("@") != 1 or not value.isprintable():
            raise ValueError("must be a mailbox such as Velaro <support@example.com>")
        return value

    @property
    def support_mailbox(self) -> str:
        """The address alone."""
        return parseaddr(self.support_address)[1]

    @field_validator("tasks_url")
    @classmethod
    def _names_a_broker_of_tasks(cls, value: SecretStr) -> SecretStr:
        return address(value, "amqp", "amqps")
