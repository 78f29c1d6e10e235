"""What a handler gets: the payload of a delivery, and what is known about how it came."""

from collections.abc import Iterable, Sequence

import msgspec

from chassis.bus.wire import Envelope, Received, read_envelope
from contracts.payload import Payload

RETURNS_HEADER = "x-delivery-count"
"""By the broker: how often it had a delivery back without an answer."""
SUSPICIOUS_RETURNS, MOST_RETURNS = 3, 20
"""After how many returns a delivery is handled alone, and after how many not at all."""
_FIRST = 1


class Broken(Exception):
    """A delivery not to be handled: of unknown type, against its contract, or one that ended those who tried."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One payload as it came off a queue.

    ``redelivered`` is a hint that somebody may have begun with it before; ``returns`` counts how often the broker had
    it back without an answer. ``message_id`` is the sender's, the same every time, and shared by payloads that came
    together.
    """

    payload: Payload
    queue: str
    message_id: str
    redelivered: bool = False
    returns: int = 0
    correlation_id: str = ""


class PayloadReader:
    """Reads the payloads it was given classes for."""

    def __init__(self, payloads: Iterable[type[Payload]]) -> None:
        self._decoders = {
            payload.routing_key: (msgspec.json.Decoder(payload), msgspec.json.Decoder(list[payload]))  # type: ignore[valid-type]
            for payload in payloads
        }

    def deliveries(self, received: Received) -> list[Delivery]:
        """What came, its payloads checked against their contract: one or, together, several. Raises ``Broken``."""
        envelope = envelope_of(received)
        # All that they held came back. They ended with the first of it: what they had done before was acknowledged.
        if received.delivery_tag == _FIRST and returns_of(envelope) >= MOST_RETURNS:
            raise Broken(f"came back {MOST_RETURNS} times without an answer")
        return [
            Delivery(
                payload=payload,
                queue=received.consumer_tag,
                message_id=envelope.message_id,
                redelivered=received.is_redelivered,
                returns=returns_of(envelope),
                correlation_id=envelope.correlation_id or payload.cause,
            )
            for payload in self.payloads(envelope.type, received.body)
        ]

    def payloads(self, kind: str, body: bytes) -> Sequence[Payload]:
        """The payloads of type ``kind`` in ``body``: one, or an array of them. Raises ``Broken``."""
        decoders = self._decoders.get(kind)
        if decoders is None:
            raise Broken(f"unexpected type {kind[:80]!r}")
        alone, together = decoders
        try:
            return together.decode(body) if body.startswith(b"[") else (alone.decode(body),)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            # The error's words may quote the payload; its kind never does.
            raise Broken(f"{kind} breaks its contract ({type(error).__name__})") from error


def envelope_of(received: Received) -> Envelope:
    """The envelope. Raises ``Broken``."""
    try:
        return read_envelope(received.properties)
    except ValueError as error:
        raise Broken("unreadable properties") from error


def returns_of(envelope: Envelope) -> int:
    """How often whoever had the delivery ended, or lost the connection, before saying anything about it."""
    count = envelope.headers.get(RETURNS_HEADER)
    return count if isinstance(count, int) else 0
