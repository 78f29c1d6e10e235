"""Conversations as transcripts hears of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from chassis.ids import new_id
from contracts.chat import (
    Capture,
    ConversationAccepted,
    ConversationClosed,
    ConversationOpened,
    MessagePosted,
    Page,
    Sender,
)
from contracts.digest import digest_of
from contracts.payload import Event
from contracts.surveys import Answer, ResponseRecorded

BEGINNING = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)


class Dialogue:
    """One conversation between Vera, a visitor, and Otto, an operator: the events it would make."""

    def __init__(
        self,
        texts: Sequence[str] = ("Hello", "Hello, how can I help?", "My parcel is late"),
        *,
        customer_id: str = "acme",
        began_at: datetime = BEGINNING,
    ) -> None:
        self.customer_id = customer_id
        self.conversation_id = new_id()
        self.visitor_id = new_id()
        self.began_at = began_at
        self.visitor = Sender(kind="visitor", id=self.visitor_id, name="Vera")
        self.operator = Sender(kind="operator", id="otto", name="Otto")
        self.messages = [self._posted(seq, text) for seq, text in enumerate(texts, start=1)]

    @property
    def opened(self) -> ConversationOpened:
        return ConversationOpened(
            customer_id=self.customer_id,
            conversation_id=self.conversation_id,
            caused_by="open",
            site_id="site",
            visitor_id=self.visitor_id,
            visitor_name="Vera",
            acknowledged_policy_version="2026-01",
            capture=Capture(
                ip="203.0.113.9",
                user_agent=CHROME,
                language="de-AT",
                page=Page(url="https://shop.example/basket", title="Basket", referrer="https://shop.example/"),
            ),
            opened_at=self.began_at,
        )

    @property
    def accepted(self) -> ConversationAccepted:
        return ConversationAccepted(
            customer_id=self.customer_id,
            conversation_id=self.conversation_id,
            caused_by="accept",
            site_id="site",
            visitor_id=self.visitor_id,
            operator_id="otto",
            operator_name="Otto",
            accepted_at=self.began_at + timedelta(seconds=30),
        )

    @property
    def closed(self) -> ConversationClosed:
        return ConversationClosed(
            customer_id=self.customer_id,
            conversation_id=self.conversation_id,
            caused_by="close",
            site_id="site",
            visitor_id=self.visitor_id,
            closed_by=self.operator,
            closed_at=self.began_at + timedelta(minutes=10),
            last_seq=len(self.messages),
            digest=digest_of(self.messages),
        )

    @property
    def response(self) -> ResponseRecorded:
        answers = (Answer(question_id="email", label="Your e-mail", kind="email", value="vera@example.org"),)
        return ResponseRecorded(
            customer_id=self.customer_id,
            response_id=f"response to {self.conversation_id}",
            survey_id="survey",
            survey_version=3,
            site_id="site",
            conversation_id=self.conversation_id,
            answers=answers,
            answered_at=self.began_at,
        )

    @property
    def events(self) -> list[Event]:
        """All of them, in the order in which they happened."""
        return [self.response, self.opened, self.accepted, *self.messages, self.closed]

    def with_other_words(self, seq: int, text: str) -> MessagePosted:
        """What one of the messages must not become."""
        return msgspec.structs.replace(self.messages[seq - 1], text=text)

    def _posted(self, seq: int, text: str) -> MessagePosted:
        return MessagePosted(
            customer_id=self.customer_id,
            conversation_id=self.conversation_id,
            caused_by=f"post {seq}",
            visitor_id=self.visitor_id,
            operator_id="otto",
            seq=seq,
            message_id=new_id(),
            client_id=new_id(),
            sender=self.visitor if seq % 2 else self.operator,
            text=text,
            sent_at=self.began_at + timedelta(seconds=seq),
        )


def shown(message: MessagePosted) -> dict[str, object]:
    """A message as chat and transcripts show it over HTTP."""
    fields = ("seq", "message_id", "client_id", "sender", "text", "sent_at")
    document = msgspec.to_builtins(message)
    return {field: document[field] for field in fields}
