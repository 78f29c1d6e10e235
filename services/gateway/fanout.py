"""Which sockets and waiting requests are here, and which events they are owed.

Everything here runs in one gevent hub: callbacks of the bus, sockets and requests never interleave
except where one of them waits, so there is no lock. Nothing here waits inside a callback of the bus.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Protocol

import msgspec
import structlog

from chassis.bus import Listener
from chassis.http import RemoteProblem
from chassis.problems import Unavailable
from contracts.accounts import SessionRevoked
from contracts.chat import (
    CommandRejected,
    ConversationAccepted,
    ConversationClosed,
    ConversationErased,
    ConversationEvent,
    ConversationOpened,
    MessagePosted,
    PolicyAcknowledged,
    Sender,
    VisitorErased,
)
from contracts.payload import Event
from services.gateway import frames
from services.gateway.clients import ConversationState
from services.gateway.closings import Closing

log = structlog.get_logger(__name__)

ANSWER_FORGOTTEN_AFTER = 60.0
UNBOUND_AFTER = 60.0
QUEUE_REFRESH_INTERVAL = 2.0
SUMMARIES_AT_ONCE = 200
SUMMARY_TEXT = 200
ANNOUNCED_KEPT = 10_000
"""Of how many conversations a process remembers how far they have got; those that were quiet longest are forgotten."""

Answer = Callable[[ConversationEvent], None]
Subject = tuple[str, str]


class NotListening(Unavailable):
    """The bus does not bring us this customer's events just now."""


class Views(Protocol):
    """What a socket shows: told apart by conversation."""

    def __contains__(self, conversation_id: object, /) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...


class Member(Protocol):
    """A socket, as far as it concerns who gets what."""

    customer_id: str
    kind: str
    subject: str
    session_id: str | None

    @property
    def views(self) -> Views: ...
    def join(self, conversation_id: str, *, is_party: bool) -> None: ...
    def is_party(self, conversation_id: str) -> bool: ...
    def offer(self, conversation_id: str, seq: int, data: bytes) -> None: ...
    def conclude(self, conversation_id: str, last_seq: int) -> None: ...
    def forget(self, conversation_id: str) -> None: ...
    def send(self, data: bytes) -> None: ...
    def tell(self, data: bytes) -> None: ...
    def recover(self) -> None: ...
    def recheck(self) -> None: ...
    def close(self, why: Closing) -> None: ...


class _Here:
    """What of one customer is in this process."""

    def __init__(self, binding: "Future[None]") -> None:
        self.binding = binding
        self.holds = 0
        self.idle_since = 0.0
        self.by_subject: dict[Subject, set[Member]] = {}
        self.operators: set[Member] = set()
        self.audience: dict[str, set[Member]] = {}
        self.watches: dict[str, set[threading.Event]] = {}
        self.summaries: dict[str, MessagePosted] = {}
        self.summaries_due = 0.0
        self.is_queue_changed = False
        self.queue_due = 0.0


