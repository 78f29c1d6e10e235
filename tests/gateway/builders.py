"""Events, settings and whole gateways, with what a test does not care about filled in."""

from pathlib import Path
from typing import Any

from chassis.auth import TokenVerifier, new_key, public_keys
from chassis.clock import now
from contracts.accounts import SessionRevoked
from contracts.chat import (
    Capture,
    CommandRejected,
    ConversationAccepted,
    ConversationClosed,
    ConversationErased,
    ConversationOpened,
    MessagePosted,
    PolicyAcknowledged,
    Sender,
)
from services.gateway.assets import Assets
from services.gateway.bootstrap import Context, Limits
from services.gateway.clients import HistoryReader
from services.gateway.commands import Commands
from services.gateway.fanout import Fanout
from services.gateway.openings import Openings
from services.gateway.settings import Settings
from services.gateway.tickets import Tickets
from tests.gateway.fakes import (
    AnsweringBus,
    FakeAccount,
    FakeAccounts,
    FakeAudit,
    FakeChat,
    FakeDisclosures,
    FakeIdentity,
    FakeInquiries,
    FakeListener,
    FakePolicy,
    FakeStaff,
    FakeSurveys,
    FakeTranscripts,
)

NOW = now()
KEY = new_key("gateway")
COMMON: dict[str, Any] = {"customer_id": "customer-1", "conversation_id": "c-1", "caused_by": "command-1"}
VISITOR = Sender(kind="visitor", id="visitor-1", name="Visitor 1")
OPERATOR = Sender(kind="operator", id="operator-1", name="Olga")


def posted(seq: int = 1, **changes: Any) -> MessagePosted:
    values = {
        "visitor_id": "visitor-1",
        "operator_id": "operator-1",
        "seq": seq,
        "message_id": f"m-{seq}",
        "client_id": f"client-{seq}",
        "sender": VISITOR,
        "text": f"text {seq}",
        "sent_at": NOW,
    }
    return MessagePosted(**(COMMON | values | changes))


def opened(**changes: Any) -> ConversationOpened:
    values = {
        "site_id": "site-1",
        "visitor_id": "visitor-1",
        "visitor_name": "Visitor 1",
        "acknowledged_policy_version": "3",
        "capture": Capture(),
        "opened_at": NOW,
    }
    return ConversationOpened(**(COMMON | values | changes))


def accepted(**changes: Any) -> ConversationAccepted:
    values = {
        "site_id": "site-1",
        "visitor_id": "visitor-1",
        "operator_id": "operator-1",
        "operator_name": "Olga",
        "accepted_at": NOW,
    }
    return ConversationAccepted(**(COMMON | values | changes))


def closed(last_seq: int = 0, **changes: Any) -> ConversationClosed:
    values = {
        "site_id": "site-1",
        "visitor_id": "visitor-1",
        "closed_by": OPERATOR,
        "closed_at": NOW,
        "last_seq": last_seq,
        "digest": "",
    }
    return ConversationClosed(**(COMMON | values | changes))


def acknowledged(version: str = "3", **changes: Any) -> PolicyAcknowledged:
    values = {"site_id": "site-1", "visitor_id": "visitor-1", "version": version, "acknowledged_at": NOW}
    return PolicyAcknowledged(**(COMMON | values | changes))


def rejected(code: str, **changes: Any) -> CommandRejected:
    return CommandRejected(**(COMMON | {"code": code, "detail": "No."} | changes))


def erased(**changes: Any) -> ConversationErased:
    return ConversationErased(**(COMMON | {"erased_at": NOW} | changes))


def revoked(session_id: str, **changes: Any) -> SessionRevoked:
    values = {"customer_id": "customer-1", "operator_id": "operator-1", "session_id": session_id, "revoked_at": NOW}
    return SessionRevoked(**(values | changes))


def some_settings(**changes: Any) -> Settings:
    values: dict[str, Any] = {
        "amqp_url": "amqp://nobody@127.0.0.1:1/nowhere",
        "service_key": KEY,
        "service_keys": public_keys([KEY]),
        "public_url": "http://localhost:8080",
        "accounts_url": "http://127.0.0.1:1",
        "chat_url": "http://127.0.0.1:1",
        "transcripts_url": "http://127.0.0.1:1",
        "surveys_url": "http://127.0.0.1:1",
        "answer_timeout": 0.2,
        "web_dist": Path("/nowhere"),
    }
    return Settings(**(values | changes))


def a_context(**changes: Any) -> Context:
    """A gateway whose neighbours are fakes and whose bus answers as ``bus.answer`` says."""
    settings = some_settings(**changes)
    audit = FakeAudit()
    accounts, chat, transcripts = FakeAccounts(), FakeChat(TokenVerifier("chat", public_keys([KEY]))), FakeTranscripts()
    fanout = Fanout(
        forget_session=accounts.forget_session,
        forget_visitor=chat.forget_visitor,
        queued=chat.queued,
        spawn=lambda call, *of: call(*of),
        now=0.0,
    )
    listener, bus = FakeListener(), AnsweringBus()
    fanout.attach(listener)  # type: ignore[arg-type]
    bus.fanout = fanout
    commands = Commands(
        bus=bus,  # type: ignore[arg-type]
        fanout=fanout,
        partitions=settings.partitions,
        timeout=settings.answer_timeout,
    )
    fakes: dict[str, Any] = {
        "accounts": accounts,
        "account": FakeAccount(),
        "identity": FakeIdentity(),
        "policy": FakePolicy(),
        "staff": FakeStaff(),
        "audit": audit,
        "disclosures": FakeDisclosures(),
        "inquiries": FakeInquiries(),
        "chat": chat,
        "transcripts": transcripts,
        "surveys": FakeSurveys(),
        "listener": listener,
        "bus": bus,
    }
    return Context(
        settings=settings,
        tickets=Tickets("gateway", KEY),
        openings=Openings(KEY),
        history=HistoryReader(
            chat=chat,  # type: ignore[arg-type]
            transcripts=transcripts,  # type: ignore[arg-type]
            accounts=accounts,  # type: ignore[arg-type]
            audit=audit,  # type: ignore[arg-type]
        ),
        fanout=fanout,
        commands=commands,
        assets=Assets(settings.web_dist),
        limits=Limits.of(settings),
        **fakes,
    )
