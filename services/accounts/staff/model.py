"""Staff and their sessions. A member of staff belongs to no customer, and so can ask for nothing of one."""

from datetime import datetime

import msgspec

from chassis.auth import StaffRole

SESSION_PREFIX = "velaro_staff_"


class StaffNotFound(Exception):
    """There is no such member of staff."""


class StaffSessionNotLive(Exception):
    """There is no such session of staff, or it has ended."""


class Staff(msgspec.Struct, frozen=True, kw_only=True):
    staff_id: str
    email: str
    name: str
    role: StaffRole
    password_hash: str
    is_active: bool = True
    created_at: datetime


class StaffSession(msgspec.Struct, frozen=True, kw_only=True):
    session_id: str
    staff_id: str
    secret_hash: str
    ip: str
    user_agent: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


class StaffIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a session stands for, as things are now."""

    session_id: str
    staff_id: str
    role: StaffRole
    name: str
    email: str
    expires_at: datetime
