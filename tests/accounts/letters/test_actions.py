"""A letter is sent once, whatever the mail server and other senders do."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from chassis.mail import Mailer
from services.accounts.letters import actions
from services.accounts.letters.model import RETRY_AFTER, Letter
from tests.accounts.builders import UNWRITABLE, an_operator
from tests.accounts.notices.conftest import SENDER
from tests.accounts.notices.post_office import PostOffice


@pytest.fixture
def office():
    opened = PostOffice().open()
    yield opened
    opened.close()


@pytest.fixture
def here(context, office):
    an_operator(context, "c1", email="owner@c1.example", role="owner")
    an_operator(context, "c1", email="operator@c1.example")
    return dataclasses.replace(context, mailer=Mailer(office.url, sender=SENDER, timeout=5))


@pytest.fixture
def send(here):
    def send_letters(claimed_for=timedelta(minutes=1)):
        actions.send(letters=here.letters, operators=here.operators, mailer=here.mailer, claimed_for=claimed_for)

    return send_letters


def put(here, number=0, **changed):
    values = {"letter_id": f"l{number}.c1", "customer_id": "c1", "subject": "Hello", "text": "Hello,\n"} | changed
    here.letters.put_once("c1", Letter(**values))


def release(here):
    """As if the time had passed for which a letter waits."""
    here.database["letters"].update_many({}, [{"$set": {"due_at": {"$subtract": ["$$NOW", 1]}}}])


def states(here):
    return [each["state"] for each in here.database["letters"].find().sort("_id")]


def test_a_letter_goes_to_the_owners_once_and_its_words_are_not_kept(here, office, send):
    put(here)
    send()
    put(here)
    send()

    [(to, mail)] = office.mails
    assert (to, mail["Message-ID"], mail["Subject"]) == (("owner@c1.example",), "<l0.c1@velaro.example>", "Hello")
    assert "text" not in here.database["letters"].find_one()


def test_one_that_names_somebody_goes_to_them(here, office, send):
    put(here, to=("operator@c1.example",))
    send()

    assert office.copies() == {"operator@c1.example": 1}


def test_several_that_send_at_once_send_each_once(here, office, send):
    for number in range(30):
        put(here, number)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: send(), range(4)))

    assert set(office.ids().values()) == {1}
    assert len(office.mails) == 30


def test_while_the_mail_server_is_away_letters_wait(here, office, send):
    put(here)
    office.close()
    send()
    assert states(here) == ["waiting"]

    office.open()
    release(here)
    send()
    assert states(here) == ["sent"]


def test_a_refused_one_is_tried_again_and_then_given_up(here, office, send):
    put(here)
    office.refusals["owner@c1.example"] = "550 no such mailbox"
    for _ in range(len(RETRY_AFTER) + 1):
        assert states(here) == ["waiting"]
        release(here)
        send()
    assert states(here) == ["failed"]


def test_one_that_cannot_be_written_is_refused_and_the_others_go_out(here, office, send):
    put(here, 1, to=(UNWRITABLE,))
    put(here, 2)
    send()

    assert office.copies() == {"owner@c1.example": 1}
    assert here.database["letters"].find_one({"_id": "l1.c1"})["refusals"] == 1


def test_one_during_which_the_server_goes_away_lets_the_others_go_first(here, office, send):
    put(here, 1, to=("operator@c1.example",))
    office.refusals["operator@c1.example"] = "421 closing"
    send()
    put(here, 2)
    send()

    assert office.copies() == {"owner@c1.example": 1}
    assert states(here) == ["waiting", "sent"]


def test_one_that_is_for_nobody_is_no_reason_to_stop(here, office, send):
    put(here, 1)
    here.letters.put_once("c2", Letter(letter_id="a.c2", customer_id="c2", subject="x", text="x"))
    send()

    assert office.copies() == {"owner@c1.example": 1}


def test_a_letter_of_a_sender_that_died_is_sent_by_the_next(here, office, send):
    put(here)
    here.letters.claim(lasts=timedelta(milliseconds=1))
    send()

    assert states(here) == ["sent"]
