"""Conversations and what may happen to them, visitors and visits: the rules, without database or broker.

The relay asks here what to do with a command, given what is stored, and carries out the answer.
Everything in this module is a function of its arguments, so a command that is decided twice on the
same facts is decided the same way.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

import msgspec

from contracts.chat import (
    REJECTION_CODES,
    TEXT_MAX_LENGTH,
    AcceptConversation,
    AcknowledgePolicy,
    Capture,
    CloseConversation,
    CommandRejected,
    ConversationAccepted,
    ConversationClosed,
    ConversationCommand,
    ConversationErased,
    ConversationOpened,
    ErasureReason,
    MessagePosted,
    OpenConversation,
    Page,
    PolicyAcknowledged,
    PostMessage,
    Sender,
)
from services.chat.consents import Consent

Status = Literal["queued", "active", "closed", "erased"]
Service = Literal["chat", "surveys", "transcripts"]

SERVICES: tuple[Service, ...] = ("chat", "transcripts", "surveys")
OF_VISITORS: tuple[Service, ...] = ("surveys",)
"""Who may hold something of a visitor that belongs to no conversation."""
"""Who holds something of a conversation, and gives a receipt when it is erased."""

VISIT_PAUSE = timedelta(minutes=30)
"""A visitor who loads the next page within this time is still on the same visit."""

PRESENCE_LASTS = timedelta(seconds=150)
"""Who has not looked at the lists for this long is not there: an open console looks once a minute at least."""

TRAIL_LENGTH = 50
"""How many of its latest pages a visit remembers."""

TRAIL_URL_LENGTH = 500
"""How much of an address the trail of a conversation keeps: fifty of them have to fit into one event."""


class ConversationNotFound(Exception):
    """No such conversation."""


class ConversationIsErased(ConversationNotFound):
    """The conversation is erased, and is nothing that may still come."""


class VisitorNotFound(Exception):
    """No such visitor."""


class UnlikeTheLog(Exception):
    """What was sealed is not what was said here."""


class UnderAge(Exception):
    """The token belonged to a visitor who was found to be under 18: nothing is collected from them again."""


class Refused(Exception):
    """A command that is not carried out; ``code`` is one of ``REJECTION_CODES``."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """A person on a customer's site, known by a secret token of which we keep only the hash."""

    customer_id: str
    visitor_id: str
    site_id: str
    name: str
    token_hash: str
    created_at: datetime


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One stay of a visitor on the site: what web technologies told, and the trail of its pages."""

    customer_id: str
    visit_id: str
    visitor_id: str
    site_id: str
    ip: str
    user_agent: str
    language: str
    pages: tuple[Page, ...]
    page_count: int = 0
    has_trail: bool = True
    started_at: datetime
    seen_at: datetime

    def trail(self) -> tuple[Page, ...]:
        """The pages as they go on the record."""
        if not self.has_trail:
            return ()
        return tuple(msgspec.structs.replace(page, url=page.url[:TRAIL_URL_LENGTH], referrer="") for page in self.pages)

    def capture(self) -> Capture:
        """What is known of the visitor when a conversation opens on the current page."""
        page = self.pages[-1] if self.pages else None
        return Capture(ip=self.ip, user_agent=self.user_agent, language=self.language, page=page)


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A visitor loads a page: what the gateway saw of it, already reduced to what the site captures."""

    site_id: str
    page: Page | None
    has_trail: bool = True
    ip: str
    user_agent: str
    language: str
    visitor_token: str | None = None
    cookie_secret: str | None = None


def began(arrival: Arrival, visitor: Visitor, *, visit_id: str, now: datetime) -> Visit:
    """A visit that begins with this arrival. Browsers may name anything: overlong names are cut, not refused."""
    return Visit(
        customer_id=visitor.customer_id,
        visit_id=visit_id,
        visitor_id=visitor.visitor_id,
        site_id=visitor.site_id,
        ip=arrival.ip[:64],
        user_agent=arrival.user_agent[:512],
        language=arrival.language[:64],
        pages=(_page(arrival.page, now),) if arrival.page else (),
        page_count=1,
        has_trail=arrival.has_trail,
        started_at=now,
        seen_at=now,
    )


