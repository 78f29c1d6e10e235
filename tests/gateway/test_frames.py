import json

import pytest
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from services.gateway import frames


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '"message"',
        "null",
        "{}",
        '{"type":"nonsense"}',
        '{"type":["message"]}',
        '{"type":"auth","ticket":{"$ne":1}}',
        '{"type":"auth","ticket":""}',
        '{"type":"message","conversation_id":"c","client_id":"c"}',
        '{"type":"message","conversation_id":{"$ne":1},"client_id":"c","text":"x"}',
        '{"type":"message","conversation_id":"c","client_id":"c","text":"x","more":1}',
        '{"type":"message","conversation_id":"c","client_id":"c","text":""}',
        '{"type":"message","conversation_id":"c","client_id":"c","text":"  "}',
        '{"type":"message","conversation_id":"c","client_id":"c","text":"a\\u0000b"}',
        '{"type":"message","conversation_id":"c","client_id":"c","text":"\\ud800"}',
        '{"type":"message","conversation_id":"c d","client_id":"c","text":"x"}',
        '{"type":"message","conversation_id":"c\\n","client_id":"c","text":"x"}',
        '{"type":"sync","conversation_id":"c","after":-1}',
        '{"type":"sync","conversation_id":"c","after":1.5}',
        '{"type":"sync","conversation_id":"c","after":"1"}',
        '{"type":"sync","conversation_id":"c","after":99999999999999999999}',
        '{"type":"ready","conversations":[],"heartbeat_s":25}',
        "[" * 10_000,
        '{"type":"message","client_id":"c","conversation_id":"c","text":"' + "x" * 4001 + '"}',
    ],
)
def test_what_is_no_frame_of_a_client_is_refused(text):
    with pytest.raises(frames.Malformed):
        frames.decode(text)


def test_the_client_id_of_a_malformed_frame_is_told_if_it_can_be_read():
    with pytest.raises(frames.Malformed) as refusal:
        frames.decode('{"type":"message","client_id":"mine","text":7}')
    assert refusal.value.client_id == "mine"


def test_good_frames_are_read():
    assert frames.decode('{"type":"auth","ticket":"t"}') == frames.Auth(ticket="t")
    said = frames.decode('{"type":"message","conversation_id":"c","client_id":"i","text":"héllo\\n"}')
    assert said == frames.Say(conversation_id="c", client_id="i", text="héllo\n")
    assert frames.decode('{"type":"sync","conversation_id":"c","after":0}') == frames.Sync(conversation_id="c", after=0)
    assert frames.decode('{"type":"typing","conversation_id":"c"}') == frames.TypingSignal(conversation_id="c")
    assert frames.decode('{"type":"read","conversation_id":"c","seq":3}') == frames.ReadSignal(
        conversation_id="c", seq=3
    )


def test_an_encoded_frame_is_one_unmasked_text_frame_without_what_is_unset():
    data = frames.encode(frames.Conversation(conversation_id="c", status="active", operator=None))
    reader = StreamReader()
    reader.feed_data(data)
    parsing = Frame.parse(reader.read_exact, mask=False, max_size=None, extensions=None)
    with pytest.raises(StopIteration) as parsed:
        next(parsing)
    frame = parsed.value.value
    assert (frame.opcode, frame.fin) == (Opcode.TEXT, True)
    assert json.loads(bytes(frame.data)) == {
        "type": "conversation",
        "conversation_id": "c",
        "status": "active",
        "operator": None,
    }


def test_signals_survive_the_bus():
    sender = frames.Party(kind="visitor", id="v", name="V")
    signal = frames.Signal(kind="read", conversation_id="c", sender=sender, seq=4)
    assert frames.decode_signal(frames.encode_signal(signal)) == signal
