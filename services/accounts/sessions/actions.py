"""Signing in and out, API tokens, and who a secret stands for."""

from datetime import datetime, timedelta

import structlog

from chassis.ids import new_id
from contracts.accounts import SessionRevoked
from services.accounts.audit.actions import note
from services.accounts.audit.model import Act, Actor
from services.accounts.audit.store import AuditStore
from services.accounts.operators.model import Operator, OperatorNotFound, normalised
from services.accounts.operators.passwords import Passwords
from services.accounts.operators.store import OperatorStore
from services.accounts.sessions import model
from services.accounts.sessions.model import Identity, Scope, Session, SessionLimits, Token
from services.accounts.sessions.store import SessionStore, TokenStore

log = structlog.get_logger(__name__)


def sign_in(
    email: str,
    password: str,
    *,
    ip: str,
    user_agent: str,
    now: datetime,
    operators: OperatorStore,
    sessions: SessionStore,
    audit: AuditStore,
    passwords: Passwords,
    limits: SessionLimits,
    remembered: timedelta | None = None,
) -> tuple[str, Session, Operator]:
    """A new session and its secret, which is told this once. Raises ``WrongCredentials``, whichever was wrong.

    With ``remembered`` it lives so long, used or not.
    """
    operator = _proven(email, password, operators=operators, passwords=passwords)
    secret = model.new_secret(model.SESSION_PREFIX)
    session = Session(
        session_id=new_id(),
        customer_id=operator.customer_id,
        operator_id=operator.operator_id,
        secret_hash=model.hash_of(secret),
        ip=ip,
        user_agent=user_agent[: model.LONGEST_USER_AGENT],
        created_at=now,
        last_used_at=now,
        expires_at=now + (remembered or limits.absolute),
        is_remembered=remembered is not None,
    )
    note(operator.customer_id, _signing_in(operator, session), audit=audit)
    sessions.add(operator.customer_id, session)
    log.info("operator signed in", operator_id=operator.operator_id, session_id=session.session_id)
    return secret, session, operator


def _signing_in(operator: Operator, session: Session) -> Act:
    actor = Actor(kind="operator", id=operator.operator_id, role=operator.role)
    subject = {"session_id": session.session_id}
    return Act(act_id=f"{session.session_id}.sign-in", actor=actor, act="sessions.sign_in", subject=subject)


def _proven(email: str, password: str, *, operators: OperatorStore, passwords: Passwords) -> Operator:
    operator = operators.by_email(normalised(email))
    # The check runs for nobody as for somebody: neither the answer nor its time tells whether the address exists.
    is_right = passwords.matches(password, operator.password_hash if operator else None)
    if operator is None or not is_right or not operator.is_active:
        raise model.WrongCredentials
    if passwords.is_outdated(operator.password_hash):
        operators.set_password(operator.customer_id, operator.operator_id, passwords.hash(password))
    return operator


def identity(
    secret: str,
    *,
    now: datetime,
    operators: OperatorStore,
    sessions: SessionStore,
    tokens: TokenStore,
    limits: SessionLimits,
) -> Identity:
    """Who the secret of a session or a token stands for now. Raises ``SessionNotLive`` when for nobody."""
    secret_hash = model.hash_of(secret)
    if secret.startswith(model.TOKEN_PREFIX):
        token = tokens.by_secret(secret_hash, now=now)
        if token.last_used_at is None or now - token.last_used_at >= model.TOUCH_EVERY:
            tokens.touch(token.customer_id, token.token_id, now)
        return _identity(token, operators=operators)
    session = sessions.by_secret(secret_hash, now=now, idle=limits.idle)
    return _used(session, now=now, operators=operators, sessions=sessions)


