"""What accounts reads from its environment."""

from datetime import timedelta

from pydantic import Field

from chassis.settings import StoreSettings


class Settings(StoreSettings):
    """Everything the accounts service reads from its environment. The defaults are those for production."""

    session_idle_limit: timedelta = timedelta(hours=2)
    session_absolute_limit: timedelta = timedelta(hours=16)
    argon2_time_cost: int = Field(default=3, ge=1)
    argon2_memory_kib: int = Field(default=64 * 1024, ge=8)
    argon2_parallelism: int = Field(default=4, ge=1)
    passwords_at_once: int = Field(default=4, ge=1)
