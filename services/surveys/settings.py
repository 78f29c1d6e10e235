"""What surveys reads from its environment."""

from chassis.settings import StoreSettings


class Settings(StoreSettings):
    """Everything the surveys service reads from its environment."""
