"""How staff sign in and out, and whom a secret of theirs stands for."""

from datetime import datetime

import structlog

from chassis.ids import new_id
from services.accounts.audit.actions import note
from services.accounts.audit.model import STAFF_CHAIN, Act, Actor
from services.accounts.audit.store import AuditStore
from services.accounts.operators.model import normalised
from services.accounts.operators.passwords import Passwords
from services.accounts.sessions.model import (
    LONGEST_USER_AGENT,
    TOUCH_EVERY,
    SessionLimits,
    WrongCredentials,
    hash_of,
    new_secret,
)
from services.accounts.staff.model import (
    SESSION_PREFIX,
    Staff,
    StaffIdentity,
    StaffNotFound,
    StaffSession,
    StaffSessionNotLive,
)
from services.accounts.staff.store import StaffSessionStore, StaffStore

log = structlog.get_logger(__name__)


def sign_in(
    email: str,
    password: str,
    *,
    ip: str,
    user_agent: str,
    now: datetime,
    staff: StaffStore,
    sessions: StaffSessionStore,
    audit: AuditStore,
    passwords: Passwords,
    limits: SessionLimits,
) -> tuple[str, StaffIdentity]:
    """A new session and its secret, which is told this once. Raises ``WrongCredentials``, whichever was wrong."""
    member = _proven(email, password, staff=staff, passwords=passwords)
    secret = new_secret(SESSION_PREFIX)
    session = StaffSession(
        session_id=new_id(),
        staff_id=member.staff_id,
        secret_hash=hash_of(secret),
        ip=ip,
        user_agent=user_agent[:LONGEST_USER_AGENT],
        created_at=now,
        last_used_at=now,
        expires_at=now + limits.absolute,
    )
    note(STAFF_CHAIN, _signing_in(member, session), audit=audit)
    sessions.add(session)
    log.info("staff signed in", staff_id=member.staff_id, session_id=session.session_id)
    return secret, _identity_of(session, member)


def _signing_in(member: Staff, session: StaffSession) -> Act:
    actor = Actor(kind="staff", id=member.staff_id, role=member.role)
    subject = {"session_id": session.session_id}
    return Act(act_id=f"{session.session_id}.sign-in", actor=actor, act="staff_sessions.sign_in", subject=subject)


def _proven(email: str, password: str, *, staff: StaffStore, passwords: Passwords) -> Staff:
    member = staff.by_email(normalised(email))
    # The check runs for nobody as for somebody: neither the answer nor its time tells whether the address exists.
    is_right = passwords.matches(password, member.password_hash if member else None)
    if member is None or not is_right or not member.is_active:
        raise WrongCredentials
    if passwords.is_outdated(member.password_hash):
        staff.set_password(member.staff_id, passwords.hash(password))
    return member


def identity(
    secret: str, *, now: datetime, staff: StaffStore, sessions: StaffSessionStore, limits: SessionLimits
) -> StaffIdentity:
    """Whom the secret stands for now; asking counts as using it. Raises ``StaffSessionNotLive``."""
    session = sessions.by_secret(hash_of(secret), now=now, idle=limits.idle)
    try:
        member = staff.get(session.staff_id)
    except StaffNotFound as error:
        raise StaffSessionNotLive from error
    if not member.is_active:
        raise StaffSessionNotLive
    if now - session.last_used_at >= TOUCH_EVERY:
        sessions.touch(session.session_id, now)
    return _identity_of(session, member)


def sign_out(session_id: str, *, sessions: StaffSessionStore) -> None:
    """End the session; to end one that has ended changes nothing."""
    sessions.remove(session_id)
    log.info("staff signed out", session_id=session_id)


def _identity_of(session: StaffSession, member: Staff) -> StaffIdentity:
    return StaffIdentity(
        session_id=session.session_id,
        staff_id=member.staff_id,
        role=member.role,
        name=member.name,
        email=member.email,
        expires_at=session.expires_at,
    )
