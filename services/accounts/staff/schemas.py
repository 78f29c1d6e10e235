"""What staff and their sessions look like over HTTP."""

from datetime import datetime

from chassis.auth import StaffRole
from chassis.web import Body, Reply
from services.accounts.sessions.schemas import Secret


class IntrospectStaff(Body):
    token: Secret


class StaffIdentityReply(Reply):
    session_id: str
    staff_id: str
    role: StaffRole
    name: str
    email: str
    expires_at: datetime


class StaffSessionReply(StaffIdentityReply):
    token: str