class Fanout:
    """Hears the bus and hands on what the sockets and waiting requests of this process need."""

    def __init__(
        self,
        *,
        forget_session: Callable[[str], None],
        forget_visitor: Callable[[str], None],
        queued: Callable[[str], Iterable[ConversationState]],
        spawn: Callable[..., object],
        now: float,
        summary_interval: float = 1.0,
        summary_frames_per_second: float = 2_000,
    ) -> None:
        self._forget_session = forget_session
        self._forget_visitor = forget_visitor
        self._queued = queued
        self._spawn = spawn
        self._summary_interval = summary_interval
        self._summary_rate = summary_frames_per_second
        self._listener: Listener | None = None
        self._here: dict[str, _Here] = {}
        self._answers: dict[str, tuple[float, Answer]] = {}
        self._announced: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._now = now
        self.is_draining = False
        self._handlers: dict[type[Event], Callable[[_Here, Any], None]] = {
            MessagePosted: self._message_posted,
            CommandRejected: self._command_rejected,
            ConversationOpened: self._conversation_opened,
            ConversationAccepted: self._conversation_accepted,
            ConversationClosed: self._conversation_closed,
            PolicyAcknowledged: self._policy_acknowledged,
            ConversationErased: self._conversation_erased,
            SessionRevoked: self._session_revoked,
            VisitorErased: self._visitor_erased,
        }

    def attach(self, listener: Listener) -> None:
        """``listener`` is who brings the events; it is told which customers' we want."""
        self._listener = listener

    @contextmanager
    def listening(self, customer_id: str, timeout: float) -> Iterator[None]:
        """Inside, this customer's events arrive here. Raises ``NotListening``."""
        here = self._hold(customer_id)
        try:
            self._await_binding(customer_id, here, timeout)
            yield
        finally:
            self._release(here)

    def add(self, member: Member, timeout: float) -> None:
        """From here on ``member`` gets what it is owed. Raises ``NotListening``, and then it does not."""
        here = self._hold(member.customer_id)
        here.by_subject.setdefault((member.kind, member.subject), set()).add(member)
        if member.kind == "operator":
            here.operators.add(member)
        try:
            self._await_binding(member.customer_id, here, timeout)
        except NotListening:
            self.remove(member)
            raise

    def remove(self, member: Member) -> None:
        """``member`` is gone."""
        here = self._here[member.customer_id]
        _discard(here.by_subject, (member.kind, member.subject), member)
        here.operators.discard(member)
        for conversation_id in member.views:
            _discard(here.audience, conversation_id, member)
        self._release(here)

    def sockets_of(self, customer_id: str, kind: str, subject: str) -> int:
        """How many sockets somebody has here."""
        here = self._here.get(customer_id)
        return len(here.by_subject.get((kind, subject), ())) if here else 0

    def join(self, member: Member, conversation_id: str) -> None:
        """``member`` is owed every message of the conversation."""
        self._here[member.customer_id].audience.setdefault(conversation_id, set()).add(member)

    def leave(self, member: Member, conversation_id: str) -> None:
        """``member`` no longer shows the conversation."""
        _discard(self._here[member.customer_id].audience, conversation_id, member)

    def members_showing(self, customer_id: str, conversation_id: str) -> tuple[Member, ...]:
        """Who is owed the messages of a conversation."""
        here = self._here.get(customer_id)
        return tuple(here.audience.get(conversation_id, ())) if here else ()

    def operators_of(self, customer_id: str) -> tuple[Member, ...]:
        """The operators' sockets of a customer."""
        here = self._here.get(customer_id)
        return tuple(here.operators) if here else ()

    @contextmanager
    def watching(self, customer_id: str, conversation_id: str) -> Iterator[threading.Event]:
        """An event that is set when there is news of the conversation; the customer must be listened to."""
        here = self._here[customer_id]
        news = threading.Event()
        if self.is_draining:
            news.set()
        here.watches.setdefault(conversation_id, set()).add(news)
        try:
            yield news
        finally:
            _discard(here.watches, conversation_id, news)

    def stop_waiting(self) -> None:
        """Whoever waits for news answers now with what there is, and so does everybody after them."""
        self.is_draining = True
        self._wake_watchers()

    def _wake_watchers(self) -> None:
        for here in self._here.values():
            for waiting in here.watches.values():
                for news in waiting:
                    news.set()

    def expect_answer(self, command_id: str, answer: Answer) -> None:
        """``answer`` is called with the event that answers the command, once, if it comes within a minute."""
        self._answers[command_id] = (self._now + ANSWER_FORGOTTEN_AFTER, answer)

    def forget_answer(self, command_id: str) -> None:
        """Nobody waits for this command's answer any more."""
        self._answers.pop(command_id, None)

    def _hold(self, customer_id: str) -> _Here:
        here = self._here.get(customer_id)
        if here is None or (here.binding.done() and here.binding.exception()):
            binding = self._bind(customer_id)
            if here is None:
                here = self._here[customer_id] = _Here(binding)
            here.binding = binding
        here.holds += 1
        return here

    def _bind(self, customer_id: str) -> "Future[None]":
        if self._listener is None:
            raise NotListening(customer_id)
        return self._listener.bind(customer_id)

    def _await_binding(self, customer_id: str, here: _Here, timeout: float) -> None:
        try:
            here.binding.result(timeout)
        except Exception as error:  # whatever kept the bus from binding, the answer is the same: not now
            raise NotListening(customer_id) from error

    def _release(self, here: _Here) -> None:
        here.holds -= 1
        here.idle_since = self._now

    def hear(self, event: Event) -> None:
        """Hand ``event`` to everybody here whom it concerns."""
        here = self._here.get(event.customer_id)
        handler = self._handlers.get(type(event))
        if here is None or handler is None:
            return
        if isinstance(event, ConversationEvent):
            self._give_answer(event)
        handler(here, event)

    def hear_signal(self, customer_id: str, body: bytes) -> None:
        """Hand a signal to the other parties of its conversation."""
        try:
            signal = frames.decode_signal(body)
        except msgspec.DecodeError:
            log.warning("signal not understood", customer_id=customer_id)
            return
        data = frames.encode(_signal_frame(signal))
        for member in self.members_showing(customer_id, signal.conversation_id):
            is_sender = (member.kind, member.subject) == (signal.sender.kind, signal.sender.id)
            if not is_sender and member.is_party(signal.conversation_id):
                member.send(data)

    def recover(self) -> None:
        """The bus was away and events may be missing: every socket catches up, every waiting request looks again.

        A revocation may be among the missing, so it is asked whether the operators' sessions still live.
        """
        for here in self._here.values():
            for member in [member for members in here.by_subject.values() for member in members]:
                member.recover()
            for member in here.operators:
                member.recheck()
            here.is_queue_changed = True
        self._wake_watchers()

    def _give_answer(self, event: ConversationEvent) -> None:
        _, answer = self._answers.pop(event.caused_by, (0.0, None))
        if answer:
            answer(event)

    def _message_posted(self, here: _Here, event: MessagePosted) -> None:
        if self._note_announced(event, event.seq):
            self._take_news(here, event)
        self._offer(here, event)

    def _note_announced(self, event: ConversationEvent, seq: int) -> bool:
        """Remember it; whether it is news, for chat says a message again whenever its command comes again."""
        key = (event.customer_id, event.conversation_id)
        known = self._announced.get(key, 0)
        self._announced[key] = max(known, seq)
        self._announced.move_to_end(key)
        if len(self._announced) > ANNOUNCED_KEPT:
            self._announced.popitem(last=False)
        return seq > known

    def _take_news(self, here: _Here, event: MessagePosted) -> None:
        _seat(here, "visitor", event.visitor_id, event.conversation_id)
        if event.operator_id:
            _seat(here, "operator", event.operator_id, event.conversation_id)
        if here.operators:
            here.summaries[event.conversation_id] = event
        _tell_watchers(here, event.conversation_id)

    def _offer(self, here: _Here, event: MessagePosted) -> None:
        audience = here.audience.get(event.conversation_id)
        if audience:
            data = frames.encode(message_frame(event))
            for member in tuple(audience):
                member.offer(event.conversation_id, event.seq, data)

    def _command_rejected(self, here: _Here, event: CommandRejected) -> None:
        """Only who sent the command hears of it, and has."""

    def _policy_acknowledged(self, here: _Here, event: PolicyAcknowledged) -> None:
        """Only who acknowledged it waits to hear of it, and has."""

    def _conversation_opened(self, here: _Here, event: ConversationOpened) -> None:
        _seat(here, "visitor", event.visitor_id, event.conversation_id)
        frame = frames.Conversation(
            conversation_id=event.conversation_id,
            status="queued",
            visitor=frames.Person(id=event.visitor_id, name=event.visitor_name),
            site_id=event.site_id,
            department=event.department,
            opened_at=event.opened_at,
        )
        self._announce(here, frame)
        here.is_queue_changed = True

    def _conversation_accepted(self, here: _Here, event: ConversationAccepted) -> None:
        _seat(here, "visitor", event.visitor_id, event.conversation_id)
        _seat(here, "operator", event.operator_id, event.conversation_id)
        frame = frames.Conversation(
            conversation_id=event.conversation_id,
            status="active",
            operator=frames.Person(id=event.operator_id, name=event.operator_name),
            accepted_at=event.accepted_at,
        )
        self._announce(here, frame)
        here.is_queue_changed = True

    def _conversation_closed(self, here: _Here, event: ConversationClosed) -> None:
        # What is said again of it is no news either, and would have it shown anew where it was let go.
        self._note_announced(event, event.last_seq)
        frame = frames.Conversation(
            conversation_id=event.conversation_id,
            status="closed",
            last_seq=event.last_seq,
            closed_at=event.closed_at,
        )
        for member in tuple(here.audience.get(event.conversation_id, ())):
            member.conclude(event.conversation_id, event.last_seq)
        self._announce(here, frame)
        here.summaries.pop(event.conversation_id, None)
        here.is_queue_changed = True

    def _conversation_erased(self, here: _Here, event: ConversationErased) -> None:
        here.summaries.pop(event.conversation_id, None)
        self._announced.pop((event.customer_id, event.conversation_id), None)
        self._announce(here, frames.Conversation(conversation_id=event.conversation_id, status="erased"))
        for member in tuple(here.audience.get(event.conversation_id, ())):
            member.forget(event.conversation_id)
        here.is_queue_changed = True

    def _visitor_erased(self, here: _Here, event: VisitorErased) -> None:
        self._forget_visitor(event.visitor_id)
        for member in tuple(here.by_subject.get(("visitor", event.visitor_id), ())):
            member.close(Closing.REVOKED)

    def _session_revoked(self, here: _Here, event: SessionRevoked) -> None:
        self._forget_session(event.session_id)
        for member in tuple(here.by_subject.get(("operator", event.operator_id), ())):
            if member.session_id == event.session_id:
                member.close(Closing.REVOKED)

    def _announce(self, here: _Here, frame: frames.Conversation) -> None:
        data = frames.encode(frame)
        for member in here.operators | here.audience.get(frame.conversation_id, set()):
            member.tell(data)
        _tell_watchers(here, frame.conversation_id)

    def tick(self, now: float) -> None:
        """Called about once a second: what may wait until it is worth it, and what is no longer needed."""
        self._now = now
        self._forget_old_answers(now)
        for customer_id, here in list(self._here.items()):
            self._send_summaries(here, now)
            self._send_positions(customer_id, here, now)
            self._unbind_if_idle(customer_id, here, now)

    def _forget_old_answers(self, now: float) -> None:
        # Answers are registered in the order in which they expire.
        for command_id, (expires_at, _) in list(self._answers.items()):
            if expires_at > now:
                return
            del self._answers[command_id]

    def _send_summaries(self, here: _Here, now: float) -> None:
        if not here.summaries or now < here.summaries_due:
            return
        batch = list(here.summaries)[:SUMMARIES_AT_ONCE]
        encoded = {cid: frames.encode(_summary(here.summaries.pop(cid))) for cid in batch}
        for member in tuple(here.operators):
            if data := b"".join(data for cid, data in encoded.items() if cid not in member.views):
                member.send(data)
        # The more there is to say and the more there are to hear it, the rarer it is said.
        work = len(batch) * len(here.operators)
        here.summaries_due = now + max(self._summary_interval, work / self._summary_rate)

    def _send_positions(self, customer_id: str, here: _Here, now: float) -> None:
        if here.is_queue_changed and now >= here.queue_due and here.audience:
            here.is_queue_changed = False
            here.queue_due = now + QUEUE_REFRESH_INTERVAL
            self._spawn(self._tell_positions, customer_id)

    def _tell_positions(self, customer_id: str) -> None:
        try:
            queued = list(self._queued(customer_id))
        except (Unavailable, RemoteProblem) as error:
            log.info("queue not refreshed", customer_id=customer_id, reason=type(error).__name__)
            return
        for state in queued:
            showing = self.members_showing(customer_id, state.conversation_id)
            if showing and state.position is not None:
                data = frames.encode(_position(state.conversation_id, state.position))
                for member in showing:
                    member.send(data)

    def _unbind_if_idle(self, customer_id: str, here: _Here, now: float) -> None:
        if here.holds == 0 and now - here.idle_since > UNBOUND_AFTER and self._listener:
            del self._here[customer_id]
            self._listener.unbind(customer_id)


