"""What chat reads from its environment."""

from pydantic import Field

from chassis.settings import StoreSettings


class Settings(StoreSettings):
    """Everything the processes of chat read from their environment."""

    partitions: int = Field(default=8, ge=1, le=100)
