"""Payloads to send about."""

from collections.abc import Sequence
from datetime import UTC, datetime

from chassis.bus import Bus
from contracts.chat import MessagePosted, PostMessage, Sender


def a_message(seq: int, *, customer_id: str = "acme", text: str = "Good day") -> MessagePosted:
    return MessagePosted(
        customer_id=customer_id,
        conversation_id="conversation-1",
        caused_by=f"command-{seq}",
        visitor_id="visitor-1",
        seq=seq,
        message_id=f"message-{seq}",
        client_id=f"client-{seq}",
        sender=Sender(kind="visitor", id="visitor-1", name="Visitor"),
        text=text,
        sent_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def a_command(number: int = 1) -> PostMessage:
    return PostMessage(
        customer_id="acme",
        command_id=f"command-{number}",
        conversation_id="conversation-1",
        client_id=f"client-{number}",
        sender=Sender(kind="visitor", id="visitor-1", name="Visitor"),
        text="Good day",
    )


def publish_each(bus: Bus, messages: Sequence[MessagePosted]) -> None:
    """Every message in a delivery of its own, all of them confirmed; no more at once than the bus takes."""
    for first in range(0, len(messages), 500):
        for published in [bus.publish(message) for message in messages[first : first + 500]]:
            published.result(20)
