import threading

import pytest

from chassis import correlation


def test_there_is_no_id_outside_of_any_request():
    assert correlation.current() == ""


def test_everything_inside_belongs_to_the_id_and_nothing_after():
    with correlation.bound("req-1"):
        with correlation.bound("req-2") as inner:
            assert correlation.current() == inner == "req-2"
        assert correlation.current() == "req-1"
    assert correlation.current() == ""


@pytest.mark.parametrize("unfit", [None, "", "a" * 65, "two words", "line\nbreak", "ünfit", '"'])
def test_an_id_unfit_for_a_log_is_replaced(unfit):
    with correlation.bound(unfit) as chosen:
        assert chosen
        assert chosen != unfit


def test_threads_do_not_share_it():
    seen = []
    with correlation.bound("req-1"):
        thread = threading.Thread(target=lambda: seen.append(correlation.current()))
        thread.start()
        thread.join()

    assert seen == [""]
