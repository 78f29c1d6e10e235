"""Puts accounts together: settings, database, stores. Called by every way in."""

from dataclasses import dataclass
from typing import Any

from flask import current_app
from pymongo.database import Database

from chassis import logs, mongo, settings
from chassis.auth import TokenIssuer, TokenVerifier
from chassis.certificates import Signer
from chassis.http import ServiceClient
from chassis.mail import Mailer
from chassis.outbox import Outbox
from chassis.tasks import ensure_slots
from services.accounts.audit.store import AuditStore
from services.accounts.customers.store import CustomerStore
from services.accounts.details.store import DetailsStore
from services.accounts.disclosures.clients import WordKeepers
from services.accounts.disclosures.store import DisclosureStore
from services.accounts.identity.actions import StepUp
from services.accounts.identity.documents import Reader
from services.accounts.identity.sealing import MasterKey
from services.accounts.identity.store import VerificationStore
from services.accounts.inquiries.store import InquiryStore
from services.accounts.letters.store import LetterStore
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

SERVICE = "accounts"


@dataclass(frozen=True, kw_only=True)
class Context:
    """All that the ways in hand to the actions."""

    settings: Settings
    database: Database[Any]
    verifier: TokenVerifier
    signer: Signer
    audit: AuditStore
    customers: CustomerStore
    details: DetailsStore
    letters: LetterStore
    verifications: VerificationStore
    step_up: StepUp
    documents: Reader
    master_key: MasterKey
    sites: SiteStore
    operators: OperatorStore
    sessions: SessionStore
    tokens: TokenStore
    policies: PolicyStore
    notices: NoticeStore
    disclosures: DisclosureStore
    words: WordKeepers
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
    limits = SessionLimits(idle=chosen.session_idle_limit, absolute=chosen.session_absolute_limit)
    operators, sessions = OperatorStore(database), SessionStore(database, outbox=outbox)
    verifications = VerificationStore(database)
    return Context(
        settings=chosen,
        database=database,
        verifier=TokenVerifier(SERVICE, chosen.service_keys),
        signer=Signer(SERVICE, chosen.service_key.get_secret_value()),
        audit=AuditStore(database),
        customers=CustomerStore(database),
        details=DetailsStore(database),
        letters=LetterStore(database),
        verifications=verifications,
        step_up=StepUp(verifications=verifications, operators=operators, sessions=sessions, idle=limits.idle),
        documents=Reader(),
        master_key=MasterKey(chosen.identity_key.get_secret_value()),
        sites=SiteStore(database),
        operators=operators,
        sessions=sessions,
        tokens=TokenStore(database, outbox=outbox),
        policies=PolicyStore(database),
        notices=NoticeStore(database),
        disclosures=DisclosureStore(database),
        words=_word_keepers(chosen),
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
        limits=limits,
    )


def _word_keepers(chosen: Settings) -> WordKeepers:
    issuer = TokenIssuer(SERVICE, chosen.service_key.get_secret_value())
    return WordKeepers(
        transcripts=ServiceClient(chosen.transcripts_url, audience="transcripts", issuer=issuer),
        chat=ServiceClient(chosen.chat_url, audience="chat", issuer=issuer),
    )


def _prepare(made: Context) -> None:
    Outbox(made.database).ensure_indexes()
    ensure_slots(made.database)
    for store in (
        made.details,
        made.letters,
        made.verifications,
        made.sites,
        made.operators,
        made.sessions,
        made.tokens,
        made.policies,
        made.notices,
        made.audit,
        made.disclosures,
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
