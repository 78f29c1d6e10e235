import msgspec
import pika
import pytest
from pika import spec
from pika.frame import Body, Header, Method, decode_frame

from chassis.bus.wire import ChannelReader, Envelope, Received, ack_frame, frame_at, publish_frames, read_envelope

FULL = Envelope(
    message_id="message-1",
    type="chat.message.posted.v1",
    app_id="chat",
    correlation_id="correlation-1",
    timestamp=1_700_000_000,
    headers={"x-count": 3, "x-reason": "because"},
)


def frames_in(data: bytes) -> list:
    frames = []
    while data:
        size, frame = decode_frame(data)
        frames.append(frame)
        data = data[size:]
    return frames


def properties_as_pika_writes(**properties: object) -> bytes:
    return b"".join(spec.BasicProperties(**properties).encode())


def delivered(body: bytes, *, tag: int = 7, chunk: int = 4000) -> bytes:
    method = spec.Basic.Deliver("queue-1", tag, True, "events", "a.b.c.v1.acme")
    chunks = [body[start : start + chunk] for start in range(0, len(body), chunk)]
    properties = pika.BasicProperties(message_id="message-1", headers={"x-delivery-count": 2})
    frames = [Method(1, method), Header(1, len(body), properties), *(Body(1, part) for part in chunks)]
    return b"".join(frame.marshal() for frame in frames)


def feed(reader: ChannelReader, data: bytes) -> list[bool]:
    taken = []
    position = 0
    while position < len(data):
        kind, _, size = frame_at(data, position)
        taken.append(reader.take(kind, data, position + 7, size))
        position += size + 8
    return taken


@pytest.mark.parametrize("body", [b"", b"x", b"x" * 4088, b"xy" * 4088, b"x" * 65537])
def test_pika_reads_what_is_written_here(body):
    method, header, *bodies = frames_in(publish_frames(2, "events", "a.b.c.v1.acme", FULL, body))

    assert method.channel_number == 2
    assert (method.method.exchange, method.method.routing_key) == ("events", "a.b.c.v1.acme")
    assert method.method.mandatory
    assert not method.method.immediate
    assert header.body_size == len(body)
    assert header.properties.content_type == "application/json"
    assert header.properties.delivery_mode == 2
    assert header.properties.headers == FULL.headers
    for name in ("message_id", "type", "app_id", "correlation_id", "timestamp"):
        assert getattr(header.properties, name) == getattr(FULL, name)
    assert b"".join(frame.fragment for frame in bodies) == body


def test_the_bytes_are_those_that_pika_would_write():
    properties = pika.BasicProperties(content_type="application/json", delivery_mode=2, message_id="message-1")
    publish = Method(1, spec.Basic.Publish(0, "events", "key", mandatory=True))
    expected = b"".join(frame.marshal() for frame in (publish, Header(1, 4, properties), Body(1, b"body")))

    assert publish_frames(1, "events", "key", Envelope(message_id="message-1"), b"body") == expected


def test_what_need_not_arrive_is_neither_mandatory_nor_persistent():
    envelope = Envelope(is_persistent=False)

    method, header, _ = frames_in(publish_frames(2, "signals", "acme", envelope, b"x", is_mandatory=False))

    assert not method.method.mandatory
    assert header.properties.delivery_mode == 1


def test_no_frame_is_larger_than_any_broker_accepts():
    data = publish_frames(1, "events", "key", FULL, b"x" * 65536)

    while data:
        size = decode_frame(data)[0]
        assert size <= 4096
        data = data[size:]


def test_a_name_too_long_for_amqp_is_an_error():
    with pytest.raises(ValueError, match="255 bytes"):
        publish_frames(1, "events", "k" * 256, FULL, b"x")


def test_an_ack_is_the_one_that_pika_would_write():
    assert ack_frame(3, 70_000, is_multiple=True) == Method(3, spec.Basic.Ack(70_000, True)).marshal()


USUAL = Envelope("message-1", "chat.message.posted.v1", "chat", "correlation-1", 1_700_000_000)


@pytest.mark.parametrize(
    "envelope",
    [FULL, USUAL, msgspec.structs.replace(USUAL, correlation_id=""), Envelope(), Envelope(is_persistent=False)],
)
def test_the_envelope_comes_back_as_it_was_sent(envelope):
    header = frames_in(publish_frames(1, "events", "key", envelope, b"x"))[1]

    assert read_envelope(b"".join(header.properties.encode())) == envelope


@pytest.mark.parametrize("envelope", [FULL, USUAL])
def test_an_envelope_cut_short_anywhere_is_an_error(envelope):
    header = frames_in(publish_frames(1, "events", "key", envelope, b"x"))[1]
    properties = b"".join(header.properties.encode())

    for length in range(len(properties)):
        with pytest.raises(ValueError, match="not the properties"):
            read_envelope(properties[:length])


def test_properties_of_strangers_are_read_past():
    properties = properties_as_pika_writes(
        content_encoding="utf-8", priority=3, reply_to="somewhere", message_id="message-1", user_id="me", cluster_id="c"
    )

    assert read_envelope(properties) == Envelope(message_id="message-1", is_persistent=False)


@pytest.mark.parametrize("properties", [b"", b"\x80", b"\xff\xf8", b"\x80\x00\x05ab", b"\x80\x00\x02\xff\xfe"])
def test_properties_that_are_none_are_an_error(properties):
    with pytest.raises(ValueError, match="not the properties"):
        read_envelope(properties)


@pytest.mark.parametrize("body", [b"", b"x" * 10, b"xyz" * 4000])
def test_deliveries_are_put_together_again(body):
    received: list[Received] = []
    reader = ChannelReader(on_delivery=received.append)

    feed(reader, delivered(body) + delivered(b"next", tag=8))

    first, second = received
    assert (first.consumer_tag, first.delivery_tag, first.is_redelivered) == ("queue-1", 7, True)
    assert (first.exchange, first.routing_key, first.body) == ("events", "a.b.c.v1.acme", body)
    assert read_envelope(first.properties).headers == {"x-delivery-count": 2}
    assert (second.delivery_tag, second.body) == (8, b"next")


def test_confirms_are_read():
    confirms: list[tuple[int, bool, bool]] = []
    reader = ChannelReader(on_confirm=lambda *confirm: confirms.append(confirm))

    feed(reader, Method(1, spec.Basic.Ack(5, True)).marshal() + Method(1, spec.Basic.Nack(6, False)).marshal())

    assert confirms == [(5, True, True), (6, False, False)]


def test_everything_else_is_left_to_pika():
    reader = ChannelReader(on_delivery=lambda received: None, on_confirm=lambda *confirm: None)
    returned = Method(1, spec.Basic.Return(312, "NO_ROUTE", "commands", "queue-1"))
    frames = [returned, Header(1, 2, pika.BasicProperties()), Body(1, b"ab"), Method(1, spec.Basic.Cancel("queue-1"))]

    assert feed(reader, b"".join(frame.marshal() for frame in frames)) == [False] * 4
