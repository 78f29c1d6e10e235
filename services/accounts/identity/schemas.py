"""What verifications look like over HTTP."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import StringConstraints

from chassis.web import Body, Query, Reply
from services.accounts.identity.model import Action, Decision, State, Strictness, Verification


class UploadQuery(Query):
    action: Action


class ReceiptReply(Reply):
    keys: int
    files: int
    chunks: int
    looked_at: datetime


class VerificationReply(Reply):
    verification_id: str
    action: Action
    state: State
    uploaded_at: datetime
    decided_at: datetime | None
    reason: str
    granted_until: datetime | None
    receipt: ReceiptReply | None


class IdentityReply(Reply):
    strictness: Strictness
    verifications: list[VerificationReply]


class StrictnessBody(Body):
    strictness: Strictness


class StrictnessReply(Reply):
    strictness: Strictness


class ReviewReply(VerificationReply):
    customer_id: str
    customer_name: str
    operator_name: str
    operator_email: str
    media_type: str

    @classmethod
    def of(cls, verification: Verification, customer_name: str) -> Self:
        shown = VerificationReply.model_validate(verification).model_dump()
        return cls(
            **shown,
            customer_id=verification.customer_id,
            customer_name=customer_name,
            operator_name=verification.operator_name,
            operator_email=verification.operator_email,
            media_type=verification.media_type,
        )


class ReviewsReply(Reply):
    verifications: list[ReviewReply]


class DecisionBody(Body):
    decision: Decision
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
