from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.chat import MessagePosted, Sender
from contracts.digest import digest_of, milliseconds
from tests.contracts.examples import an_example

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def a_message(**fields):
    sender = Sender(kind="visitor", id="v-1", name="Ada")
    said = {"seq": 1, "message_id": "m-1", "sender": sender, "text": "Hello ☃\n\"'", "sent_at": NOON}
    return SimpleNamespace(**said | fields)


def test_digests_that_were_published_stay_true():
    """Fixed vectors: sealed transcripts are checked against digests computed by earlier releases."""
    assert digest_of([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert digest_of([a_message()]) == "5b8333bf88b027bed2e3a48bf5f31513f066edd82b606c1ee86f98f3b2ef37a3"
    assert (
        digest_of([a_message(), a_message(seq=2, text="")])
        == "62cb4e672bc59c3a57cdb9d7b74a4a1b5ce593824ba755cb42bdf1d322938cdc"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"seq": 2},
        {"message_id": "m-2"},
        {"text": "Hello"},
        {"sent_at": NOON + timedelta(milliseconds=1)},
        {"sender": Sender(kind="operator", id="v-1", name="Ada")},
        {"sender": Sender(kind="visitor", id="v-2", name="Ada")},
        {"sender": Sender(kind="visitor", id="v-1", name="Eve")},
    ],
)
def test_whatever_a_reader_sees_is_covered(change):
    assert digest_of([a_message(**change)]) != digest_of([a_message()])


def test_order_and_number_are_covered():
    first, second = a_message(), a_message(seq=2)

    assert len({digest_of([first, second]), digest_of([second, first]), digest_of([first])}) == 3


def test_text_cannot_pose_as_the_border_between_messages():
    assert digest_of([a_message(text="a\nb")]) != digest_of([a_message(text="a"), a_message(text="b")])


def test_what_the_database_cuts_off_does_not_count():
    stored = NOON.replace(microsecond=123000)

    assert digest_of([a_message(sent_at=stored)]) == digest_of([a_message()])


def test_the_same_moment_in_another_zone_is_the_same():
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))

    assert digest_of([a_message(sent_at=elsewhere)]) == digest_of([a_message()])


def test_what_came_over_the_bus_has_the_same_digest():
    event = an_example(MessagePosted)

    assert digest_of([msgspec.json.decode(msgspec.json.encode(event), type=MessagePosted)]) == digest_of([event])


@given(st.datetimes(NOON.replace(year=1971, tzinfo=None), NOON.replace(year=2200, tzinfo=None)))
def test_milliseconds_are_cut_and_never_rounded(naive: datetime):
    aware = naive.replace(tzinfo=UTC)

    assert milliseconds(aware) == milliseconds(naive)
    assert datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds(aware)) == aware.replace(
        microsecond=aware.microsecond // 1000 * 1000
    )
