from datetime import timedelta

import pytest

from services.accounts.policy.model import PolicyMissing, PolicyVersion, first_version, policy_at
from tests.accounts.builders import NOW

DAY = timedelta(days=1)


def a_version(version, effective_at):
    return PolicyVersion(version=version, posted_at=effective_at - 15 * DAY, effective_at=effective_at, text="…")


def test_in_force_is_the_newest_that_is_effective():
    versions = [a_version("2", NOW - DAY), a_version("1", NOW - 100 * DAY)]

    policy = policy_at(NOW, versions)

    assert policy.in_force.version == "2"
    assert policy.upcoming is None


def test_a_version_is_in_force_from_its_first_moment_and_not_before():
    versions = [a_version("1", NOW - DAY), a_version("2", NOW)]

    assert policy_at(NOW, versions).in_force.version == "2"
    before = policy_at(NOW - timedelta(milliseconds=1), versions)
    assert (before.in_force.version, before.upcoming.version) == ("1", "2")


def test_upcoming_is_the_next_of_several():
    versions = [a_version("1", NOW), a_version("3", NOW + 9 * DAY), a_version("2", NOW + DAY)]

    assert policy_at(NOW, versions).upcoming.version == "2"


def test_without_an_effective_version_there_is_no_policy():
    with pytest.raises(PolicyMissing):
        policy_at(NOW, [a_version("1", NOW + DAY)])


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
    assert promise in first_version(NOW).text


def test_the_first_version_is_in_force_at_once():
    assert policy_at(NOW, [first_version(NOW)]).in_force.version == "1"
