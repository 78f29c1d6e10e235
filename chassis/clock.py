"""The time, as every service keeps it."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present, in UTC and cut to the millisecond, which is what the database keeps."""
    present = datetime.now(UTC)
    return present.replace(microsecond=present.microsecond // 1000 * 1000)
