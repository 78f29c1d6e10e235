"""What can be done with the policy: read it, draft its next version, post that, and find it in force."""

from datetime import datetime

import structlog

from chassis.ids import new_id
from services.accounts.policy import model
from services.accounts.policy.model import Draft, Policy, PolicyVersion, State
from services.accounts.policy.store import PolicyStore

log = structlog.get_logger(__name__)


def post_first_version(*, policies: PolicyStore) -> None:
    """At every start: it stays as it was first posted."""
    policies.post_first(model.first_text())


def policy(*, policies: PolicyStore) -> Policy:
    """The version in force and the one to come, with their texts."""
    found = model.policy_at(*policies.all())
    return Policy(
        in_force=policies.get(found.in_force.number),
        upcoming=policies.get(found.upcoming.number) if found.upcoming else None,
    )


def versions(*, policies: PolicyStore) -> list[tuple[PolicyVersion, State]]:
    """Every version without its text, the newest first, and where it stands."""
    read_at, found = policies.all()
    standing = model.policy_at(read_at, found)
    return [(version, model.state_of(version, standing)) for version in found]


def version(number: int, *, policies: PolicyStore) -> tuple[PolicyVersion, State]:
    """One version with its text. Raises ``VersionNotFound``."""
    found = policies.get(number)
    return found, model.state_of(found, model.policy_at(*policies.all()))


def draft(*, policies: PolicyStore) -> Draft:
    """Raises ``DraftMissing``."""
    return policies.draft()


def save_draft(
    draft_id: str | None,
    revision: int,
    *,
    summary: str,
    text: str,
    saved_by: str,
    now: datetime,
    policies: PolicyStore,
) -> Draft:
    """Keep the draft; without ``draft_id`` it is a new one. Raises ``DraftChanged`` if somebody was faster."""
    wanted = Draft(
        draft_id=draft_id or new_id(),
        revision=revision if draft_id else 0,
        summary=summary,
        text=text,
        saved_at=now,
        saved_by=saved_by,
    )
    return policies.save_draft(wanted)


def drop_draft(draft_id: str, revision: int, *, policies: PolicyStore) -> None:
    policies.drop_draft(draft_id, revision)


def post(
    draft_id: str, revision: int, *, effective_at: datetime | None, posted_by: str, policies: PolicyStore
) -> PolicyVersion:
    """Make the draft the next version; the database says when that is, and how early it may take effect."""
    posted = policies.post(draft_id, revision, effective_at=effective_at, posted_by=posted_by)
    log.info("policy posted", version=posted.version, effective_at=posted.effective_at.isoformat(), staff_id=posted_by)
    return posted


def activate_due(*, policies: PolicyStore) -> None:
    """Note which versions took effect. It may run any number of times, anywhere, by whatever clock."""
    if activated := policies.activate_due():
        log.info("policy took effect", versions=activated)
