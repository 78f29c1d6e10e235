"""Commands and things of chat as tests need them: everything has a default, everything can be said."""

from datetime import UTC, datetime
from typing import Any

from chassis.clock import now
from chassis.ids import new_id
from contracts.chat import (
    AcceptConversation,
    AcknowledgePolicy,
    Capture,
    CloseConversation,
    DropLog,
    OpenConversation,
    Page,
    PostMessage,
    Sender,
)
from services.chat.model import Conversation, Message, Visit, Visitor, token_hash

CUSTOMER = "customer-1"
CONVERSATION = "conversation-1"
VISITOR = Sender(kind="visitor", id="visitor-1", name="Ann")
OPERATOR = Sender(kind="operator", id="operator-1", name="Otto")
OTHER_OPERATOR = Sender(kind="operator", id="operator-2", name="Olga")
NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def _with(defaults: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    return {"customer_id": CUSTOMER, "conversation_id": CONVERSATION, "command_id": new_id()} | defaults | given


def an_opening(**given: Any) -> OpenConversation:
    defaults = {
        "site_id": "site-1",
        "visitor_id": VISITOR.id,
        "visit_id": "visit-1",
        "visitor_name": VISITOR.name,
        "acknowledged_policy_version": "1",
        "sent_at": now(),
    }
    return OpenConversation(**_with(defaults, given))


def a_post(text: str = "Hello", **given: Any) -> PostMessage:
    defaults = {"client_id": new_id(), "sender": VISITOR, "text": text}
    return PostMessage(**_with(defaults, given))


def an_acceptance(by: Sender = OPERATOR, **given: Any) -> AcceptConversation:
    return AcceptConversation(**_with({"operator_id": by.id, "operator_name": by.name}, given))


def an_acknowledgement(version: str = "2", **given: Any) -> AcknowledgePolicy:
    return AcknowledgePolicy(**_with({"visitor_id": VISITOR.id, "version": version}, given))


def a_closing(by: Sender = OPERATOR, **given: Any) -> CloseConversation:
    return CloseConversation(**_with({"closed_by": by}, given))


def a_dropping(**given: Any) -> DropLog:
    return DropLog(**_with({}, given))


def a_conversation(**given: Any) -> Conversation:
    defaults: dict[str, Any] = {
        "customer_id": CUSTOMER,
        "conversation_id": CONVERSATION,
        "site_id": "site-1",
        "visitor_id": VISITOR.id,
        "visitor_name": VISITOR.name,
        "department": None,
        "acknowledged_policy_version": "1",
        "capture": Capture(),
        "opened_at": NOON,
        "opened_by_command": "opening",
    }
    return Conversation(**defaults | given)


def a_message(seq: int, **given: Any) -> Message:
    defaults: dict[str, Any] = {
        "customer_id": CUSTOMER,
        "conversation_id": CONVERSATION,
        "seq": seq,
        "message_id": new_id(),
        "client_id": new_id(),
        "sender": VISITOR,
        "text": f"message {seq}",
        "sent_at": NOON,
    }
    return Message(**defaults | given)


def a_visitor(**given: Any) -> Visitor:
    defaults: dict[str, Any] = {
        "customer_id": CUSTOMER,
        "visitor_id": VISITOR.id,
        "site_id": "site-1",
        "name": VISITOR.name,
        "token_hash": token_hash("secret"),
        "created_at": NOON,
    }
    return Visitor(**defaults | given)


def a_visit(**given: Any) -> Visit:
    defaults: dict[str, Any] = {
        "customer_id": CUSTOMER,
        "visit_id": "visit-1",
        "visitor_id": VISITOR.id,
        "site_id": "site-1",
        "ip": "192.0.2.7",
        "user_agent": "Mozilla/5.0",
        "language": "de",
        "pages": (Page(url="https://shop.example/"),),
        "started_at": NOON,
        "seen_at": NOON,
    }
    return Visit(**defaults | given)
