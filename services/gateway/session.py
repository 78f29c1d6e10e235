"""What one socket's client may say, and what it is told: frames in, commands out; events in, frames out."""

import inspect
import random
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar, cast

import gevent
import gevent.lock
import structlog
from gevent.event import AsyncResult
from prometheus_client import Counter

from chassis.auth import Caller
from chassis.bus import Bus
from chassis.clock import now
from chassis.http import RemoteProblem
from chassis.ids import new_id
from chassis.problems import Unavailable
from contracts.chat import CommandRejected, ConversationEvent, MessagePosted, PostMessage, Sender
from services.gateway import frames
from services.gateway.clients import (
    AccountsClient,
    ChatClient,
    Credential,
    History,
    HistoryReader,
    OutOfReach,
    PolicyClient,
    StoredMessage,
)
from services.gateway.closings import Closing
from services.gateway.commands import Commands
from services.gateway.connection import OUTBOX_FRAMES, Connection
from services.gateway.fanout import Fanout, message_frame
from services.gateway.rates import TokenBucket
from services.gateway.settings import Settings
from services.gateway.tickets import Tickets
from services.gateway.turns import Turns
from services.gateway.views import View

T = TypeVar("T")
log = structlog.get_logger(__name__)

AUTH_SECONDS = 5.0
BIND_SECONDS = 5.0
RECHECK_SPREAD = 10.0
RECHECK_SECONDS = 60.0
SYNC_GRACE = 1.0
CHUNK_BYTES = 64 * 1024
MOST_VIEWS = 1_000
CATCH_UP_ATTEMPTS = 8
SPEAKING_ROLES = frozenset({"visitor", "operator", "admin", "owner"})
# Beyond these, a client is not clumsy but hostile.
REFUSALS_PER_SECOND, REFUSALS_AT_ONCE = 20.0, 200.0
MALFORMED_PER_SECOND, MALFORMED_AT_ONCE = 0.2, 10.0

