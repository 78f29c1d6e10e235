"""What is said on the socket: one class per frame, told apart by ``type``.

What clients send is read strictly: an unknown type, an unknown field or a near-miss type refuses the
frame. What we send may gain fields, which clients must ignore.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType
from websockets.frames import Frame, Opcode

from contracts.chat import REJECTION_CODES, TEXT_MAX_LENGTH

MAX_FRAME = 64 * 1024
MAX_TEXT = TEXT_MAX_LENGTH
HEARTBEAT_SECONDS = 25

OPAQUE = r"^[A-Za-z0-9_-]{1,64}$(?!\n)"

OpaqueId = Annotated[str, Meta(pattern=OPAQUE, description="An id; opaque.")]
ClientId = Annotated[str, Meta(pattern=OPAQUE, description="Chosen by the sender, one for each message.")]
Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT, pattern=r"\S")]
Seq = Annotated[int, Meta(ge=0, le=2**53)]
Status = Literal["queued", "active", "closed", "erased"]


class ClientFrame(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """A frame that clients send."""


class Auth(ClientFrame, frozen=True, kw_only=True, tag="auth"):
    """The first frame of every socket, within 5 s: a ticket, which is good for one socket."""

    ticket: Annotated[str, Meta(min_length=1, max_length=4096)]


class Say(ClientFrame, frozen=True, kw_only=True, tag="message"):
    """Say something in a conversation. Its echo, with the ``seq``, means that it is stored."""

    conversation_id: OpaqueId
    client_id: ClientId
    text: Text


class Sync(ClientFrame, frozen=True, kw_only=True, tag="sync"):
    """Ask for everything after ``after``, in order, and then one ``conversation`` frame.

    An operator who is no party of a conversation opens it so.
    """

    conversation_id: OpaqueId
    after: Seq


class TypingSignal(ClientFrame, frozen=True, kw_only=True, tag="typing"):
    """The sender is typing. ``text`` reaches nobody unless the site allows sneak-peek, which no site can yet."""

    conversation_id: OpaqueId
    text: Annotated[str, Meta(max_length=MAX_TEXT)] | None = None


class ReadSignal(ClientFrame, frozen=True, kw_only=True, tag="read"):
    """The sender has read everything up to ``seq``."""

    conversation_id: OpaqueId
    seq: Seq


class ServerFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """A frame that we send."""


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """Who said or did something."""

    kind: Literal["visitor", "operator", "system"]
    id: str
    name: str


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """An operator or a visitor, where it is clear which."""

    id: str
    name: str


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How one conversation stands."""

    conversation_id: str
    status: Status
    last_seq: int


class LastMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The last line of a conversation, for a list."""

    seq: int
    sender: Party
    text: str
    sent_at: datetime


class Ready(ServerFrame, frozen=True, kw_only=True, tag="ready"):
    """The ticket was good. Lists the conversations the client takes part in."""

    conversations: list[Standing]
    heartbeat_s: int = HEARTBEAT_SECONDS


class Message(ServerFrame, frozen=True, kw_only=True, tag="message"):
    """Somebody said something, and it is stored. Goes to everyone in the conversation, the sender included."""

    conversation_id: str
    seq: int
    message_id: str
    client_id: str
    sender: Party
    text: str
    sent_at: datetime


class Rejected(ServerFrame, frozen=True, kw_only=True, tag="rejected"):
    """A frame of this client was refused; ``code`` is one of ``REJECTIONS``."""

    client_id: str | None
    code: str
    detail: str
    conversation_id: str | UnsetType = UNSET


class Typing(ServerFrame, frozen=True, kw_only=True, tag="typing"):
    """Another party of the conversation is typing."""

    conversation_id: str
    sender: Party


class Read(ServerFrame, frozen=True, kw_only=True, tag="read"):
    """Another party of the conversation has read everything up to ``seq``."""

    conversation_id: str
    sender: Party
    seq: int


class Conversation(ServerFrame, frozen=True, kw_only=True, tag="conversation"):
    """How a conversation stands now; only what is known or changed is there."""

    conversation_id: str
    status: Status
    operator: Person | UnsetType | None = UNSET
    position: int | UnsetType = UNSET
    last_seq: int | UnsetType = UNSET
    last_message: LastMessage | UnsetType = UNSET
    visitor: Person | UnsetType = UNSET
    site_id: str | UnsetType = UNSET
    department: str | UnsetType | None = UNSET
    opened_at: datetime | UnsetType = UNSET
    accepted_at: datetime | UnsetType = UNSET
    closed_at: datetime | UnsetType = UNSET


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """What one gateway tells the others about a conversation, and nobody stores."""

    kind: Literal["typing", "read"]
    conversation_id: str
    sender: Party
    seq: int = 0


REJECTIONS = {
    **REJECTION_CODES,
    "malformed": "The frame is not one of this protocol; see the AsyncAPI document.",
    "too-fast": "Too many frames; wait a moment and send it again.",
    "forbidden": "Your role does not allow this.",
    "unavailable": "Not possible just now; send it again in a moment.",
}

AnyClientFrame = Auth | Say | Sync | TypingSignal | ReadSignal
CLIENT_FRAMES: tuple[type[ClientFrame], ...] = (Auth, Say, Sync, TypingSignal, ReadSignal)
SERVER_FRAMES: tuple[type[ServerFrame], ...] = (Ready, Message, Rejected, Typing, Read, Conversation)

_encoder = msgspec.json.Encoder()
_decoder: "msgspec.json.Decoder[AnyClientFrame]" = msgspec.json.Decoder(AnyClientFrame)
_signal_decoder = msgspec.json.Decoder(Signal)


class _Named(msgspec.Struct):
    client_id: ClientId


_naming = msgspec.json.Decoder(_Named)


class Malformed(Exception):
    """The text is not a frame that clients send. ``client_id`` is there if it could be read."""

    def __init__(self, client_id: str | None) -> None:
        super().__init__("malformed")
        self.client_id = client_id


def decode(text: str) -> AnyClientFrame:
    """The frame in ``text``. Raises ``Malformed``."""
    try:
        frame = _decoder.decode(text)
        if isinstance(frame, Say) and "\0" in frame.text:
            raise msgspec.ValidationError("NUL is no text")
        return frame
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise Malformed(client_id_in(text)) from error


def client_id_in(text: str) -> str | None:
    """The ``client_id`` of a frame that is refused unread, so that its sender knows which one."""
    try:
        return _naming.decode(text).client_id
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None


def encode(frame: ServerFrame) -> bytes:
    """``frame`` as it goes over the wire, WebSocket header included.

    The server's frames are not masked and nothing is compressed, so the bytes are the same for
    every socket: a frame is encoded once, however many get it.
    """
    return Frame(Opcode.TEXT, _encoder.encode(frame)).serialize(mask=False)


def encode_signal(signal: Signal) -> bytes:
    """``signal`` as it goes over the bus."""
    return _encoder.encode(signal)


def decode_signal(body: bytes) -> Signal:
    """The signal in ``body``. Raises ``msgspec.DecodeError``."""
    return _signal_decoder.decode(body)
