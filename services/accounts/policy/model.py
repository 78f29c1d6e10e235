"""The draft and the versions of the privacy policy, and the rule of fifteen days."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from importlib import resources
from typing import Literal

import msgspec

FIRST_NUMBER = 1
NOTICE_PERIOD = timedelta(days=15)
"""Fifteen times 24 hours: a day that daylight saving makes shorter makes the period no shorter."""

LONGEST_TEXT = 50_000
LONGEST_SUMMARY = 2_000
LONGEST_NUMBER = 6

State = Literal["upcoming", "in-force", "past"]


class PolicyMissing(Exception):
    """No version of the policy is in force."""


class VersionNotFound(Exception):
    """There is no such version of the policy."""


class DraftMissing(Exception):
    """There is no draft."""


class DraftChanged(Exception):
    """Somebody else has changed the draft meanwhile; look at it again."""


class EffectiveTooEarly(Exception):
    """A version takes effect 15 days after it is posted at the earliest."""

    members = {"errors": [{"field": "effective_at", "detail": "must be at least 15 days from now"}]}


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What may become the next version, posted once at most; ``revision`` counts how often it was saved."""

    draft_id: str
    revision: int
    summary: str
    text: str
    saved_at: datetime
    saved_by: str


class PolicyVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version that was posted, which never changes. ``activated_at`` is when it was found to have taken effect."""

    number: int
    posted_at: datetime
    effective_at: datetime
    summary: str
    text: str
    activated_at: datetime | None = None

    @property
    def version(self) -> str:
        """How everybody else calls it."""
        return str(self.number)


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    in_force: PolicyVersion
    upcoming: PolicyVersion | None


def policy_at(moment: datetime, versions: Iterable[PolicyVersion]) -> Policy:
    """The version in force, and the next that will be. Raises ``PolicyMissing``.

    In force is the last posted of those that took effect: what is posted later replaces what was posted before,
    also when it takes effect first. Both the record of its activation and the time count.
    """
    ordered = sorted(versions, key=lambda version: version.number)
    in_force = next((version for version in reversed(ordered) if _is_effective(version, moment)), None)
    if in_force is None:
        raise PolicyMissing
    to_come = [version for version in ordered if version.number > in_force.number]
    return Policy(in_force=in_force, upcoming=min(to_come, key=lambda version: version.effective_at, default=None))


def _is_effective(version: PolicyVersion, moment: datetime) -> bool:
    return version.activated_at is not None and version.effective_at <= moment


def state_of(version: PolicyVersion, policy: Policy) -> State:
    """Where the version stands beside the one in force."""
    if version.number == policy.in_force.number:
        return "in-force"
    return "upcoming" if version.number > policy.in_force.number else "past"


def first_text() -> str:
    """The policy this release comes with."""
    return resources.files("services.accounts.policy").joinpath("first_version.md").read_text("utf-8")


def number_of(version: str) -> int:
    """The number of the version that is called so. Raises ``VersionNotFound`` where no version could be."""
    if not version.isascii() or not version.isdigit() or len(version) > LONGEST_NUMBER:
        raise VersionNotFound
    return int(version)
