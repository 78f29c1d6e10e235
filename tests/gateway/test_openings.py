import time
from uuid import UUID

import pytest

from chassis.ids import made_at, new_id
from services.gateway.openings import OPENING_SECONDS, Openings

OPENINGS = Openings("secret")


def aged(conversation_id: str, seconds: float) -> int:
    """The part of an id that is not its mark, as it would be had it been made so long ago."""
    return UUID(conversation_id).int - (int(seconds * 1000) << 80) >> 32


def an_id_made(seconds_ago: float) -> str:
    chosen = aged(new_id(), seconds_ago)
    return str(UUID(int=chosen << 32 | OPENINGS._mark(chosen, "visitor-1")))


def test_its_ids_are_like_all_others():
    before = time.time()
    ids = [OPENINGS.new_id("visitor-1") for _ in range(500)]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)
    assert {UUID(one).version for one in ids} == {7}
    assert before - 0.001 <= (made_at(ids[0]) or 0) <= time.time() + 0.001


def test_every_process_with_the_same_key_knows_whose_they_are():
    made = OPENINGS.new_id("visitor-1")
    assert Openings("secret").is_under_way(made, "visitor-1")
    assert not Openings("another").is_under_way(made, "visitor-1")


@pytest.mark.parametrize("whose", ["visitor-2", "operator-1", ""])
def test_to_everybody_else_they_say_nothing(whose):
    assert not OPENINGS.is_under_way(OPENINGS.new_id("visitor-1"), whose)


@pytest.mark.parametrize(
    ("seconds_ago", "is_under_way"),
    [(0, True), (OPENING_SECONDS - 30, True), (OPENING_SECONDS + 30, False), (30 - OPENING_SECONDS, True)],
)
def test_an_opening_is_under_way_for_some_minutes(seconds_ago, is_under_way):
    assert OPENINGS.is_under_way(an_id_made(seconds_ago), "visitor-1") is is_under_way


@pytest.mark.parametrize("name", ["", "c-1", "x" * 36])
def test_what_is_no_id_is_no_opening(name):
    assert not OPENINGS.is_under_way(name, "visitor-1")


def test_an_id_that_others_made_is_no_opening():
    assert not OPENINGS.is_under_way(new_id(), "visitor-1")
