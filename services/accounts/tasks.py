"""The scheduled and slow work of accounts, done by Celery: what the policy wants done when its time has come.

``python -m services.accounts worker`` does it, ``… beat`` says when. Any number of either may run, with clocks that
are right or wrong: what is due is decided by the database's time, and a tick that counts twice changes nothing.
"""

from datetime import timedelta
from typing import Any

import structlog
from celery import Celery
from celery.signals import setup_logging

from chassis import logs
from chassis.mongo import server_time
from chassis.settings import read
from chassis.tasks import ServiceTask, check_broker, claim_slot, make_celery, plan, show_operations
from services.accounts.bootstrap import SERVICE, Context, bootstrap
from services.accounts.inquiries import actions as inquiries
from services.accounts.notices import actions as notices
from services.accounts.notices.model import Kind
from services.accounts.policy import actions as policy
from services.accounts.settings import Settings

log = structlog.get_logger(__name__)

SWEEP_POLICY = "accounts.sweep-policy"
SEND_NOTICES = "accounts.send-notices"
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
    plan(sender, sweep_policy, read(Settings).sweep_policy_every, clocks_differ=CLOCKS_DIFFER)
    plan(sender, send_inquiry_mails, read(Settings).send_inquiry_mails_every)


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
