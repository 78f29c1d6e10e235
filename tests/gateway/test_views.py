from services.gateway.views import MOST_HELD, View


def a_view(last_seq: int = 0) -> View:
    view = View(is_party=True)
    view.start_after(last_seq)
    return view


def test_messages_in_turn_are_shown_and_old_ones_are_not():
    view = a_view(3)
    assert view.offer(4, b"4") == b"4"
    assert view.offer(4, b"4") == b""
    assert view.offer(2, b"2") == b""
    assert not view.is_catching_up


def test_a_gap_holds_what_comes_after_it_until_it_is_filled():
    view = a_view(1)
    assert view.offer(3, b"3") == b""
    assert view.is_catching_up
    assert view.offer(4, b"4") == b""
    assert view.begin_fetching() == 1
    view.shown_up_to(2)
    assert view.release() == b"34"
    assert not view.is_catching_up


def test_a_sync_shows_again_what_was_shown_and_holds_what_is_live():
    view = a_view(5)
    assert view.catch_up_from(2)
    assert view.offer(6, b"6") == b""
    assert view.begin_fetching() == 2
    view.shown_up_to(5)
    assert view.release() == b"6"


def test_a_second_sync_starts_the_first_one_over():
    view = a_view(5)
    assert view.catch_up_from(4)
    assert not view.catch_up_from(1)
    view.shown_up_to(5)
    view.release()
    assert view.is_catching_up
    assert view.begin_fetching() == 1


def test_what_is_live_waits_while_the_client_has_not_said_what_it_has():
    view = a_view(5)
    view.pause()
    assert view.offer(6, b"6") == b""
    assert view.catch_up_from(3)
    assert view.begin_fetching() == 3
    view.shown_up_to(5)
    assert view.release() == b"6"


def test_a_client_that_missed_nothing_gets_what_waited():
    view = a_view(5)
    view.pause()
    view.offer(6, b"6")
    assert view.release() == b"6"
    assert not view.is_paused
    assert not view.is_catching_up


def test_after_an_outage_a_view_fetches_even_if_nothing_seems_to_be_missing():
    view = a_view(5)
    assert view.fetch_missing()
    assert not view.fetch_missing()
    assert view.begin_fetching() == 5
    assert view.release() == b""
    assert not view.is_catching_up


def test_an_outage_while_fetching_makes_it_fetch_once_more():
    view = a_view(5)
    view.fetch_missing()
    view.begin_fetching()
    view.fetch_missing()
    view.release()
    assert view.is_catching_up


def test_more_than_can_be_held_is_fetched():
    view = a_view(0)
    for seq in range(2, MOST_HELD + 10):
        view.offer(seq, b"x")
    view.shown_up_to(1)
    assert len(view.release()) == MOST_HELD
    assert view.is_catching_up
    assert view.is_behind


def test_only_what_this_socket_was_sent_counts_as_shown():
    view = a_view(5)
    view.offer(6, b"6")
    assert [view.has_shown(seq) for seq in (5, 6, 7)] == [False, True, False]
    view.catch_up_from(3)
    view.shown_up_to(6)
    assert view.has_shown(4)
    assert not view.has_shown(3)
