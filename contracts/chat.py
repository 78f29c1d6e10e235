"""What chat can be asked to do with a conversation, and what it tells the rest of the system.

Every command carries ``command_id``, chosen by its sender; every event that answers one carries it
as ``caused_by``. A command that arrives twice is carried out once and answered twice.
"""

from datetime import datetime
from typing import Literal

import msgspec

from contracts.payload import Command, Event

SenderKind = Literal["visitor", "operator", "system"]
ErasureReason = Literal["minor", "asked"]
"""Why a visitor is erased: they are under 18, or they asked for it."""


class Sender(msgspec.Struct, frozen=True, kw_only=True):
    """Who said a message, as the gateway established it from the verified credential."""

    kind: SenderKind
    id: str
    name: str


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the customer's site, as the visitor's browser named it, and when they came to it."""

    url: str
    title: str = ""
    referrer: str = ""
    seen_at: datetime | None = None


class Capture(msgspec.Struct, frozen=True, kw_only=True):
    """What standard web technologies tell about a visitor; empty where the site captures nothing."""

    ip: str = ""
    user_agent: str = ""
    language: str = ""
    page: Page | None = None


class ConversationCommand(Command, frozen=True, kw_only=True):
    """What all commands to the partitions of chat have in common."""

    command_id: str
    conversation_id: str

    @property
    def cause(self) -> str:
        return self.command_id


class OpenConversation(ConversationCommand, frozen=True, kw_only=True):
    """A visitor wants to talk. ``text``, if any, becomes the first message."""

    routing_key = "chat.conversation.open.v1"

    site_id: str
    visitor_id: str
    visit_id: str
    visitor_name: str
    department: str | None = None
    acknowledged_policy_version: str
    text: str | None = None
    sent_at: datetime


class PostMessage(ConversationCommand, frozen=True, kw_only=True):
    """A party of the conversation said something."""

    routing_key = "chat.message.post.v1"

    client_id: str
    sender: Sender
    text: str
    policy_version: str | None = None
    """Which version of the policy its visitor must have acknowledged for it to be accepted, if any."""


class AcknowledgePolicy(ConversationCommand, frozen=True, kw_only=True):
    """The visitor of an open conversation acknowledges a version of the policy that took effect meanwhile."""

    routing_key = "chat.policy.acknowledge.v1"

    visitor_id: str
    version: str


class AcceptConversation(ConversationCommand, frozen=True, kw_only=True):
    """An operator takes a queued conversation."""

    routing_key = "chat.conversation.accept.v1"

    operator_id: str
    operator_name: str


class CloseConversation(ConversationCommand, frozen=True, kw_only=True):
    """A party ends the conversation. ``closed_by.kind`` is ``visitor``, ``operator`` or ``system``."""

    routing_key = "chat.conversation.close.v1"

    closed_by: Sender


class DropLog(ConversationCommand, frozen=True, kw_only=True):
    """The transcript is sealed: the live log of the conversation is no longer needed."""

    routing_key = "chat.log.drop.v1"


class FlagMinor(ConversationCommand, frozen=True, kw_only=True):
    """An operator found that the visitor is under 18: collection stops here, and what there is gets erased."""

    routing_key = "chat.minor.flag.v1"

    operator_id: str


class EraseLog(ConversationCommand, frozen=True, kw_only=True):
    """The visitor of the conversation is erased: nothing of it may stay. ``look`` counts how often it is asked."""

    routing_key = "chat.log.erase.v1"

    erasure_id: str
    look: int


class ConversationEvent(Event, frozen=True, kw_only=True):
    """What all events about one conversation have in common."""

    conversation_id: str
    caused_by: str

    @property
    def cause(self) -> str:
        return self.caused_by


class ConversationOpened(ConversationEvent, frozen=True, kw_only=True):
    """A visitor opened a conversation; it waits in the queue for an operator."""

    routing_key = "chat.conversation.opened.v1"

    site_id: str
    visitor_id: str
    visitor_name: str
    department: str | None = None
    acknowledged_policy_version: str
    capture: Capture
    opened_at: datetime


class ConversationAccepted(ConversationEvent, frozen=True, kw_only=True):
    """An operator took the conversation."""

    routing_key = "chat.conversation.accepted.v1"

    site_id: str
    visitor_id: str
    operator_id: str
    operator_name: str
    accepted_at: datetime


class ConversationClosed(ConversationEvent, frozen=True, kw_only=True):
    """The conversation ended: nothing is said in it after ``last_seq``.

    ``digest`` is ``contracts.digest.digest_of`` over all its messages, so that whoever recorded
    them can tell whether it holds every word.
    """

    routing_key = "chat.conversation.closed.v1"

    site_id: str
    visitor_id: str
    closed_by: Sender
    closed_at: datetime
    last_seq: int
    digest: str
    trail: tuple[Page, ...] = ()
    """The pages of the visit up to the end of the conversation, the first one first; none where the site wants none."""
    is_reminder: bool = False
    """It was said before, and whoever says so has not heard since that the transcript is sealed."""


class PolicyAcknowledged(ConversationEvent, frozen=True, kw_only=True):
    """A visitor acknowledged a later version of the policy in an open conversation."""

    routing_key = "chat.policy.acknowledged.v1"

    site_id: str
    visitor_id: str
    version: str
    acknowledged_at: datetime


class ConversationErased(ConversationEvent, frozen=True, kw_only=True):
    """Nothing more is said or kept in the conversation: its words are gone here, and are being erased elsewhere."""

    routing_key = "chat.conversation.erased.v1"

    erased_at: datetime


class VisitorErased(Event, frozen=True, kw_only=True):
    """A visitor is being erased: their token is dead, and their sockets must close."""

    routing_key = "chat.visitor.erased.v1"

    visitor_id: str
    reason: ErasureReason
    erased_at: datetime


class MessagePosted(ConversationEvent, frozen=True, kw_only=True):
    """A message is stored: ``seq`` is its place in the conversation, from 1 and without gaps."""

    routing_key = "chat.message.posted.v1"

    visitor_id: str
    operator_id: str | None = None
    seq: int
    message_id: str
    client_id: str
    sender: Sender
    text: str
    sent_at: datetime


class CommandRejected(ConversationEvent, frozen=True, kw_only=True):
    """Chat refused a command. ``code`` is one of ``REJECTION_CODES``; ``detail`` is a sentence for people."""

    routing_key = "chat.command.rejected.v1"

    code: str
    detail: str


TEXT_MAX_LENGTH = 4000
"""The longest a message may be, in characters; the shortest is one."""

REJECTION_CODES = {
    "not-found": "No such conversation, or not one of yours.",
    "not-open": "The conversation is closed.",
    "already-accepted": "Another operator has accepted this conversation.",
    "not-a-party": "Only the visitor and the operator who accepted can write here.",
    "erased": "This conversation was erased.",
    "invalid": "The text is empty or too long.",
    "full": "This conversation has as many messages as one can hold. Please start a new conversation.",
    "policy-not-acknowledged": "The privacy policy has changed; acknowledge the version in force first.",
}

EVENTS = (
    ConversationOpened,
    ConversationAccepted,
    ConversationClosed,
    ConversationErased,
    PolicyAcknowledged,
    MessagePosted,
    CommandRejected,
    VisitorErased,
)
COMMANDS = (
    OpenConversation,
    PostMessage,
    AcknowledgePolicy,
    AcceptConversation,
    CloseConversation,
    DropLog,
    FlagMinor,
    EraseLog,
)
