"""The few AMQP frames that make up nearly all traffic, read and written without pika's objects.

pika builds three objects and three buffers for each message either way, which costs several times
what the message itself does. Deliveries, confirms, publishes and acks go through here; everything
else goes through pika. ``tests/chassis/bus/test_wire.py`` holds both to the same bytes.
"""

import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from pika import data as tables  # type: ignore[attr-defined]
from pika.exceptions import AMQPError

METHOD, HEADER, BODY = 1, 2, 3
FRAME_END = 0xCE
FRAME_OVERHEAD = 8
# The smallest frame a broker may insist on: a body cut to fit it suits any broker.
SMALLEST_FRAME_MAX = 4096
_CHUNK = SMALLEST_FRAME_MAX - FRAME_OVERHEAD

_BASIC = 60
_PUBLISH = 40
_DELIVER = _BASIC << 16 | 60
_ACK = _BASIC << 16 | 80
_NACK = _BASIC << 16 | 120

_frame_head = struct.Struct(">BHI")
_method_head = struct.Struct(">BHIHHH")
_header_head = struct.Struct(">BHIHHQH")
_ack_frame = struct.Struct(">BHIIQBB")
_method_id = struct.Struct(">I")
_confirm = struct.Struct(">QB")
_body_size = struct.Struct(">Q")
_long = struct.Struct(">Q")
_flags = struct.Struct(">H")

frame_at: Callable[[bytes, int], tuple[int, int, int]] = _frame_head.unpack_from
"""Kind, channel and payload size of the frame that begins at a position."""

_CONTENT_TYPE, _CONTENT_ENCODING, _HEADERS, _DELIVERY_MODE = 1 << 15, 1 << 14, 1 << 13, 1 << 12
_PRIORITY, _CORRELATION_ID, _REPLY_TO, _EXPIRATION = 1 << 11, 1 << 10, 1 << 9, 1 << 8
_MESSAGE_ID, _TIMESTAMP, _TYPE, _USER_ID, _APP_ID = 1 << 7, 1 << 6, 1 << 5, 1 << 4, 1 << 3
_USUAL = _CONTENT_TYPE | _DELIVERY_MODE | _CORRELATION_ID | _MESSAGE_ID | _TIMESTAMP | _TYPE | _APP_ID
_PERSISTENT, _TRANSIENT = b"\x02", b"\x01"
_MANDATORY = 1


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """What carries a payload: AMQP's own properties, those of them that we use."""

    message_id: str = ""
    type: str = ""
    app_id: str = ""
    correlation_id: str = ""
    timestamp: int = 0
    headers: Mapping[str, Any] = {}
    is_persistent: bool = True


class Received(msgspec.Struct, gc=False):
    """One delivery as it came, its properties not yet read. ``epoch`` tells which channel it came on."""

    consumer_tag: str
    delivery_tag: int
    is_redelivered: bool
    exchange: str
    routing_key: str
    properties: bytes = b""
    body: bytes = b""
    epoch: int = 0


def _short(text: str) -> bytes:
    raw = text.encode()
    if len(raw) > 255:
        raise ValueError(f"AMQP allows 255 bytes here: {text[:32]}…")
    return bytes((len(raw),)) + raw


# Names come back again and again; ids do not.
_name = lru_cache(maxsize=4096)(_short)
_JSON = _short("application/json")


def publish_frames(
    channel: int, exchange: str, routing_key: str, envelope: Envelope, body: bytes, *, is_mandatory: bool = True
) -> bytes:
    """A whole ``basic.publish``, ready for the socket. Raises ``ValueError`` for names over 255 bytes."""
    target = _name(exchange) + _name(routing_key)
    flags, properties = _properties(envelope)
    head = _method_head.pack(METHOD, channel, len(target) + 7, _BASIC, _PUBLISH, 0)
    header = _header_head.pack(HEADER, channel, len(properties) + 14, _BASIC, 0, len(body), flags)
    mandatory = b"\x01\xce" if is_mandatory else b"\x00\xce"
    if 0 < len(body) <= _CHUNK:
        content = [_frame_head.pack(BODY, channel, len(body)), body, b"\xce"]
    else:
        content = _body_frames(channel, body)
    return b"".join((head, target, mandatory, header, properties, b"\xce", *content))