def _page(page: Page, now: datetime) -> Page:
    return Page(url=page.url[:2048], title=page.title[:256], referrer=page.referrer[:2048], seen_at=now)


def new_token() -> str:
    """A visitor's secret: 256 random bits."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What is stored of a token. It has too much entropy for anybody to search, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def visitor_name(visitor_id: str) -> str:
    """What operators call a visitor who has not said their name: enough to tell two of them apart."""
    return f"Visitor {visitor_id.replace('-', '')[-4:].upper()}"


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """The operator who accepted a conversation."""

    id: str
    name: str


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation, and which commands made it what it is: a repeated command gets the same answer."""

    customer_id: str
    conversation_id: str
    site_id: str
    visitor_id: str
    visitor_name: str
    department: str | None
    acknowledged_policy_version: str
    capture: Capture
    opened_at: datetime
    opened_by_command: str
    visit_id: str = ""
    trail: tuple[Page, ...] = ()
    operator: Operator | None = None
    accepted_at: datetime | None = None
    accepted_by_command: str | None = None
    closed_at: datetime | None = None
    closed_by: Sender | None = None
    closed_by_command: str | None = None
    last_seq: int = 0
    digest: str = ""
    is_sealed: bool = False
    policy_acknowledged_at: datetime | None = None
    erased_at: datetime | None = None

    @property
    def status(self) -> Status:
        if self.erased_at is not None:
            return "erased"
        if self.closed_at is not None:
            return "closed"
        return "active" if self.operator else "queued"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What a person said, at its place in the conversation."""

    customer_id: str
    conversation_id: str
    seq: int
    message_id: str
    client_id: str
    sender: Sender
    text: str
    sent_at: datetime


class End(msgspec.Struct, frozen=True, kw_only=True):
    """The mark that takes the place after the last message, so that no late writer can add another."""

    customer_id: str
    conversation_id: str
    seq: int
    end_id: str
    closed_by: Sender
    closed_by_command: str
    closed_at: datetime


class Head(msgspec.Struct, kw_only=True):
    """Where a conversation stands: what the relay remembers of it between two commands."""

    conversation: Conversation
    last_seq: int
    end: End | None = None

    @property
    def is_open(self) -> bool:
        return self.end is None and self.conversation.status in ("queued", "active")


class Place(NamedTuple):
    """Where a page of a list ends, and the next begins."""

    opened_at: datetime
    conversation_id: str


class ConversationView(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation as it is shown: with its last message, if its log is here, and its place in the queue."""

    conversation: Conversation
    last_message: Message | None
    position: int | None

    @property
    def last_seq(self) -> int:
        return self.last_message.seq if self.last_message else self.conversation.last_seq


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How far a conversation has got."""

    conversation_id: str
    status: Status
    last_seq: int


class History(msgspec.Struct, frozen=True, kw_only=True):
    """A page of messages, and how far the conversation has got."""

    messages: tuple[Message, ...]
    last_seq: int
    status: Status
    is_sealed: bool


ConversationKey = tuple[str, str]
"""customer_id, conversation_id: one without the other finds nothing."""

MessageKey = tuple[str, str, str, str]
"""customer_id, conversation_id, sender's id, client_id: what makes two commands the same message."""


def conversation_key(command: ConversationCommand) -> ConversationKey:
    return command.customer_id, command.conversation_id


def message_key(said: PostMessage | Message) -> MessageKey:
    return said.customer_id, said.conversation_id, said.sender.id, said.client_id


class Posting(msgspec.Struct, frozen=True):
    """What is to be done about one ``PostMessage``: store the message, if any, then publish the answer."""

    command: PostMessage
    answer: MessagePosted | CommandRejected
    message: Message | None = None


def refusal_of(command: PostMessage, head: Head | None, *, seq: int, most_messages: int) -> str | None:
    """The code under which the command is refused that would get the place ``seq``, or None."""
    if head is None or _is_foreign(command.sender, head.conversation):
        return "not-found"
    if not head.is_open:
        return _ended_code(head)
    if not _is_party(command.sender, head.conversation):
        return "not-a-party"
    if command.policy_version is not None and not _covers(
        head.conversation.acknowledged_policy_version, command.policy_version
    ):
        return "policy-not-acknowledged"
    if not 1 <= len(command.text) <= TEXT_MAX_LENGTH:
        return "invalid"
    return "full" if seq > most_messages else None


