import pytest

from services.gateway.rates import Limit, TokenBucket


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_lets_a_burst_through_and_then_no_more():
    bucket = TokenBucket(10, 3, now=0.0)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]


def test_a_bucket_fills_again_at_its_rate_and_no_higher_than_the_burst():
    bucket = TokenBucket(10, 2, now=0.0)
    assert bucket.take(0.0)
    assert bucket.take(0.0)
    assert not bucket.take(0.05)
    assert bucket.take(0.15)
    assert [bucket.take(100.0) for _ in range(3)] == [True, True, False]


def test_a_limit_counts_each_key_for_itself_and_says_how_long_to_wait():
    clock = Clock()
    limit = Limit.per_minute(2, clock=clock)
    assert limit.seconds_to_wait("a") == 0
    assert limit.seconds_to_wait("a") == 0
    assert limit.seconds_to_wait("a") == pytest.approx(30)
    assert limit.seconds_to_wait("b") == 0
    clock.now += 31
    assert limit.seconds_to_wait("a") == 0


def test_a_limit_forgets_the_keys_used_least_recently():
    limit = Limit(0.001, 1, keys=2, clock=Clock())
    for key in ("a", "b", "c"):
        assert limit.seconds_to_wait(key) == 0
    assert limit.seconds_to_wait("c") > 0
    assert limit.seconds_to_wait("a") == 0


def test_a_limit_forgets_the_keys_that_are_as_good_as_new():
    clock = Clock()
    limit = Limit.per_minute(2, clock=clock)
    for key in ("a", "b"):
        limit.seconds_to_wait(key)
    clock.now += 20
    limit.seconds_to_wait("b")
    clock.now += 20
    limit.seconds_to_wait("c")
    assert len(limit) == 2
