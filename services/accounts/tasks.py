"""The scheduled and slow work of accounts, done by Celery: what the policy and the promises want done in time, the
bundles of disclosures, and the signing of the audit.


``python -m services.accounts worker`` does it, ``… beat`` says when. Any number of either may run, with clocks that
are right or wrong: what is due is decided by the database's time, and a tick that counts twice changes nothing.
"""

from datetime import datetime, timedelta
from typing import Any

import structlog
from celery import Celery
from celery.signals import setup_logging

from chassis import logs
from chassis.mongo import server_time
from chassis.settings import read
from chassis.tasks import ServiceTask, check_broker, claim_slot, make_celery, plan, show_operations
from services.accounts.audit import actions as audit
from services.accounts.bootstrap import SERVICE, Context, bootstrap
from services.accounts.details import actions as details
from services.accounts.disclosures import actions as disclosures
from services.accounts.identity import actions as identity
from services.accounts.inquiries import actions as inquiries
from services.accounts.letters import actions as letters
from services.accounts.notices import actions as notices
from services.accounts.notices.model import Kind
from services.accounts.policy import actions as policy
from services.accounts.settings import Settings

log = structlog.get_logger(__name__)

SWEEP_POLICY = "accounts.sweep-policy"
SEND_NOTICES = "accounts.send-notices"
SWEEP_DETAILS = "accounts.sweep-details"
SWEEP_IDENTITY = "accounts.sweep-identity"
SEND_LETTERS = "accounts.send-letters"
SIGN_HEADS = "accounts.sign-heads"
SWEEP_DISCLOSURES = "accounts.sweep-disclosures"
EXECUTE_DISCLOSURE = "accounts.execute-disclosure"

BUNDLE_SECONDS = 25 * 60
"""How long a bundle may take: the broker takes a task back after half an hour."""
SEND_INQUIRY_MAILS = "accounts.send-inquiry-mails"

CLOCKS_DIFFER = timedelta(days=7)
"""The fifteen days depend on nobody's clock but the database's, so neither may whether they are looked after."""


def _broker_url() -> str:
    return read(Settings).tasks_url.get_secret_value()


celery = make_celery(SERVICE, broker_url=_broker_url, context=bootstrap)
show_operations(celery, lambda: read(Settings).operations_bind)


def check() -> None:
    """What a worker and a beat need before they start; raises what commands tell in one line."""
    check_broker(_broker_url())


@setup_logging.connect
def configure_logs(**_: Any) -> None:
    """Celery leaves logging alone when somebody listens here, so that its lines look like all others."""
    logs.configure(SERVICE, read(Settings).log_level)


@celery.on_after_finalize.connect
def plan_all(sender: Celery, **_: Any) -> None:
    chosen = read(Settings)
    plan(sender, sweep_policy, chosen.sweep_policy_every, clocks_differ=CLOCKS_DIFFER)
    for task in (sweep_identity, sweep_details, send_letters):
        plan(sender, task, chosen.sweep_accounts_every, clocks_differ=CLOCKS_DIFFER)
    plan(sender, sign_heads, chosen.sign_heads_every, clocks_differ=CLOCKS_DIFFER)
    plan(sender, sweep_disclosures, chosen.sweep_disclosures_every, clocks_differ=CLOCKS_DIFFER)
    plan(sender, send_inquiry_mails, chosen.send_inquiry_mails_every)


@celery.task(bind=True, name=SWEEP_POLICY)  # type: ignore[arg-type]
def sweep_policy(self: ServiceTask[Context]) -> None:
    """Once in each slot of the database's time: find what took effect, and have notices sent that are due."""
    here = self.context
    every = here.settings.sweep_policy_every
    if not claim_slot(here.database, SWEEP_POLICY, every, server_time(here.database)):
        return
    policy.activate_due(policies=here.policies)
    notices.start_due(send_notices.delay, policies=here.policies, notices=here.notices, customers=here.customers)


