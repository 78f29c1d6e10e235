"""The slow work of transcripts, done by Celery: archiving, and sealing what could not be sealed at once.

``python -m services.transcripts worker`` does it, ``… beat`` says when. To archive by hand, send
``transcripts.archive-transcripts``; any number of jobs may run at once.
"""

from typing import Any

import structlog
from celery import Celery
from celery.signals import setup_logging

from chassis import logs
from chassis.clock import now
from chassis.settings import read
from chassis.tasks import ServiceTask, check_broker, claim_slot, make_celery, plan, show_operations
from services.transcripts import actions
from services.transcripts.bootstrap import SERVICE, Context, bootstrap
from services.transcripts.settings import Settings

log = structlog.get_logger(__name__)

START_ARCHIVING = "transcripts.start-archiving"
ARCHIVE_TRANSCRIPTS = "transcripts.archive-transcripts"
SEAL_LATE = "transcripts.seal-late"


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
    settings = read(Settings)
    plan(sender, start_archiving, settings.archive_every)
    plan(sender, seal_late, settings.seal_late_every)


@celery.task(bind=True, name=START_ARCHIVING)  # type: ignore[arg-type]
def start_archiving(self: ServiceTask[Context]) -> None:
    """Enqueue one job for the present slot, however many beats there are.

    The slot is claimed here and not by the job: a job that is killed comes again and must then go on.
    """
    context = self.context
    if claim_slot(context.database, ARCHIVE_TRANSCRIPTS, context.settings.archive_every, now()):
        archive_transcripts.delay()


@celery.task(bind=True, name=ARCHIVE_TRANSCRIPTS)  # type: ignore[arg-type]
def archive_transcripts(self: ServiceTask[Context]) -> None:
    context, started_at = self.context, now()
    sealed_before = started_at - context.settings.archive_after
    archived = actions.archive_transcripts(store=context.store, sealed_before=sealed_before, now=started_at)
    log.info("archive job done", transcripts=archived)


@celery.task(bind=True, name=SEAL_LATE)  # type: ignore[arg-type]
def seal_late(self: ServiceTask[Context]) -> None:
    """Seal what had to wait for chat."""
    context, started_at = self.context, now()
    if claim_slot(context.database, SEAL_LATE, context.settings.seal_late_every, started_at):
        actions.seal_postponed(store=context.store, fetch=context.chat.messages, now=started_at)