def _body_frames(channel: int, body: bytes) -> list[bytes]:
    chunks = (body[start : start + _CHUNK] for start in range(0, len(body), _CHUNK))
    return [_frame_head.pack(BODY, channel, len(chunk)) + chunk + b"\xce" for chunk in chunks]


def _properties(envelope: Envelope) -> tuple[int, bytes]:
    flags = _CONTENT_TYPE | _DELIVERY_MODE
    parts = [_JSON]
    if envelope.headers:
        flags |= _HEADERS
        tables.encode_table(parts, dict(envelope.headers))
    parts.append(_PERSISTENT if envelope.is_persistent else _TRANSIENT)
    if envelope.correlation_id:
        flags |= _CORRELATION_ID
        parts.append(_short(envelope.correlation_id))
    if envelope.message_id:
        flags |= _MESSAGE_ID
        parts.append(_short(envelope.message_id))
    if envelope.timestamp:
        flags |= _TIMESTAMP
        parts.append(_long.pack(envelope.timestamp))
    if envelope.type:
        flags |= _TYPE
        parts.append(_name(envelope.type))
    if envelope.app_id:
        flags |= _APP_ID
        parts.append(_name(envelope.app_id))
    return flags, b"".join(parts)


def ack_frame(channel: int, delivery_tag: int, *, is_multiple: bool) -> bytes:
    """A ``basic.ack``, ready for the socket."""
    return _ack_frame.pack(METHOD, channel, 13, _ACK, delivery_tag, is_multiple, FRAME_END)


def read_envelope(properties: bytes) -> Envelope:
    """The properties of a delivery. Raises ``ValueError`` if they are not AMQP's."""
    try:
        flags = _flags.unpack_from(properties)[0]
        if flags | _CORRELATION_ID == _USUAL:
            return _usual_envelope(properties, has_correlation=bool(flags & _CORRELATION_ID))
        return _Properties(properties).envelope()
    except (AMQPError, struct.error, LookupError, ValueError, ArithmeticError, OSError) as error:
        raise ValueError("not the properties of an AMQP message") from error


def _usual_envelope(raw: bytes, *, has_correlation: bool) -> Envelope:
    # What our own publishers write, read without a call for each property.
    at = 3 + raw[2]
    is_persistent = raw[at] == 2
    at += 1
    correlation_id = ""
    if has_correlation:
        start, at = at + 1, at + 1 + raw[at]
        correlation_id = raw[start:at].decode()
    start, at = at + 1, at + 1 + raw[at]
    message_id = raw[start:at].decode()
    timestamp = _long.unpack_from(raw, at)[0]
    at += 8
    start, at = at + 1, at + 1 + raw[at]
    kind = raw[start:at].decode()
    start, at = at + 1, at + 1 + raw[at]
    app_id = raw[start:at].decode()
    if at > len(raw):
        raise IndexError("cut short")
    return Envelope(message_id, kind, app_id, correlation_id, timestamp, is_persistent=is_persistent)


