"""Versions of the privacy policy."""

from collections.abc import Iterable
from datetime import datetime
from importlib import resources

import msgspec

FIRST_VERSION = "1"


class PolicyMissing(Exception):
    """No version of the policy is in force."""


class PolicyVersion(msgspec.Struct, frozen=True, kw_only=True):
    version: str
    posted_at: datetime
    effective_at: datetime
    text: str


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    in_force: PolicyVersion
    upcoming: PolicyVersion | None


def policy_at(moment: datetime, versions: Iterable[PolicyVersion]) -> Policy:
    """The newest version that is effective, and the next that will be. Raises ``PolicyMissing``."""
    ordered = sorted(versions, key=lambda version: (version.effective_at, version.posted_at))
    effective = [version for version in ordered if version.effective_at <= moment]
    to_come = [version for version in ordered if version.effective_at > moment]
    if not effective:
        raise PolicyMissing
    return Policy(in_force=effective[-1], upcoming=to_come[0] if to_come else None)


def first_version(now: datetime) -> PolicyVersion:
    """The policy this release comes with; the first is in force as soon as it is posted, there being none to change."""
    text = resources.files("services.accounts.policy").joinpath("first_version.md").read_text("utf-8")
    return PolicyVersion(version=FIRST_VERSION, posted_at=now, effective_at=now, text=text)