def current(
    customer_id: str,
    session_id: str,
    *,
    now: datetime,
    operators: OperatorStore,
    sessions: SessionStore,
    tokens: TokenStore,
    limits: SessionLimits,
) -> Identity:
    """Who a session or a token stands for now, for somebody who holds its id; asking counts as using it."""
    try:
        session = sessions.get(customer_id, session_id, now=now, idle=limits.idle)
    except model.SessionNotLive:
        return _identity(_live_token(customer_id, session_id, now=now, tokens=tokens), operators=operators)
    return _used(session, now=now, operators=operators, sessions=sessions)


def _live_token(customer_id: str, token_id: str, *, now: datetime, tokens: TokenStore) -> Token:
    try:
        return tokens.get(customer_id, token_id, now=now)
    except model.TokenNotFound as error:
        raise model.SessionNotLive from error


def _used(session: Session, *, now: datetime, operators: OperatorStore, sessions: SessionStore) -> Identity:
    found = _identity(session, operators=operators)
    if now - session.last_used_at >= model.TOUCH_EVERY:
        sessions.touch(session.customer_id, session.session_id, now)
    return found


def _identity(credential: Session | Token, *, operators: OperatorStore) -> Identity:
    try:
        operator = operators.get(credential.customer_id, credential.operator_id)
    except OperatorNotFound as error:
        raise model.SessionNotLive from error
    if not operator.is_active:
        raise model.SessionNotLive
    return model.identity_of(credential, operator)


def sign_out(customer_id: str, operator_id: str, session_id: str, *, now: datetime, sessions: SessionStore) -> None:
    """End the session; to end one that has ended changes nothing."""
    revoked = _revoked(customer_id, operator_id, session_id, now)
    sessions.remove(customer_id, session_id, announcing=revoked)
    log.info("operator signed out", operator_id=operator_id, session_id=session_id)


def sign_out_everywhere(customer_id: str, operator_id: str, *, now: datetime, sessions: SessionStore) -> None:
    """End all sessions of the operator, as when the password changes."""
    for session in sessions.of_operator(customer_id, operator_id):
        sign_out(customer_id, operator_id, session.session_id, now=now, sessions=sessions)


def issue_token(
    name: str,
    scopes: tuple[Scope, ...],
    expires_at: datetime | None,
    *,
    owner: Identity,
    now: datetime,
    tokens: TokenStore,
) -> tuple[str, Token]:
    """A new token of the operator and its secret, which is told this once. A token cannot beget tokens."""
    if owner.kind != "session":
        raise model.SessionNeeded
    if expires_at is not None and expires_at <= now:
        raise model.ExpiryPassed
    secret = model.new_secret(model.TOKEN_PREFIX)
    token = Token(
        token_id=new_id(),
        customer_id=owner.customer_id,
        operator_id=owner.operator_id,
        name=name,
        scopes=scopes,
        secret_hash=model.hash_of(secret),
        created_at=now,
        expires_at=expires_at,
    )
    tokens.add(owner.customer_id, token)
    log.info("token issued", operator_id=token.operator_id, token_id=token.token_id)
    return secret, token


def tokens_of(customer_id: str, operator_id: str | None, *, now: datetime, tokens: TokenStore) -> list[Token]:
    """The tokens of one operator; of all of the customer's operators, if none is named."""
    return tokens.all(customer_id, operator_id, now=now)


def revoke_token(
    customer_id: str, operator_id: str | None, token_id: str, *, now: datetime, tokens: TokenStore
) -> None:
    """End a token of the operator, or of any of the customer's if none is named. Raises ``TokenNotFound``."""
    token = tokens.get(customer_id, token_id, now=now)
    if operator_id is not None and token.operator_id != operator_id:
        raise model.TokenNotFound
    tokens.remove(customer_id, token_id, announcing=_revoked(customer_id, token.operator_id, token_id, now))
    log.info("token revoked", operator_id=token.operator_id, token_id=token_id)


def _revoked(customer_id: str, operator_id: str, session_id: str, now: datetime) -> SessionRevoked:
    return SessionRevoked(customer_id=customer_id, session_id=session_id, operator_id=operator_id, revoked_at=now)