class _Properties:
    """Reads properties from front to back; their order is fixed and flags tell which are there."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 2
        self._flags = _flags.unpack_from(raw)[0]

    def envelope(self) -> Envelope:
        self._text(_CONTENT_TYPE)
        self._text(_CONTENT_ENCODING)
        headers = self._table(_HEADERS)
        delivery_mode = self._octet(_DELIVERY_MODE)
        self._octet(_PRIORITY)
        correlation_id = self._text(_CORRELATION_ID)
        self._text(_REPLY_TO)
        self._text(_EXPIRATION)
        message_id = self._text(_MESSAGE_ID)
        timestamp = self._long(_TIMESTAMP)
        kind = self._text(_TYPE)
        self._text(_USER_ID)
        app_id = self._text(_APP_ID)
        if self._at > len(self._raw):
            raise IndexError("cut short")
        return Envelope(message_id, kind, app_id, correlation_id, timestamp, headers, is_persistent=delivery_mode == 2)

    def _text(self, flag: int) -> str:
        if not self._flags & flag:
            return ""
        start = self._at + 1
        self._at = start + self._raw[self._at]
        return self._raw[start : self._at].decode()

    def _octet(self, flag: int) -> int:
        if not self._flags & flag:
            return 0
        self._at += 1
        return self._raw[self._at - 1]

    def _long(self, flag: int) -> int:
        if not self._flags & flag:
            return 0
        self._at += 8
        number: int = _long.unpack_from(self._raw, self._at - 8)[0]
        return number

    def _table(self, flag: int) -> Mapping[str, Any]:
        if not self._flags & flag:
            return {}
        table: dict[str, Any]
        table, self._at = tables.decode_table(self._raw, self._at)
        return table


class ChannelReader:
    """Takes from one channel's frames the deliveries and confirms, and leaves the rest to pika."""

    def __init__(
        self,
        *,
        on_delivery: Callable[[Received], None] | None = None,
        on_confirm: Callable[[int, bool, bool], None] | None = None,
    ) -> None:
        self._on_delivery = on_delivery
        self._on_confirm = on_confirm
        self._begun: Received | None = None
        self._chunks: list[bytes] = []
        self._missing = 0

    def take(self, kind: int, data: bytes, start: int, size: int) -> bool:
        """Handle the frame whose payload is ``data[start : start + size]``; False if it is one for pika."""
        if kind == METHOD:
            return self._take_method(data, start)
        if self._begun is None:
            return False
        if kind == HEADER:
            self._take_header(self._begun, data, start, size)
        elif kind == BODY:
            self._take_body(self._begun, data, start, size)
        return kind in (HEADER, BODY)

    def _take_method(self, data: bytes, start: int) -> bool:
        method = _method_id.unpack_from(data, start)[0]
        if method == _DELIVER and self._on_delivery is not None:
            self._begun = _deliver(data, start + 4)
            return True
        if method in (_ACK, _NACK) and self._on_confirm is not None:
            tag, bits = _confirm.unpack_from(data, start + 4)
            self._on_confirm(tag, bool(bits & 1), method == _ACK)
            return True
        return False

    def _take_header(self, begun: Received, data: bytes, start: int, size: int) -> None:
        self._missing = _body_size.unpack_from(data, start + 4)[0]
        begun.properties = data[start + 12 : start + size]
        if not self._missing:
            self._finish(begun)

    def _take_body(self, begun: Received, data: bytes, start: int, size: int) -> None:
        chunk = data[start : start + size]
        self._missing -= size
        if self._missing > 0:
            self._chunks.append(chunk)
            return
        if self._chunks:
            chunk = b"".join((*self._chunks, chunk))
            self._chunks = []
        begun.body = chunk
        self._finish(begun)

    def _finish(self, begun: Received) -> None:
        self._begun = None
        if self._on_delivery is not None:
            self._on_delivery(begun)


def _deliver(data: bytes, at: int) -> Received:
    end = at + 1 + data[at]
    consumer_tag = data[at + 1 : end].decode()
    delivery_tag = _long.unpack_from(data, end)[0]
    is_redelivered = bool(data[end + 8] & 1)
    exchange_at = end + 9
    key_at = exchange_at + 1 + data[exchange_at]
    exchange = data[exchange_at + 1 : key_at].decode()
    routing_key = data[key_at + 1 : key_at + 1 + data[key_at]].decode()
    return Received(consumer_tag, delivery_tag, is_redelivered, exchange, routing_key)