def _ended_code(head: Head) -> str:
    return "erased" if head.conversation.erased_at else "not-open"


def plan_posts(
    commands: Iterable[PostMessage],
    heads: Mapping[ConversationKey, Head],
    stored: Mapping[MessageKey, Message],
    *,
    most_messages: int,
    sent_at: datetime,
    new_id: Callable[[], str],
) -> list[Posting]:
    """Give each new message the next ``seq`` of its conversation, and each repeated one the answer it had.

    ``heads`` are left as they are: they advance when the messages are stored.
    """
    known = dict(stored)
    last_seqs: dict[ConversationKey, int] = {}
    plan = []
    for command in commands:
        key = conversation_key(command)
        head = heads.get(key)
        said = known.get(message_key(command))
        if head is not None and said is not None:
            plan.append(Posting(command, message_posted(said, head.conversation, caused_by=command.command_id)))
            continue
        seq = last_seqs.get(key, head.last_seq if head else 0) + 1
        code = refusal_of(command, head, seq=seq, most_messages=most_messages)
        if head is None or code is not None:
            plan.append(Posting(command, command_rejected(command, code or "not-found")))
            continue
        last_seqs[key] = seq
        message = _message(command, head.conversation, seq, sent_at, new_id())
        known[message_key(command)] = message
        answer = message_posted(message, head.conversation, caused_by=command.command_id)
        plan.append(Posting(command, answer, message))
    return plan


def _message(command: PostMessage, conversation: Conversation, seq: int, sent_at: datetime, message_id: str) -> Message:
    is_visitor = command.sender.kind == "visitor"
    return Message(
        customer_id=command.customer_id,
        conversation_id=command.conversation_id,
        seq=seq,
        message_id=message_id,
        client_id=command.client_id,
        # The visitor is called what it asked to be called when it opened this conversation.
        sender=visitor_of(conversation) if is_visitor else command.sender,
        text=command.text,
        sent_at=sent_at,
    )


def visitor_of(conversation: Conversation) -> Sender:
    return Sender(kind="visitor", id=conversation.visitor_id, name=conversation.visitor_name)


def opened(command: OpenConversation, head: Head | None, *, capture: Capture, opened_at: datetime) -> Conversation:
    """The conversation as the command opens it, or as it already is when its visitor asks again."""
    if head is None:
        return Conversation(
            customer_id=command.customer_id,
            conversation_id=command.conversation_id,
            site_id=command.site_id,
            visitor_id=command.visitor_id,
            visitor_name=command.visitor_name,
            department=command.department,
            acknowledged_policy_version=command.acknowledged_policy_version,
            capture=capture,
            opened_at=opened_at,
            opened_by_command=command.command_id,
            visit_id=command.visit_id,
        )
    if head.conversation.visitor_id != command.visitor_id:
        raise Refused("not-found")
    return head.conversation


def first_message(command: OpenConversation, conversation: Conversation) -> PostMessage | None:
    """The visitor's opening words as a command of their own, known by the command that opened the conversation."""
    if command.text is None:
        return None
    return PostMessage(
        customer_id=command.customer_id,
        command_id=command.command_id,
        conversation_id=command.conversation_id,
        client_id=conversation.opened_by_command,
        sender=visitor_of(conversation),
        text=command.text,
    )


def accepted(command: AcceptConversation, head: Head | None, *, accepted_at: datetime) -> Conversation:
    """The conversation in the hands of the operator; unchanged when it is there already."""
    if head is None:
        raise Refused("not-found")
    conversation = head.conversation
    if conversation.accepted_by_command == command.command_id:
        return conversation
    if not head.is_open:
        raise Refused(_ended_code(head))
    if conversation.operator is None:
        return msgspec.structs.replace(
            conversation,
            operator=Operator(id=command.operator_id, name=command.operator_name),
            accepted_at=accepted_at,
            accepted_by_command=command.command_id,
        )
    if conversation.operator.id != command.operator_id:
        raise Refused("already-accepted")
    return conversation