_catch_ups = Counter("velaro_gateway_catch_ups", "Times that messages were fetched for a socket.")


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What all sessions of a process work with."""

    settings: Settings
    tickets: Tickets
    accounts: AccountsClient
    policy: PolicyClient
    chat: ChatClient
    history: HistoryReader
    commands: Commands
    bus: Bus
    fanout: Fanout
    catching_up: gevent.lock.BoundedSemaphore


class Session:
    """One socket."""

    def __init__(self, connection: Connection, surroundings: Surroundings) -> None:
        began = time.monotonic()
        settings = surroundings.settings
        self.customer_id = self.kind = self.subject = ""
        self.session_id: str | None = None
        self.views: dict[str, View] = {}
        self.beat: int | None = None
        self._connection = connection
        self._here = surroundings
        self._caller = Caller(service="gateway", role="public")
        self._self = frames.Party(kind="visitor", id="", name="")
        self._early: list[bytes] | None = []
        # How the conversations stand as ``ready`` says it; None as soon as that may be outdated.
        self._stood: dict[str, frames.Status] | None = {}
        self._expires_at = began + settings.socket_lifetime * random.uniform(0.9, 1.1)  # noqa: S311
        self._recheck_at = began + RECHECK_SECONDS
        self._turns = Turns(
            commands=surroundings.commands,
            fanout=surroundings.fanout,
            answered=self._answered,
            given_up=partial(self.close, Closing.NOT_ANSWERED),
        )
        self._rate = TokenBucket(settings.messages_per_second, settings.message_burst, now=began)
        self._refusals = TokenBucket(REFUSALS_PER_SECOND, REFUSALS_AT_ONCE, now=began)
        self._malformed = TokenBucket(MALFORMED_PER_SECOND, MALFORMED_AT_ONCE, now=began)

    def run(self, *, on_authenticated: Callable[[], None]) -> None:
        """Serve the client until it is gone."""
        try:
            self._connection.open()
            texts = self._connection.texts()
            if ticket := self._shown(texts):
                self._take_part(texts, ticket, on_authenticated)
            for _ in texts:
                # What a client says after the end is not heard, but its own goodbye is awaited.
                continue
        except OSError:
            # The client is gone, which it may be at any time.
            return
        except Exception:  # the outermost loop: the server above would write an HTTP error into the socket
            log.exception("session failed")
            self.close(Closing.FAILED)
        finally:
            self._connection.over()

    def _shown(self, texts: Iterator[str]) -> str | None:
        """The ticket that the client shows first; from here on the session is of whom it admits, if it still does."""
        timer = gevent.spawn_later(AUTH_SECONDS, self.close, Closing.NOT_AUTHENTICATED)
        ticket = _ticket_in(next(texts, ""))
        timer.kill(block=False)
        caller = _aside(partial(self._here.tickets.read, ticket)) if ticket else None
        if caller is None or self._connection.is_closing:
            self.close(Closing.NOT_AUTHENTICATED)
            return None
        self._caller = caller
        self.customer_id, self.subject = caller.customer_id or "", caller.subject or ""
        self.session_id = caller.session_id
        kind: Literal["visitor", "operator"] = "visitor" if caller.role == "visitor" else "operator"
        self.kind = kind
        self._self = frames.Party(kind=kind, id=self.subject, name=caller.name)
        return ticket

    def _take_part(self, texts: Iterator[str], ticket: str, on_authenticated: Callable[[], None]) -> None:
        if self._here.fanout.sockets_of(self.customer_id, self.kind, self.subject) >= self._most_sockets():
            self.close(Closing.TOO_MANY_OF_PERSON)
            return
        try:
            self._here.fanout.add(self, BIND_SECONDS)
        except Unavailable:
            self.close(Closing.NOT_LISTENING)
            return
        try:
            # We hear the bus already: what arrives meanwhile is held, so nothing falls between list and socket.
            standings = self._admitted(ticket)
            if standings is not None:
                on_authenticated()
                self._get_ready(standings)
                for text in texts:
                    self._take(text)
        finally:
            self._connection.is_closing = True
            self._turns.stop()
            self._here.fanout.remove(self)

    def _most_sockets(self) -> int:
        settings = self._here.settings
        return settings.sockets_per_visitor if self.kind == "visitor" else settings.sockets_per_operator

    def _admitted(self, ticket: str) -> list[frames.Standing] | None:
        """How the client's conversations stand; None if the ticket admits nobody, who is told why."""
        try:
            standings = self._here.chat.admit(ticket)
            if standings is None or not self._is_session_live():
                self.close(Closing.NOT_AUTHENTICATED)
                return None
            if self.kind == "visitor":
                # So that what each of their messages needs is known before there is one.
                _aside(self._here.policy.recent)
        except (Unavailable, RemoteProblem):
            self.close(Closing.NOT_ADMITTED)
            return None
        return standings

    def _is_session_live(self) -> bool:
        """Whether an operator is still signed in; if that ends from now on, we are told."""
        return self.session_id is None or self._is_good(_aside(partial(self._here.accounts.current, self._caller)))

    def _is_good(self, credential: Credential | None) -> bool:
        """Whether the operator is still who the ticket says, and until when at most."""
        if credential is None or credential.role != self._caller.role:
            return False
        if credential.expires_at is not None:
            left = (credential.expires_at - now()).total_seconds()
            self._expires_at = min(self._expires_at, time.monotonic() + left)
        return True

    def _get_ready(self, standings: list[frames.Standing]) -> None:
        for standing in standings:
            self.join(standing.conversation_id, is_party=True)
            self.views[standing.conversation_id].start_after(standing.last_seq)
        if self._stood is not None:
            self._stood = {standing.conversation_id: standing.status for standing in standings}
        early, self._early = self._early or [], None
        self.send(frames.encode(frames.Ready(conversations=standings)))
        for data in early:
            self.send(data)
        # Most clients ask for what they missed with their next frame. What is live would overtake the answer.
        over = {standing.conversation_id for standing in standings if standing.status == "closed"}
        gevent.spawn_later(SYNC_GRACE, self._go_on, over)

    def _go_on(self, over: Collection[str]) -> None:
        """What the client has not asked for by now goes on without, but nothing is kept of what was ``over`` before."""
        self._stood = None
        for conversation_id, view in tuple(self.views.items()):
            if not view.is_paused:
                continue
            if conversation_id in over:
                # Who comes often has hundreds of them, and looks at one at most: who looks later, syncs.
                self._leave(conversation_id)
            else:
                self._resume(conversation_id, view)

    def _take(self, text: str) -> None:
        if not self._rate.take(self._connection.heard_at):
            self._too_fast(text)
            return
        try:
            frame = frames.decode(text)
        except frames.Malformed as error:
            self._reject(error.client_id, "malformed")
            if not self._malformed.take(self._connection.heard_at):
                self.close(Closing.TOO_MANY_MALFORMED)
            return
        match frame:
            case frames.Say():
                self._say(frame)
            case frames.Sync():
                self._sync(frame)
            case frames.TypingSignal():
                self._signal(frame.conversation_id, "typing", 0)
            case frames.ReadSignal():
                self._signal(frame.conversation_id, "read", frame.seq)
            case frames.Auth():
                self._reject(None, "malformed")

    def _too_fast(self, text: str) -> None:
        self._reject(frames.client_id_in(text), "too-fast")
        if not self._refusals.take(self._connection.heard_at):
            self.close(Closing.TOO_MANY_FRAMES)

    def _reject(self, client_id: str | None, code: str, detail: str = "", **names: str) -> None:
        detail = detail or frames.REJECTIONS[code]
        self.send(frames.encode(frames.Rejected(client_id=client_id, code=code, detail=detail, **names)))

    def _say(self, frame: frames.Say) -> None:
        if self._caller.role not in SPEAKING_ROLES:
            self._reject(frame.client_id, "forbidden", conversation_id=frame.conversation_id)
            return
        view = self._view(frame.conversation_id, frame.client_id)
        if view is None:
            return
        if view.is_paused:
            self._resume(frame.conversation_id, view)
        command = PostMessage(
            command_id=new_id(),
            customer_id=self.customer_id,
            conversation_id=frame.conversation_id,
            client_id=frame.client_id,
            sender=Sender(kind=self._self.kind, id=self._self.id, name=self._self.name),
            text=frame.text,
            policy_version=self._here.policy.version_in_force() if self.kind == "visitor" else None,
        )
        self._turns.take(command)
        while self._turns.is_full(frame.conversation_id) and not self._connection.is_closing:
            # Not reading on holds the client back.
            gevent.sleep(0.01)

    def _answered(self, client_id: str, event: ConversationEvent) -> None:
        if isinstance(event, CommandRejected):
            self._reject(client_id, event.code, event.detail, conversation_id=event.conversation_id)
        elif isinstance(event, MessagePosted):
            view = self.views.get(event.conversation_id)
            if view and event.seq <= view.last_seq and not view.has_shown(event.seq):
                # Said again, and stored the first time: the client asks for the echo that it missed.
                self.send(frames.encode(message_frame(event)))

    def _sync(self, frame: frames.Sync) -> None:
        view = self._view(frame.conversation_id, None)
        if view is None:
            return
        view.is_state_wanted = True
        status = (self._stood or {}).get(frame.conversation_id)
        if status and view.is_paused and frame.after == view.last_seq:
            # The client has all that there was when it came, a moment ago: nobody needs to be asked.
            self._resume(frame.conversation_id, view)
            self._tell_standing(frame.conversation_id, view, status)
        elif view.catch_up_from(frame.after):
            gevent.spawn(self._catch_up, frame.conversation_id, view)

    def _signal(self, conversation_id: str, kind: Literal["typing", "read"], seq: int) -> None:
        view = self.views.get(conversation_id)
        if view is None or not view.is_party:
            return
        signal = frames.Signal(kind=kind, conversation_id=conversation_id, sender=self._self, seq=seq)
        self._here.bus.signal(self.customer_id, frames.encode_signal(signal))

    def _view(self, conversation_id: str, client_id: str | None) -> View | None:
        """The view of a conversation that the client may see; a rejection otherwise."""
        view = self.views.get(conversation_id)
        if view is not None:
            return view
        try:
            state = self._here.chat.state(self._caller, conversation_id)
        except (Unavailable, RemoteProblem):
            self._reject(client_id, "unavailable", conversation_id=conversation_id)
            return None
        if state is None:
            self._reject(client_id, "not-found", conversation_id=conversation_id)
            return None
        is_own = self.kind == "visitor" or (state.operator is not None and state.operator.id == self.subject)
        self.join(conversation_id, is_party=is_own)
        view = self.views[conversation_id]
        view.start_after(state.last_seq)
        return view

    def join(self, conversation_id: str, *, is_party: bool) -> None:
        """From now on the socket is owed the messages of the conversation."""
        view = self.views.get(conversation_id)
        if view is not None:
            view.is_party = view.is_party or is_party
            return
        if len(self.views) >= MOST_VIEWS:
            self._forget_oldest()
        view = self.views[conversation_id] = View(is_party=is_party)
        if self._early is not None:
            view.pause()
        self._here.fanout.join(self, conversation_id)

    def _forget_oldest(self) -> None:
        looked_at = [cid for cid, view in self.views.items() if not view.is_catching_up]
        conversation_id = next((cid for cid in looked_at if not self.views[cid].is_party), looked_at[0])
        self._leave(conversation_id)

    def is_party(self, conversation_id: str) -> bool:
        """Whether the person takes part in the conversation, and does not only look on."""
        view = self.views.get(conversation_id)
        return view is not None and view.is_party

    def offer(self, conversation_id: str, seq: int, data: bytes) -> None:
        """Message ``seq`` is there: send it if it is its turn, and see to it that its turn comes."""
        view = self.views.get(conversation_id)
        if view is None:
            return
        was_catching_up = view.is_catching_up
        if ready := view.offer(seq, data):
            self.send(ready)
        elif view.is_catching_up and not was_catching_up:
            gevent.spawn(self._catch_up, conversation_id, view)

    def conclude(self, conversation_id: str, last_seq: int) -> None:
        """The conversation ends with message ``last_seq``: fetch what did not arrive."""
        view = self.views.get(conversation_id)
        if view is None:
            return
        view.is_over = True
        if last_seq > view.last_seq:
            view.known_seq = max(view.known_seq, last_seq)
            self._fetch_missing(conversation_id, view)
        else:
            self._let_go(conversation_id, view)

    def _let_go(self, conversation_id: str, view: View) -> None:
        """Nothing more comes of what is over. An operator's window is open all day; who looks again, syncs."""
        if self.kind == "operator" and view.is_over and not view.is_catching_up:
            self._leave(conversation_id)

    def _leave(self, conversation_id: str) -> None:
        del self.views[conversation_id]
        self._here.fanout.leave(self, conversation_id)

    def forget(self, conversation_id: str) -> None:
        """The conversation is erased: there is nothing of it to show, and nothing to catch up with."""
        view = self.views.get(conversation_id)
        if view is not None:
            view.held = None
            self._turns.forget(conversation_id)
            self._leave(conversation_id)

    def recover(self) -> None:
        """Anything may have been missed."""
        self._turns.recover()
        for conversation_id, view in tuple(self.views.items()):
            view.is_state_wanted = True
            self._fetch_missing(conversation_id, view)

    def _fetch_missing(self, conversation_id: str, view: View) -> None:
        if view.fetch_missing():
            gevent.spawn(self._catch_up, conversation_id, view)

    def recheck(self) -> None:
        """A revocation may have been missed: ask, soon, whether the session still lives."""
        gevent.spawn_later(random.uniform(0, RECHECK_SPREAD), self._check_session)  # noqa: S311

    def _check_session(self) -> None:
        if not self._connection.is_closing and not self._is_checked():
            # Nobody can say so now. A fresh ticket will tell.
            self._expires_at = min(self._expires_at, time.monotonic() + RECHECK_SPREAD)

    def _is_checked(self) -> bool:
        """Whether somebody could say if the session still lives. If it does not, the socket is closed."""
        try:
            is_good = self._is_good(self._here.accounts.current(self._caller))
        except (Unavailable, RemoteProblem):
            return False
        if not is_good:
            self.close(Closing.REVOKED)
        return True

    def ping(self, now: float) -> None:
        """Ask the client for a sign of life; a ticket is good for some hours only."""
        if now > self._expires_at:
            self.close(Closing.TICKET_IS_OLD)
            return
        self._connection.ping(now)
        if self.session_id is not None and now > self._recheck_at:
            self._recheck_at = now + RECHECK_SECONDS
            # That a session has run out, or that its operator has another role, no event tells.
            gevent.spawn(self._is_checked)

    def check_pong(self) -> None:
        """The ping was a while ago."""
        self._connection.check_pong()

    def send(self, data: bytes) -> None:
        """Send one or more encoded frames; before ``ready`` they wait."""
        if self._early is None:
            self._connection.send(data)
        elif len(self._early) < OUTBOX_FRAMES:
            self._early.append(data)
        else:
            self.close(Closing.TOO_MUCH_BEFORE_READY)

    def tell(self, data: bytes) -> None:
        """Send that a conversation is not as it was."""
        self._stood = None
        self.send(data)

    def close(self, why: Closing) -> None:
        """End the session: nothing that waits for its turn is sent any more."""
        self._turns.stop()
        self._connection.close(why)

    def _resume(self, conversation_id: str, view: View) -> None:
        if ready := view.release():
            self.send(ready)
        if view.is_catching_up:
            gevent.spawn(self._catch_up, conversation_id, view)
        else:
            self._let_go(conversation_id, view)

    def _catch_up(self, conversation_id: str, view: View) -> None:
        """Send what is missing, in order, page by page, while live messages wait."""
        _catch_ups.inc()
        fruitless = 0
        act_id = new_id()
        while view.is_catching_up and self._shows(conversation_id, view):
            before = view.begin_fetching()
            history = self._fetch(conversation_id, before, act_id)
            if view.restart_at is not None:
                continue
            if not self._shows(conversation_id, view):
                return
            if history is not None:
                self._show(conversation_id, view, history)
                if view.last_seq > before or not view.is_catching_up:
                    fruitless = 0
                    continue
            fruitless += 1
            if fruitless > CATCH_UP_ATTEMPTS:
                self.close(Closing.NO_HISTORY)
            gevent.sleep(0.05 * 2**fruitless)
        if self._shows(conversation_id, view):
            self._let_go(conversation_id, view)

    def _shows(self, conversation_id: str, view: View) -> bool:
        """Whether it is still shown: while one waited for something, it may have been erased."""
        return self.views.get(conversation_id) is view and not self._connection.is_closing

    def _fetch(self, conversation_id: str, after: int, act_id: str) -> History | None:
        with self._here.catching_up:
            try:
                return self._here.history.after(self._caller, conversation_id, after, act_id=act_id)
            except OutOfReach as error:
                self._refuse(conversation_id, error)
                return None
            except (Unavailable, RemoteProblem) as error:
                log.info("history not fetched", conversation_id=conversation_id, reason=type(error).__name__)
                return None

    def _refuse(self, conversation_id: str, error: OutOfReach) -> None:
        """What comes next is sealed, and not for this client: it is told so, and shown nothing more of it."""
        self._reject(None, "forbidden", inspect.getdoc(error) or "", conversation_id=conversation_id)
        if conversation_id in self.views:
            self._leave(conversation_id)

    def _show(self, conversation_id: str, view: View, history: History) -> None:
        if view.is_state_wanted:
            # A client may claim to have more than there is; it would then never get what comes.
            view.last_seq = min(view.last_seq, history.last_seq)
        view.known_seq = max(view.known_seq, history.last_seq)
        for chunk, last_seq in _chunks(conversation_id, view.last_seq, history):
            self._connection.await_room()
            if not self._shows(conversation_id, view):
                return
            self.send(chunk)
            view.shown_up_to(last_seq)
        if ready := view.release():
            self.send(ready)
        self._tell_standing(conversation_id, view, history.status)

    def _tell_standing(self, conversation_id: str, view: View, status: frames.Status) -> None:
        """The answer to a sync, when all there is has been shown."""
        if not view.is_catching_up and view.is_state_wanted:
            view.is_state_wanted = False
            state = frames.Conversation(conversation_id=conversation_id, status=status, last_seq=view.last_seq)
            self.send(frames.encode(state))


