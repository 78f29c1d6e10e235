import threading
import time
from statistics import median

import pytest

from services.accounts.operators.passwords import Passwords, PasswordsBusy


@pytest.fixture
def passwords():
    return Passwords(time_cost=1, memory_kib=64, parallelism=1)


def test_the_password_matches_and_no_other(passwords):
    password_hash = passwords.hash("correct horse battery")

    assert "correct" not in password_hash
    assert passwords.matches("correct horse battery", password_hash)
    assert not passwords.matches("correct horse batterY", password_hash)


def test_nobody_has_any_password(passwords):
    assert not passwords.matches("correct horse battery", None)
    assert not passwords.matches("", None)


def test_the_same_password_is_hashed_differently_each_time(passwords):
    assert passwords.hash("correct horse battery") != passwords.hash("correct horse battery")


def test_a_hash_of_yesterdays_parameters_still_matches_and_is_outdated(passwords):
    password_hash = passwords.hash("correct horse battery")
    stronger = Passwords(time_cost=2, memory_kib=64, parallelism=1)

    assert stronger.matches("correct horse battery", password_hash)
    assert stronger.is_outdated(password_hash)
    assert not passwords.is_outdated(password_hash)


def test_nobody_costs_as_much_as_somebody():
    passwords = Passwords(time_cost=2, memory_kib=16 * 1024, parallelism=1)
    password_hash = passwords.hash("correct horse battery")

    def seconds(known):
        # Of this thread alone: what else the machine does must not count.
        started = time.thread_time()
        passwords.matches("wrong", known)
        return time.thread_time() - started

    pairs = [(seconds(password_hash), seconds(None)) for _ in range(15)]
    somebody, nobody = (median(times) for times in zip(*pairs, strict=True))

    assert 0.4 < nobody / somebody < 2.5


def test_no_more_than_the_bound_are_checked_at_once():
    passwords = Passwords(time_cost=1, memory_kib=8, parallelism=1, at_once=1, patience=0.05)
    entered, leave = threading.Event(), threading.Event()

    def occupy():
        with passwords._slot():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=occupy)
    thread.start()
    entered.wait(10)
    with pytest.raises(PasswordsBusy):
        passwords.matches("correct horse battery", None)
    leave.set()
    thread.join()

    assert not passwords.matches("correct horse battery", None)


def test_a_failed_check_gives_its_place_back():
    passwords = Passwords(time_cost=1, memory_kib=8, parallelism=1, at_once=1, patience=0.05)

    for _ in range(3):
        assert not passwords.matches("wrong", None)
