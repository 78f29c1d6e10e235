from datetime import timedelta

import pytest

from services.accounts.policy.model import (
    NOTICE_PERIOD,
    PolicyMissing,
    PolicyVersion,
    VersionNotFound,
    first_text,
    number_of,
    policy_at,
    state_of,
)
from tests.accounts.builders import NOW

DAY = timedelta(days=1)


def a_version(number, effective_at, *, is_activated=True):
    return PolicyVersion(
        number=number,
        posted_at=effective_at - NOTICE_PERIOD,
        effective_at=effective_at,
        activated_at=effective_at if is_activated else None,
        summary="…",
        text="…",
    )


def test_in_force_is_the_last_posted_of_those_that_took_effect():
    versions = [a_version(2, NOW - DAY), a_version(1, NOW - 100 * DAY)]

    policy = policy_at(NOW, versions)

    assert policy.in_force.version == "2"
    assert policy.upcoming is None


def test_a_version_is_in_force_from_its_first_moment_and_not_before():
    versions = [a_version(1, NOW - DAY), a_version(2, NOW)]

    assert policy_at(NOW, versions).in_force.version == "2"
    before = policy_at(NOW - timedelta(milliseconds=1), versions)
    assert (before.in_force.version, before.upcoming.version) == ("1", "2")


def test_a_version_is_not_in_force_before_that_is_on_record():
    versions = [a_version(1, NOW - DAY), a_version(2, NOW - DAY, is_activated=False)]

    assert policy_at(NOW, versions).in_force.version == "1"


def test_upcoming_is_the_next_of_several():
    versions = [a_version(1, NOW), a_version(2, NOW + 9 * DAY), a_version(3, NOW + DAY)]

    assert policy_at(NOW, versions).upcoming.version == "3"


def test_what_was_posted_later_and_took_effect_first_stays_in_force():
    versions = [a_version(1, NOW - 9 * DAY), a_version(2, NOW), a_version(3, NOW - DAY)]
    policy = policy_at(NOW, versions)

    assert policy.in_force.version == "3"
    assert [state_of(version, policy) for version in versions] == ["past", "past", "in-force"]


def test_without_an_effective_version_there_is_no_policy():
    with pytest.raises(PolicyMissing):
        policy_at(NOW, [a_version(1, NOW + DAY)])


@pytest.mark.parametrize("version", ["", "x", "-1", "1.0", "\N{SUPERSCRIPT TWO}", "1" * 7])
def test_what_is_no_number_is_no_version(version):
    with pytest.raises(VersionNotFound):
        number_of(version)


@pytest.mark.parametrize(
    "promise",
    [
        "transcript",
        "IP address",
        "No other customer can",
        "court order",
        "under 18 years of age",
        "The whole chat works without any cookie",
        "government-issued",
        "15 days after notice",
        "available to the people on the other side",
        "support@velaro.com",
    ],
)
def test_the_first_version_makes_each_promise(promise):
    assert promise in first_text()