def acknowledged(command: AcknowledgePolicy, head: Head | None, *, acknowledged_at: datetime) -> Conversation:
    """The conversation with the policy acknowledged; unchanged when that version, or a later one, was before."""
    if head is None or head.conversation.visitor_id != command.visitor_id:
        raise Refused("not-found")
    if _covers(head.conversation.acknowledged_policy_version, command.version):
        return head.conversation
    if not head.is_open:
        raise Refused("not-open")
    return msgspec.structs.replace(
        head.conversation, acknowledged_policy_version=command.version, policy_acknowledged_at=acknowledged_at
    )


def _covers(acknowledged: str, wanted: str) -> bool:
    """Whether it is that version, or a later one: of two gateways one may know of a new version before the other."""
    if acknowledged == wanted:
        return True
    return acknowledged.isdecimal() and wanted.isdecimal() and int(acknowledged) > int(wanted)


def ended(command: CloseConversation, head: Head | None, *, closed_at: datetime, end_id: str) -> End:
    """The mark under which nothing more is said: the one that stands, when the command has come before."""
    if head is None or _is_foreign(command.closed_by, head.conversation):
        raise Refused("not-found")
    if head.end is not None and head.end.closed_by_command == command.command_id:
        return head.end
    if not head.is_open:
        raise Refused(_ended_code(head))
    if command.closed_by.kind != "system" and not _is_party(command.closed_by, head.conversation):
        raise Refused("not-a-party")
    return End(
        customer_id=command.customer_id,
        conversation_id=command.conversation_id,
        seq=head.last_seq + 1,
        end_id=end_id,
        closed_by=command.closed_by,
        closed_by_command=command.command_id,
        closed_at=closed_at,
    )


def closed(conversation: Conversation, end: End, digest: str, trail: tuple[Page, ...] = ()) -> Conversation:
    """The conversation after its end."""
    return msgspec.structs.replace(
        conversation,
        closed_at=end.closed_at,
        closed_by=end.closed_by,
        closed_by_command=end.closed_by_command,
        last_seq=end.seq - 1,
        digest=digest,
        trail=trail,
    )


def erased(customer_id: str, conversation_id: str, *, erased_at: datetime) -> Conversation:
    """What stays of a conversation for a while: that it is erased, so that nothing late brings it back."""
    return Conversation(
        customer_id=customer_id,
        conversation_id=conversation_id,
        site_id="",
        visitor_id="",
        visitor_name="",
        department=None,
        acknowledged_policy_version="",
        capture=Capture(),
        opened_at=erased_at,
        opened_by_command="",
        erased_at=erased_at,
    )


def _is_foreign(sender: Sender, conversation: Conversation) -> bool:
    return sender.kind == "visitor" and sender.id != conversation.visitor_id


def _is_party(sender: Sender, conversation: Conversation) -> bool:
    if sender.kind == "visitor":
        return sender.id == conversation.visitor_id
    operator = conversation.operator
    return sender.kind == "operator" and operator is not None and sender.id == operator.id


def message_posted(message: Message, conversation: Conversation, *, caused_by: str) -> MessagePosted:
    return MessagePosted(
        customer_id=message.customer_id,
        conversation_id=message.conversation_id,
        caused_by=caused_by,
        visitor_id=conversation.visitor_id,
        operator_id=conversation.operator.id if conversation.operator else None,
        seq=message.seq,
        message_id=message.message_id,
        client_id=message.client_id,
        sender=message.sender,
        text=message.text,
        sent_at=message.sent_at,
    )


def command_rejected(command: ConversationCommand, code: str) -> CommandRejected:
    return CommandRejected(
        customer_id=command.customer_id,
        conversation_id=command.conversation_id,
        caused_by=command.command_id,
        code=code,
        detail=REJECTION_CODES[code],
    )


def conversation_opened(conversation: Conversation, *, caused_by: str) -> ConversationOpened:
    return ConversationOpened(
        customer_id=conversation.customer_id,
        conversation_id=conversation.conversation_id,
        caused_by=caused_by,
        site_id=conversation.site_id,
        visitor_id=conversation.visitor_id,
        visitor_name=conversation.visitor_name,
        department=conversation.department,
        acknowledged_policy_version=conversation.acknowledged_policy_version,
        capture=conversation.capture,
        opened_at=conversation.opened_at,
    )


