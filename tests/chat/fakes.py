"""The store as the relay sees it, in memory, held honest by ``test_store.py``; and processes that die when told to."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from services.chat.model import Conversation, ConversationKey, End, Head, Message, MessageKey, Visit, message_key
from services.chat.store import Fenced


class MemoryConversations:
    """Keeps conversations and the log with the same fences as the database."""

    def __init__(self) -> None:
        self.kept: dict[str, Conversation] = {}
        self.places: dict[tuple[str, int], Message | End] = {}
        self.clients: dict[tuple[str, str, str], Message | End] = {}

    def ensure_indexes(self) -> None:
        """Nothing to make."""

    def heads(self, customer_id: str, conversation_ids: Sequence[str]) -> dict[ConversationKey, Head]:
        found = (self.kept.get(conversation_id) for conversation_id in conversation_ids)
        return {
            (customer_id, conversation.conversation_id): self._head(conversation)
            for conversation in found
            if conversation and conversation.customer_id == customer_id
        }

    def _head(self, conversation: Conversation) -> Head:
        places = [seq for conversation_id, seq in self.places if conversation_id == conversation.conversation_id]
        if conversation.is_sealed or not places:
            return Head(conversation=conversation, last_seq=conversation.last_seq)
        top = self.places[conversation.conversation_id, max(places)]
        if isinstance(top, End):
            return Head(conversation=conversation, last_seq=top.seq - 1, end=top)
        return Head(conversation=conversation, last_seq=top.seq)

    def stored(self, keys: Iterable[MessageKey]) -> dict[MessageKey, Message]:
        found: dict[MessageKey, Message] = {}
        for key in keys:
            message = self.clients.get(key[1:])
            if isinstance(message, Message) and message_key(message) == key and message.text:
                found[key] = message
        return found

    def append(self, messages: Sequence[Message]) -> None:
        for stored, message in enumerate(messages):
            if (message.conversation_id, message.seq) in self.places:
                raise Fenced(stored, "seq")
            if message_key(message)[1:] in self.clients:
                raise Fenced(stored, "client_id")
            self.places[message.conversation_id, message.seq] = message
            self.clients[message_key(message)[1:]] = message

    def open(self, conversation: Conversation) -> bool:
        if conversation.conversation_id in self.kept:
            return False
        self.kept[conversation.conversation_id] = conversation
        return True

    def accept(self, conversation: Conversation) -> bool:
        stored = self.kept[conversation.conversation_id]
        if stored.status != "queued":
            return False
        self.kept[conversation.conversation_id] = conversation
        return True

    def end(self, end: End) -> bool:
        key = (end.conversation_id, end.closed_by.id, f"end:{end.closed_by_command}")
        if (end.conversation_id, end.seq) in self.places or key in self.clients:
            return False
        self.places[end.conversation_id, end.seq] = self.clients[key] = end
        return True

    def close(self, conversation: Conversation) -> bool:
        if self.kept[conversation.conversation_id].closed_at is not None:
            return False
        self.kept[conversation.conversation_id] = conversation
        return True

    def log(self, customer_id: str, conversation_id: str) -> Iterator[Message]:
        for (said_in, _), message in sorted(self.places.items(), key=lambda place: place[0]):
            if said_in == conversation_id and isinstance(message, Message) and message.text:
                assert message.customer_id == customer_id
                yield message

    def drop_log(self, customer_id: str, conversation_id: str, *, dropped_at: datetime) -> bool:
        conversation = self.kept.get(conversation_id)
        if conversation is None or conversation.customer_id != customer_id or conversation.closed_at is None:
            return False
        self.kept[conversation_id] = msgspec.structs.replace(conversation, is_sealed=True)
        for place, message in self.places.items():
            if place[0] == conversation_id and isinstance(message, Message):
                self.places[place] = self.clients[message_key(message)[1:]] = msgspec.structs.replace(message, text="")
        return True


class NoVisitors:
    """Nobody has been seen on any site."""

    def visit(self, customer_id: str, visit_id: str, *, visitor_id: str) -> Visit | None:
        return None

    def is_erased(self, customer_id: str, visitor_id: str) -> bool:
        return False


class Killed(BaseException):
    """The process dies here."""


class Mortal:
    """Passes every call on to ``target`` and dies at the call that ``fate`` says, before or after it is done."""

    def __init__(self, target: Any, fate: "Fate") -> None:
        self._target = target
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._target, name)
        return self._watched(member) if callable(member) else member

    def _watched(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            self._fate.step()
            result = call(*args, **kwargs)
            self._fate.step()
            return result

        return watched


def die() -> None:
    raise Killed


class Fate:
    """Counts the points at which a process could die or fall asleep, and at one of them has something happen."""

    def __init__(self, at: int | None = None, happening: Callable[[], object] = die) -> None:
        self.at = at
        self.steps = 0
        self._happening = happening

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.at:
            self._happening()
