from datetime import UTC, datetime, timedelta

from chassis.clock import now


def test_the_present_is_in_utc_and_counts_to_the_millisecond():
    present = now()

    assert present.tzinfo is UTC
    assert present.microsecond % 1000 == 0
    assert abs(datetime.now(UTC) - present) < timedelta(seconds=5)
