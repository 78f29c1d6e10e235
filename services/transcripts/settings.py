"""What transcripts reads from its environment."""

from datetime import timedelta

from pydantic import Field, SecretStr, field_validator

from chassis.settings import StoreSettings, address


class Settings(StoreSettings):
    """Everything the processes of transcripts read from their environment.

    Durations are ISO 8601 (``P30D``, ``PT5M``) or ``[days ]HH:MM:SS``.
    """

    tasks_url: SecretStr
    chat_url: str
    archive_after: timedelta = Field(default=timedelta(days=30), ge=timedelta(0))
    archive_every: timedelta = Field(default=timedelta(minutes=5), ge=timedelta(seconds=1))
    seal_late_every: timedelta = Field(default=timedelta(seconds=30), ge=timedelta(seconds=1))

    @field_validator("tasks_url")
    @classmethod
    def _names_a_broker_of_tasks(cls, value: SecretStr) -> SecretStr:
        return address(value, "amqp", "amqps")
