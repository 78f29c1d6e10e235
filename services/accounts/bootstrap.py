"""Puts accounts together: settings, database, stores. Called by every way in."""

from dataclasses import dataclass
from typing import Any

from flask import current_app
from pymongo.database import Database

from chassis import logs, mongo, settings
from chassis.auth import TokenVerifier
from chassis.mail import Mailer
from chassis.outbox import Outbox
from chassis.tasks import ensure_slots
from services.accounts.customers.store import CustomerStore
from services.accounts.inquiries.store import InquiryStore
from services.accounts.notices.store import NoticeStore
from services.accounts.operators.passwords import Passwords
from services.accounts.operators.store import OperatorStore
from services.accounts.policy.actions import post_first_version
from services.accounts.policy.store import PolicyStore
from services.accounts.sessions.model import SessionLimits
from services.accounts.sessions.store import SessionStore, TokenStore
from services.accounts.settings import Settings
from services.accounts.sites.store import SiteStore
from services.accounts.staff.store import StaffSessionStore, StaffStore
from services.accounts.tickets.store import TicketStore

SERVICE = "accounts"


@dataclass(frozen=True, kw_only=True)
class Context:
    """All that the ways in hand to the actions."""

    settings: Settings
    database: Database[Any]
    verifier: TokenVerifier
    customers: CustomerStore
    sites: SiteStore
    operators: OperatorStore
    sessions: SessionStore
    tokens: TokenStore
    tickets: TicketStore
    policies: PolicyStore
    notices: NoticeStore
    inquiries: InquiryStore
    staff: StaffStore
    staff_sessions: StaffSessionStore
    mailer: Mailer
    passwords: Passwords
    limits: SessionLimits


def bootstrap(chosen: Settings | None = None) -> Context:
    """Connect, make sure of the indexes and of a policy in force."""
    chosen = chosen or settings.read(Settings)
    logs.configure(SERVICE, chosen.log_level)
    database = mongo.connect(chosen.mongo_url.get_secret_value())
    mongo.wait_for_primary(database)
    made = _assembled(chosen, database)
    _prepare(made)
    return made


def _assembled(chosen: Settings, database: Database[Any]) -> Context:
    outbox = Outbox(database)
    return Context(
        settings=chosen,
        database=database,
        verifier=TokenVerifier(SERVICE, chosen.service_keys),
        customers=CustomerStore(database),
        sites=SiteStore(database),
        operators=OperatorStore(database),
        sessions=SessionStore(database, outbox=outbox),
        tokens=TokenStore(database, outbox=outbox),
        tickets=TicketStore(database),
        policies=PolicyStore(database),
        notices=NoticeStore(database),
        inquiries=InquiryStore(database),
        staff=StaffStore(database),
        staff_sessions=StaffSessionStore(database),
        mailer=Mailer(chosen.smtp_url.get_secret_value(), sender=chosen.mail_sender, timeout=chosen.mail_timeout),
        passwords=Passwords(
            time_cost=chosen.argon2_time_cost,
            memory_kib=chosen.argon2_memory_kib,
            parallelism=chosen.argon2_parallelism,
            at_once=chosen.passwords_at_once,
        ),
        limits=SessionLimits(idle=chosen.session_idle_limit, absolute=chosen.session_absolute_limit),
    )


def _prepare(made: Context) -> None:
    Outbox(made.database).ensure_indexes()
    ensure_slots(made.database)
    for store in (
        made.sites,
        made.operators,
        made.sessions,
        made.tokens,
        made.tickets,
        made.policies,
        made.notices,
        made.inquiries,
        made.staff,
        made.staff_sessions,
    ):
        store.ensure_indexes()
    post_first_version(policies=made.policies)


def context() -> Context:
    """What bootstrap made, for the request being answered; for routes alone."""
    found: Context = current_app.extensions[SERVICE]
    return found