def message_frame(event: MessagePosted) -> frames.Message:
    """What the sockets are told of a message."""
    return frames.Message(
        conversation_id=event.conversation_id,
        seq=event.seq,
        message_id=event.message_id,
        client_id=event.client_id,
        sender=_party(event.sender),
        text=event.text,
        sent_at=event.sent_at,
    )


def _summary(event: MessagePosted) -> frames.Conversation:
    text = event.text[:SUMMARY_TEXT]
    return frames.Conversation(
        conversation_id=event.conversation_id,
        status="active" if event.operator_id else "queued",
        last_seq=event.seq,
        last_message=frames.LastMessage(seq=event.seq, sender=_party(event.sender), text=text, sent_at=event.sent_at),
    )


def _position(conversation_id: str, position: int) -> frames.Conversation:
    return frames.Conversation(conversation_id=conversation_id, status="queued", position=position)


def _signal_frame(signal: frames.Signal) -> frames.ServerFrame:
    if signal.kind == "read":
        return frames.Read(conversation_id=signal.conversation_id, sender=signal.sender, seq=signal.seq)
    return frames.Typing(conversation_id=signal.conversation_id, sender=signal.sender)


def _party(sender: Sender) -> frames.Party:
    return frames.Party(kind=sender.kind, id=sender.id, name=sender.name)


def _seat(here: _Here, kind: str, subject: str, conversation_id: str) -> None:
    """The sockets of a party take part from now on, wherever the conversation was opened or accepted."""
    for member in tuple(here.by_subject.get((kind, subject), ())):
        member.join(conversation_id, is_party=True)


def _tell_watchers(here: _Here, conversation_id: str) -> None:
    for news in here.watches.get(conversation_id, ()):
        news.set()


def _discard(index: dict[Any, Any], key: object, value: object) -> None:
    found = index.get(key)
    if found is not None:
        found.discard(value)
        if not found:
            del index[key]
