import json

import msgspec
import pytest

from contracts.chat import MessagePosted
from contracts.transcripts import TranscriptSealed
from tests.contracts.examples import example


def test_a_payload_is_strict_to_build():
    with pytest.raises(TypeError):
        TranscriptSealed(customer_id="c", conversation_id="x", last_seq=1, digest="d", sealed_at=None, surprise=1)
    with pytest.raises(TypeError):
        TranscriptSealed(customer_id="c")


def test_a_payload_is_lenient_to_read():
    wire = json.loads(example(TranscriptSealed)) | {"added_later": 1}

    assert msgspec.json.decode(json.dumps(wire), type=TranscriptSealed) == msgspec.json.decode(
        example(TranscriptSealed), type=TranscriptSealed
    )


@pytest.mark.parametrize("change", [{"seq": "1"}, {"sender": "me"}, {"text": {"$ne": 1}}, {"sent_at": "yesterday"}])
def test_a_payload_of_wrong_types_is_not_read(change):
    wire = json.loads(example(MessagePosted)) | change

    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps(wire), type=MessagePosted)


def test_a_payload_cannot_be_changed():
    payload = msgspec.json.decode(example(MessagePosted), type=MessagePosted)

    with pytest.raises(AttributeError):
        payload.text = "something else"