def _chunks(conversation_id: str, after: int, history: History) -> Iterator[tuple[bytes, int]]:
    """The messages as frames, a handful at a time, each with the seq of its last."""
    chunk: list[bytes] = []
    size = 0
    seq = after
    for message in history.messages:
        if message.seq != seq + 1:
            continue
        seq = message.seq
        chunk.append(frames.encode(_frame_of(conversation_id, message)))
        size += len(chunk[-1])
        if size >= CHUNK_BYTES:
            yield b"".join(chunk), seq
            chunk, size = [], 0
    if chunk:
        yield b"".join(chunk), seq


def _frame_of(conversation_id: str, message: StoredMessage) -> frames.Message:
    return frames.Message(
        conversation_id=conversation_id,
        seq=message.seq,
        message_id=message.message_id,
        client_id=message.client_id,
        sender=message.sender,
        text=message.text,
        sent_at=message.sent_at,
    )


def _aside(ask: Callable[[], T]) -> T:
    """What ``ask`` gives, asked on a stack of its own.

    The memory that Python's stack has once used it keeps for as long as its greenlet lives. A question over
    HTTP goes deep, and the greenlet of a socket lives for hours: an idle socket would cost 4 KiB more.
    """
    answer: AsyncResult[T] = AsyncResult()
    gevent.spawn(_answer, answer, ask)
    return cast("T", answer.get())


def _answer(answer: "AsyncResult[T]", ask: Callable[[], T]) -> None:
    try:
        answer.set(ask())
    except Exception as error:  # noqa: BLE001 - it is for whoever waits; gevent would print it
        answer.set_exception(error)


def _ticket_in(text: str) -> str | None:
    try:
        frame = frames.decode(text)
    except frames.Malformed:
        return None
    return frame.ticket if isinstance(frame, frames.Auth) else None
