"""What chat reads from its environment."""

from datetime import timedelta

from pydantic import Field

from chassis.settings import StoreSettings

MOST_PARTITIONS = 100
MESSAGES_PER_CONVERSATION = 10_000


class Settings(StoreSettings):
    """Everything the processes of chat read from their environment."""

    partitions: int = Field(default=8, ge=1, le=MOST_PARTITIONS)
    messages_per_conversation: int = Field(default=MESSAGES_PER_CONVERSATION, ge=1)
    seal_reminder_after: timedelta = Field(default=timedelta(minutes=2), ge=timedelta(seconds=1))
    erasure_look_after: timedelta = Field(default=timedelta(seconds=5), ge=timedelta(0))
    erasure_retry_after: timedelta = Field(default=timedelta(seconds=15), ge=timedelta(seconds=1))
