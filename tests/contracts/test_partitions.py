import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.partitions import command_key, partition_of, partition_queue


@pytest.mark.parametrize(
    ("conversation_id", "count", "partition"),
    [
        ("019a6f40-52d7-7b11-8c3d-6a5b4c3d2e1f", 8, 2),
        ("019a6f40-52d7-7b11-8c3d-6a5b4c3d2e1f", 32, 10),
        ("conversation-1", 8, 4),
        ("conversation-2", 8, 6),
        ("", 8, 0),
        ("☃", 8, 4),
    ],
)
def test_a_conversation_stays_in_its_partition_for_ever(conversation_id, count, partition):
    """Fixed vectors: two releases that disagree would give a conversation two writers."""
    assert partition_of(conversation_id, count) == partition


@given(st.text(), st.integers(1, 100))
def test_there_is_a_partition_for_every_conversation(conversation_id, count):
    assert 0 <= partition_of(conversation_id, count) < count


def test_conversations_spread_over_the_partitions():
    sizes = [0] * 8
    for number in range(8000):
        sizes[partition_of(f"019a6f40-52d7-7b11-8c3d-{number:012x}", 8)] += 1

    assert min(sizes) > 700


def test_partitions_are_named_so_that_they_sort():
    assert [partition_queue(0), partition_queue(7), partition_queue(31)] == ["chat.p.00", "chat.p.07", "chat.p.31"]


def test_whoever_goes_by_another_number_of_partitions_sends_where_nobody_takes_it():
    assert command_key("conversation-1", 8) != command_key("conversation-1", 16)
    assert command_key("conversation-1", 8) == f"{partition_queue(partition_of('conversation-1', 8))}.of.8"
