"""What chat reads from its environment."""

from pydantic import Field

from chassis.settings import StoreSettings

MOST_PARTITIONS = 100


class Settings(StoreSettings):
    """Everything the processes of chat read from their environment."""

    partitions: int = Field(default=8, ge=1, le=MOST_PARTITIONS)
