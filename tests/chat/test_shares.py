"""Who is to have which partitions, for any relays that come and go."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from services.chat.shares import evened

relays = st.sets(st.sampled_from("abcdefgh"), min_size=1)


def sizes(shares: dict[int, str]) -> list[int]:
    return sorted(Counter(shares.values()).values())


def moved(before: dict[int, str], after: dict[int, str]) -> int:
    return sum(before.get(partition) != relay_id for partition, relay_id in after.items())


def test_sixteen_partitions_of_three_relays():
    assert sizes(evened({}, "abc", 16)) == [5, 5, 6]


def test_one_that_joins_takes_from_each_no_more_than_its_share():
    two = evened({}, "ab", 16)
    three = evened(two, "abc", 16)
    assert moved(two, three) == 5
    assert {three[partition] for partition in three if two[partition] != three[partition]} == {"c"}


def test_what_a_relay_leaves_goes_to_the_others_and_nothing_else_moves():
    three = evened({}, "abc", 15)
    two = evened(three, "ab", 15)
    assert all(two[partition] == relay_id for partition, relay_id in three.items() if relay_id != "c")


def test_another_number_of_partitions_is_shared_out_like_any():
    assert sizes(evened(evened({}, "abc", 32), "abc", 8)) == [2, 3, 3]


@given(st.integers(1, 100), st.lists(relays, min_size=1, max_size=6))
def test_shares_are_whole_and_even_and_move_as_little_as_can_be(count: int, history: list[set[str]]):
    shares: dict[int, str] = {}
    for present in history:
        before, shares = shares, evened(shares, present, count)
        held = Counter(relay_id for relay_id in before.values() if relay_id in present)
        assert sorted(shares) == list(range(count))
        counted = Counter(dict.fromkeys(present, 0)) + Counter(shares.values())
        assert max(counted.values()) - min(shares_of(shares, present)) <= 1
        room = sorted(shares_of(shares, present), reverse=True)
        # Nobody could keep more than fits, with the larger shares for those who had most.
        most_kept = sum(
            min(size, had) for size, had in zip(room, sorted(held_by(held, present), reverse=True), strict=True)
        )
        assert moved(before, shares) == count - most_kept
        assert evened(shares, present, count) == shares


def shares_of(shares: dict[int, str], present: set[str]) -> list[int]:
    return [sum(each == relay_id for each in shares.values()) for relay_id in present]


def held_by(held: Counter, present: set[str]) -> list[int]:
    return [held[relay_id] for relay_id in present]
