"""Puts the gateway together: settings, clients, bus, fan-out, sockets. Called by every way in."""

import sys
import time
from dataclasses import dataclass

import gevent
import structlog
from flask import current_app

from chassis import logs, settings
from chassis.auth import TokenIssuer
from chassis.bus import Bus, Listener
from chassis.http import RemoteProblem, ServiceClient, ServiceUnavailable
from services.gateway.assets import Assets
from services.gateway.clients import (
    AccountClient,
    AccountsClient,
    AuditClient,
    ChatClient,
    DisclosuresClient,
    HistoryReader,
    IdentityClient,
    InquiriesClient,
    PolicyClient,
    StaffClient,
    SurveysClient,
    TranscriptsClient,
)
from services.gateway.commands import Commands
from services.gateway.fanout import Fanout
from services.gateway.openings import Openings
from services.gateway.rates import Limit
from services.gateway.settings import Settings
from services.gateway.tickets import Tickets

SERVICE = "gateway"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How often one address, account or person may ask."""

    sign_ins: Limit
    visits: Limit
    tickets: Limit
    conversations: Limit
    messages: Limit
    copies: Limit
    uploads: Limit
    questions: Limit

    @classmethod
    def of(cls, chosen: Settings) -> "Limits":
        return cls(
            sign_ins=Limit.per_minute(chosen.sign_ins_per_minute),
            visits=Limit.per_minute(chosen.visits_per_minute),
            tickets=Limit.per_minute(chosen.tickets_per_minute),
            conversations=Limit.per_minute(chosen.conversations_per_minute),
            messages=Limit(chosen.messages_per_second, chosen.message_burst),
            copies=Limit.per_minute(chosen.copies_per_minute),
            uploads=Limit.per_minute(chosen.uploads_per_minute),
            questions=Limit.per_minute(chosen.questions_per_minute),
        )


@dataclass(frozen=True, kw_only=True)
class Context:
    """All that the ways in need."""

    settings: Settings
    tickets: Tickets
    openings: Openings
    accounts: AccountsClient
    account: AccountClient
    identity: IdentityClient
    policy: PolicyClient
    staff: StaffClient
    audit: AuditClient
    disclosures: DisclosuresClient
    inquiries: InquiriesClient
    chat: ChatClient
    transcripts: TranscriptsClient
    surveys: SurveysClient
    history: HistoryReader
    bus: Bus
    listener: Listener
    fanout: Fanout
    commands: Commands
    assets: Assets
    limits: Limits


def bootstrap(chosen: Settings | None = None) -> Context:
    """Everything, put together and not yet connected: ``Lifecycle`` does that, in the process that serves."""
    chosen = chosen or settings.read(Settings)
    logs.configure(SERVICE, chosen.log_level)
    issuer = TokenIssuer(SERVICE, chosen.service_key.get_secret_value())

    def service(name: str, url: str) -> ServiceClient:
        return ServiceClient(url, audience=name, issuer=issuer)

    at_accounts = service("accounts", chosen.accounts_url)
    accounts = AccountsClient(
        at_accounts,
        introspection_cache=chosen.introspection_cache,
        site_cache=chosen.site_cache,
    )
    openings = Openings(chosen.service_key.get_secret_value())
    chat = ChatClient(
        service("chat", chosen.chat_url), introspection_cache=chosen.introspection_cache, openings=openings
    )
    transcripts = TranscriptsClient(service("transcripts", chosen.transcripts_url))
    surveys = SurveysClient(service("surveys", chosen.surveys_url), site_cache=chosen.site_cache)
    return _on_the_bus(
        chosen,
        openings=openings,
        accounts=accounts,
        account=AccountClient(at_accounts),
        identity=IdentityClient(at_accounts),
        policy=PolicyClient(at_accounts),
        staff=StaffClient(at_accounts, introspection_cache=chosen.introspection_cache),
        audit=AuditClient(at_accounts),
        disclosures=DisclosuresClient(at_accounts),
        inquiries=InquiriesClient(at_accounts),
        chat=chat,
        transcripts=transcripts,
        surveys=surveys,
    )


def check() -> None:
    """End the process if its settings are wrong, or chat has another number of partitions.

    If chat does not answer, the gateway starts all the same: should the number be wrong, no queue takes its commands.
    """
    chosen = settings.read(Settings)
    logs.configure(SERVICE, chosen.log_level)
    issuer = TokenIssuer(SERVICE, chosen.service_key.get_secret_value())
    service = ServiceClient(chosen.chat_url, audience="chat", issuer=issuer)
    try:
        in_force = ChatClient(service, introspection_cache=0, openings=Openings("")).partitions()
    except (ServiceUnavailable, RemoteProblem):
        log.warning("chat does not tell the number of partitions", ours=chosen.partitions)
        return
    finally:
        service.close()
    if in_force != chosen.partitions:
        sys.stderr.write(
            f"VELARO_PARTITIONS is {chosen.partitions}, but chat has {in_force}: set it to {in_force}, "
            f"or change the number with `python -m services.chat repartition {chosen.partitions}` first.\n"
        )
        raise SystemExit(settings.EX_CONFIG)


def _on_the_bus(
    chosen: Settings,
    *,
    openings: Openings,
    accounts: AccountsClient,
    account: AccountClient,
    identity: IdentityClient,
    policy: PolicyClient,
    staff: StaffClient,
    audit: AuditClient,
    disclosures: DisclosuresClient,
    inquiries: InquiriesClient,
    chat: ChatClient,
    transcripts: TranscriptsClient,
    surveys: SurveysClient,
) -> Context:
    url = chosen.amqp_url.get_secret_value()
    bus = Bus(url, service=SERVICE, timeout=chosen.answer_timeout)
    fanout = Fanout(
        forget_session=accounts.forget_session,
        forget_visitor=chat.forget_visitor,
        queued=chat.queued,
        spawn=gevent.spawn,
        now=time.monotonic(),
        summary_interval=chosen.summary_interval,
        summary_frames_per_second=chosen.summary_frames_per_second,
    )
    listener = Listener(
        url, service=SERVICE, on_event=fanout.hear, on_signal=fanout.hear_signal, on_recovered=fanout.recover
    )
    fanout.attach(listener)
    commands = Commands(bus=bus, fanout=fanout, partitions=chosen.partitions, timeout=chosen.answer_timeout)
    return Context(
        settings=chosen,
        tickets=Tickets(SERVICE, chosen.service_key.get_secret_value()),
        openings=openings,
        accounts=accounts,
        account=account,
        identity=identity,
        policy=policy,
        staff=staff,
        audit=audit,
        disclosures=disclosures,
        inquiries=inquiries,
        chat=chat,
        transcripts=transcripts,
        surveys=surveys,
        history=HistoryReader(chat=chat, transcripts=transcripts, accounts=accounts, audit=audit),
        bus=bus,
        listener=listener,
        fanout=fanout,
        commands=commands,
        assets=Assets(chosen.web_dist),
        limits=Limits.of(chosen),
    )


def context() -> Context:
    """What bootstrap made, for the request being answered; for routes alone."""
    found: Context = current_app.extensions[SERVICE]
    return found