def conversation_accepted(conversation: Conversation, *, caused_by: str) -> ConversationAccepted:
    operator, accepted_at = conversation.operator, conversation.accepted_at
    assert operator is not None
    assert accepted_at is not None
    return ConversationAccepted(
        customer_id=conversation.customer_id,
        conversation_id=conversation.conversation_id,
        caused_by=caused_by,
        site_id=conversation.site_id,
        visitor_id=conversation.visitor_id,
        operator_id=operator.id,
        operator_name=operator.name,
        accepted_at=accepted_at,
    )


def policy_acknowledged(conversation: Conversation, *, caused_by: str) -> PolicyAcknowledged:
    return PolicyAcknowledged(
        customer_id=conversation.customer_id,
        conversation_id=conversation.conversation_id,
        caused_by=caused_by,
        site_id=conversation.site_id,
        visitor_id=conversation.visitor_id,
        version=conversation.acknowledged_policy_version,
        acknowledged_at=conversation.policy_acknowledged_at or conversation.opened_at,
    )


def conversation_closed(conversation: Conversation, *, caused_by: str) -> ConversationClosed:
    closed_by, closed_at = conversation.closed_by, conversation.closed_at
    assert closed_by is not None
    assert closed_at is not None
    return ConversationClosed(
        customer_id=conversation.customer_id,
        conversation_id=conversation.conversation_id,
        caused_by=caused_by,
        site_id=conversation.site_id,
        visitor_id=conversation.visitor_id,
        closed_by=closed_by,
        closed_at=closed_at,
        last_seq=conversation.last_seq,
        digest=conversation.digest,
        trail=conversation.trail,
    )


def conversation_erased(conversation_id: str, customer_id: str, *, caused_by: str, at: datetime) -> ConversationErased:
    return ConversationErased(
        customer_id=customer_id, conversation_id=conversation_id, caused_by=caused_by, erased_at=at
    )


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """One visitor of one customer, on the way to being forgotten; the state of the saga, however often it is killed.

    Everything is asked for in looks. The first finds what there is. The last finds nothing, which is how we know that
    it is done. ``found`` is what the present look has removed of the visitor and their visits, ``removed`` what the
    looks before it have removed of everything.
    """

    erasure_id: str
    customer_id: str
    visitor_id: str = ""
    reason: ErasureReason
    requested_at: datetime
    token_hash: str = ""
    look: int = 1
    found: dict[str, int] = {}
    removed: dict[str, int] = {}
    completed_at: datetime | None = None
    certificate: str = ""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One conversation of an erasure: who still owes a receipt in the present look, and what it has found."""

    conversation_id: str
    customer_id: str
    erasure_id: str
    look: int
    waiting: tuple[Service, ...]
    found: dict[str, int] = {}


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """A service has looked for a conversation, removed what it found, and has nothing of it left."""

    service: Service
    erasure_id: str
    conversation_id: str
    look: int
    removed: dict[str, int]


class ErasedCount(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of the erasures of a customer's day: how many there were."""

    day: str
    reason: ErasureReason
    visitors: int
    conversations: int


class OwnData(msgspec.Struct, frozen=True, kw_only=True):
    """What chat holds of a visitor: themselves, visits, consents, and what was captured where the log is still here."""

    visitor: Visitor
    visits: list[Visit]
    consents: list[Consent]
    captures: dict[str, Capture]


def total(*counts: Mapping[str, int]) -> dict[str, int]:
    """The sum of the counts, kind by kind, without those of which there was nothing."""
    kinds = sorted({kind for each in counts for kind in each})
    sums = {kind: sum(each.get(kind, 0) for each in counts) for kind in kinds}
    return {kind: number for kind, number in sums.items() if number}


CERTIFICATE = "velaro-erasure+jws"
"""What a certificate's header says it is, so that it is taken for nothing else that the service signs."""


def certificate_of(erasure: Erasure, *, completed_at: datetime) -> dict[str, Any]:
    """What the signed certificate states. It names nobody: whoever holds it knows whose data it was."""
    return {
        "erasure_id": erasure.erasure_id,
        "customer_id": erasure.customer_id,
        "reason": erasure.reason,
        "requested_at": erasure.requested_at.isoformat(),
        "completed_at": completed_at.isoformat(),
        "services": sorted(SERVICES),
        "removed": erasure.removed,
        "looks": erasure.look,
        "left": 0,
    }
