"""What the policy looks like over HTTP."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, StringConstraints

from chassis.web import Body, Query, Reply, Timestamp
from services.accounts.policy.model import LONGEST_SUMMARY, LONGEST_TEXT, PolicyVersion, State

Summary = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_SUMMARY)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT, pattern=r"\S")]
Revision = Annotated[int, Field(ge=1, le=2**31)]
DraftId = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class VersionReply(Reply):
    version: str
    effective_at: datetime
    posted_at: datetime
    summary: str
    text: str


class PolicyReply(Reply):
    in_force: VersionReply
    upcoming: VersionReply | None


class StandingReply(Reply):
    version: str
    state: State
    effective_at: datetime
    posted_at: datetime
    summary: str

    @classmethod
    def of(cls, version: PolicyVersion, state: State) -> Self:
        return cls(
            version=version.version,
            state=state,
            effective_at=version.effective_at,
            posted_at=version.posted_at,
            summary=version.summary,
        )


class VersionsReply(Reply):
    versions: list[StandingReply]


class OneVersionReply(StandingReply):
    text: str


class DraftReply(Reply):
    draft_id: str
    revision: int
    summary: str
    text: str
    saved_at: datetime


class SaveDraft(Body):
    """Without ``draft_id``, a new draft."""

    draft_id: DraftId | None = None
    revision: Revision | None = None
    summary: Summary
    text: Text


class WhichDraft(Query):
    draft_id: DraftId
    revision: Revision


class Post(Body):
    draft_id: DraftId
    revision: Revision
    effective_at: Timestamp | None = None
