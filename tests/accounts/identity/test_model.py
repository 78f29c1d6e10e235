"""The table that decides who has to show an identity document."""

from datetime import timedelta
from itertools import pairwise

import pytest

from services.accounts.identity import model
from services.accounts.identity.model import ACTIONS, LIMITS, STRICTNESS, WEIGHTS
from services.accounts.operators.model import Operator
from services.accounts.sessions.model import Place, Session
from tests.accounts.builders import NOW

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def a_session(**changed):
    fields = {"ip": "192.0.2.7", "user_agent": FIREFOX, "created_at": NOW - timedelta(hours=1)} | changed
    return Session(
        session_id="s",
        customer_id="c1",
        operator_id="ann",
        secret_hash="",
        last_used_at=NOW,
        expires_at=NOW + timedelta(hours=10),
        **fields,
    )


def an_operator(password_changed_at=None):
    return Operator(
        operator_id="ann",
        customer_id="c1",
        email="ann@shop.example",
        name="Ann",
        role="owner",
        password_hash="",
        created_at=NOW - timedelta(days=100),
        password_changed_at=password_changed_at,
    )


def places(session, ago):
    seen = NOW - ago
    return [
        Place(kind="address", fingerprint=session.address_fingerprint, first_seen_at=seen),
        Place(kind="device", fingerprint=session.device_fingerprint, first_seen_at=seen),
    ]


HOME = places(a_session(), timedelta(days=100))


def signs(session, known=HOME, operator=None):
    return model.signals(session, known, operator or an_operator(), NOW)


def test_at_home_nothing_is_unusual():
    assert signs(a_session()) == set()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"ip": "192.0.2.200"}, set()),
        ({"user_agent": FIREFOX.replace("140", "141")}, set()),
        ({"ip": "198.51.100.7"}, {"new-address"}),
        ({"ip": "2001:db8::1"}, {"new-address"}),
        ({"ip": "nonsense"}, {"new-address"}),
        ({"user_agent": "curl/8"}, {"new-device"}),
        ({"created_at": NOW - timedelta(minutes=9)}, {"young-session"}),
        ({"ip": "198.51.100.7", "user_agent": "", "created_at": NOW}, {"new-address", "new-device", "young-session"}),
    ],
)
def test_what_is_unusual_about_a_session_is_seen(changed, expected):
    assert signs(a_session(**changed)) == expected


def test_signing_in_twice_from_somewhere_new_does_not_make_it_known():
    elsewhere = a_session(ip="198.51.100.7", user_agent="curl/8")
    for ago, expected in ((timedelta(days=6), {"new-address", "new-device"}), (timedelta(days=7), set())):
        assert signs(elsewhere, HOME + places(elsewhere, ago)) == expected


def test_where_an_operator_first_signed_in_is_home_from_the_start():
    assert signs(a_session(), places(a_session(), timedelta(0))) == set()
    assert signs(a_session(), []) == {"new-address", "new-device"}


def test_a_password_is_new_for_three_days():
    for days, expected in ((2, {"recent-password-change"}), (3, set())):
        assert signs(a_session(), operator=an_operator(NOW - timedelta(days=days))) == expected


TABLE = [
    # signs of the session, and what they make of each action under each strictness: - lets pass, D demands
    #                                                 view contact billing transfer relax
    ((), "by-risk", "---DD"),
    (("young-session",), "by-risk", "---DD"),
    (("new-device",), "by-risk", "---DD"),
    (("new-device", "young-session"), "by-risk", "-DDDD"),
    (("new-address", "recent-password-change"), "by-risk", "DDDDD"),
    (("new-address", "new-device"), "by-risk", "DDDDD"),
    ((), "always", "DDDDD"),
    ((), "high-risk", "---DD"),
    (("new-address", "new-device"), "high-risk", "---DD"),
    (("new-address", "new-device", "young-session"), "high-risk", "DDDDD"),
]


@pytest.mark.parametrize(("found", "strictness", "row"), TABLE)
def test_the_table_says_who_has_to_show_a_document(found, strictness, row):
    demanded = [model.is_demanded(action, strictness, frozenset(found), is_first=False) for action in ACTIONS]
    assert "".join("D" if each else "-" for each in demanded) == row


def test_details_that_are_given_for_the_first_time_are_given_freely_unless_it_is_always():
    everything = frozenset(WEIGHTS)
    for strictness in STRICTNESS:
        is_demanded = model.is_demanded("change-billing", strictness, everything, is_first=True)
        assert is_demanded == (strictness == "always")


def test_what_is_stricter_never_demands_less():
    for lax, strict in pairwise(STRICTNESS):
        assert all(LIMITS[strict][action] <= LIMITS[lax][action] for action in ACTIONS)
        assert model.is_stricter_or_same(strict, lax)
        assert not model.is_stricter_or_same(lax, strict)


def test_the_ownership_and_the_rule_itself_are_never_open_to_a_session_alone():
    assert all(LIMITS[strictness][action] == 0 for strictness in STRICTNESS for action in ACTIONS[3:])