@celery.task(bind=True, name=SEND_NOTICES)  # type: ignore[arg-type]
def send_notices(self: ServiceTask[Context], number: int, kind: Kind) -> None:
    """Send for a while; whoever is killed meanwhile does it again, and sends only what is left."""
    here = self.context
    is_more = notices.send(
        number,
        kind,
        public_url=here.settings.public_url,
        policies=here.policies,
        notices=here.notices,
        customers=here.customers,
        operators=here.operators,
        mailer=here.mailer,
        claimed_for=here.settings.notice_claimed_for,
    )
    if is_more:
        send_notices.delay(number, kind)


def _is_first(task: ServiceTask[Context], now: datetime) -> bool:
    """Whether nobody else has been here in this slot of the database's time."""
    here = task.context
    return claim_slot(here.database, task.name, here.settings.sweep_accounts_every, now)


@celery.task(bind=True, name=SWEEP_DETAILS)  # type: ignore[arg-type]
def sweep_details(self: ServiceTask[Context]) -> None:
    """Write the letters to customers whose details are due."""
    here = self.context
    now = server_time(here.database)
    if _is_first(self, now):
        details.remind(now=now, public_url=here.settings.public_url, details=here.details, letters=here.letters)


@celery.task(bind=True, name=SWEEP_IDENTITY)  # type: ignore[arg-type]
def sweep_identity(self: ServiceTask[Context]) -> None:
    """Destroy the identity documents that are decided on or late."""
    here = self.context
    now = server_time(here.database)
    if _is_first(self, now):
        identity.sweep(now=now, verifications=here.verifications, letters=here.letters, operators=here.operators)


@celery.task(bind=True, name=SEND_LETTERS)  # type: ignore[arg-type]
def send_letters(self: ServiceTask[Context]) -> None:
    """Send the letters that wait."""
    here = self.context
    if _is_first(self, server_time(here.database)):
        letters.send(
            letters=here.letters,
            operators=here.operators,
            mailer=here.mailer,
            claimed_for=here.settings.notice_claimed_for,
        )


@celery.task(bind=True, name=SIGN_HEADS)  # type: ignore[arg-type]
def sign_heads(self: ServiceTask[Context]) -> None:
    """Once in each slot of the database's time: sign how far every chain of the audit has got that has grown."""
    here = self.context
    if claim_slot(here.database, SIGN_HEADS, here.settings.sign_heads_every, server_time(here.database)):
        audit.sign_heads(audit=here.audit, signer=here.signer)


@celery.task(bind=True, name=SWEEP_DISCLOSURES)  # type: ignore[arg-type]
def sweep_disclosures(self: ServiceTask[Context]) -> None:
    """Once in each slot: have carried out what was approved, tell whom it may be told, remove what was kept enough."""
    here = self.context
    every = here.settings.sweep_disclosures_every
    if not claim_slot(here.database, SWEEP_DISCLOSURES, every, server_time(here.database)):
        return
    disclosures.start_due(execute_disclosure.delay, disclosures=here.disclosures)
    disclosures.tell_due(
        public_url=here.settings.public_url,
        disclosures=here.disclosures,
        operators=here.operators,
        audit=here.audit,
        mailer=here.mailer,
    )
    disclosures.discard_refused(disclosures=here.disclosures, audit=here.audit)
    here.disclosures.remove_expired()


@celery.task(  # type: ignore[arg-type]
    bind=True, name=EXECUTE_DISCLOSURE, soft_time_limit=BUNDLE_SECONDS, time_limit=BUNDLE_SECONDS + 60
)
def execute_disclosure(self: ServiceTask[Context], disclosure_id: str) -> None:
    """Make the bundle; whoever is killed meanwhile leaves it to be made anew, and there is one in the end."""
    here = self.context
    disclosures.execute(
        disclosure_id,
        words=here.words,
        disclosures=here.disclosures,
        audit=here.audit,
        signer=here.signer,
        claimed_for=here.settings.disclosure_claimed_for,
        kept_for=here.settings.bundle_kept_for,
    )


@celery.task(bind=True, name=SEND_INQUIRY_MAILS)  # type: ignore[arg-type]
def send_inquiry_mails(self: ServiceTask[Context]) -> None:
    """Acknowledge and answer what was asked; any number may, as each mail is one sender's at a time."""
    here = self.context
    inquiries.send_mails(
        support=here.settings.support_address,
        claimed_for=here.settings.notice_claimed_for,
        inquiries=here.inquiries,
        mailer=here.mailer,
    )
