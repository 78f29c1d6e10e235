"""Every customer is told once, whatever the mail server and other senders do."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from chassis.clock import now
from chassis.testing import eventually
from services.accounts.customers.model import Customer
from services.accounts.notices import actions, model
from services.accounts.notices.model import RETRY_AFTER
from tests.accounts.builders import NOW, UNWRITABLE, a_posted_version, an_operator
from tests.accounts.notices.conftest import a_customer

MAIL_GONE = "550 no such mailbox"


def release(here, **which):
    """As if the time had passed for which a notice waits."""
    here.database["notices"].update_many(which, {"$set": {"due_at": now() - timedelta(seconds=1)}})


def test_every_customer_gets_one_mail_to_all_its_owners_and_to_nobody_else(here, office, start_due, send, progress):
    a_customer(here, "one")
    a_customer(here, "two", owners=2)

    assert start_due() == [(2, "notice")]
    assert not send()

    assert sorted(addresses for addresses, _ in office.mails) == [
        ("owner0@one.example",),
        ("owner0@two.example", "owner1@two.example"),
    ]
    assert (progress().customers, progress().sent, progress().waiting, progress().repeated) == (2, 2, 0, 0)


def test_the_mail_says_what_changes_when_and_where_the_text_is(here, office, send):
    a_customer(here, "one")
    send()

    [(_, mail)] = office.mails
    effective_at = here.policies.get(2).effective_at
    assert mail["Subject"] == f"Our privacy policy changes on {effective_at:%-d %B %Y}"
    assert mail["Message-ID"] == "<policy-2-notice.one@velaro.example>"
    text = mail.get_payload(decode=True).decode()
    for said in ("Change 2.", f"{effective_at:%-d %B %Y, %H:%M} UTC", "https://chat.velaro.example/policy/2"):
        assert said in text


def test_a_mail_has_the_date_of_its_sending(here, office, send):
    a_customer(here, "one")
    send(clock=lambda: NOW)

    assert office.mails[0][1]["Date"] == "Fri, 01 May 2026 12:00:00 +0000"


def test_an_id_stays_on_one_line_however_long_it_is(here, office, send):
    a_customer(here, "a" * 60)
    send()

    [(_, mail)] = office.mails
    assert mail["Message-ID"] == f"<policy-2-notice.{'a' * 60}@velaro.example>"


def test_sent_again_nobody_gets_another(here, office, start_due, send):
    a_customer(here, "one")
    send()

    assert start_due() == []
    assert not send()
    assert office.copies() == {"owner0@one.example": 1}


def test_several_that_send_at_once_send_each_mail_once(here, office, send, progress):
    for number in range(40):
        a_customer(here, f"c{number}")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: send(claimed_for=timedelta(minutes=1)), range(4)))

    assert set(office.ids().values()) == {1}
    assert (len(office.mails), progress().sent, progress().repeated) == (40, 40, 0)


def test_a_customer_who_comes_while_it_is_upcoming_is_told_too(here, office, start_due, send):
    a_customer(here, "one")
    send()
    a_customer(here, "two")

    assert start_due() == [(2, "notice")]
    send()
    assert office.copies() == {"owner0@one.example": 1, "owner0@two.example": 1}


def test_who_comes_behind_a_plan_that_was_broken_off_is_told_too(here, office, start_due, send, progress):
    a_customer(here, "z")
    here.notices.begin(2, "notice")
    here.notices.plan(2, "notice", ["z"])
    a_customer(here, "a")
    send()

    assert start_due() == [(2, "notice")]
    send()
    assert office.copies() == {"owner0@a.example": 1, "owner0@z.example": 1}
    assert (progress().customers, start_due()) == (2, [])


def test_who_comes_when_it_is_in_force_is_not_told_of_a_change(here, context, office, send, start_due):
    a_customer(here, "one")
    send()
    here.database["policy_versions"].delete_one({"_id.number": 2})
    a_posted_version(here.database["policy_versions"], 2, posted_at=now() - timedelta(days=16))
    here.policies.activate_due()
    a_customer(here, "two")

    assert start_due() == []


def test_while_somebody_works_on_it_nobody_else_is_sent_for_it(here, start_due):
    a_customer(here, "one")

    assert start_due() == [(2, "notice")]
    assert start_due() == []


def test_a_job_that_has_more_to_do_says_so_and_goes_on(here, office, send):
    for number in range(3):
        a_customer(here, f"c{number}")

    assert send(lasts=timedelta(microseconds=1)) or send(lasts=timedelta(microseconds=1))
    while send():
        continue
    assert set(office.copies().values()) == {1}
    assert len(office.mails) == 3


class TestRefusals:
    def test_a_refused_address_is_tried_again_later_each_time_and_then_listed(self, here, office, send, progress):
        a_customer(here, "one")
        office.refusals["owner0@one.example"] = MAIL_GONE
        for _ in RETRY_AFTER:
            send()
            assert not send()
            assert (progress().waiting, progress().failed) == (1, 0)
            release(here)
        send()

        [unsent] = progress().unsent
        assert (progress().waiting, progress().failed) == (0, 1)
        assert (unsent.customer_id, unsent.addresses) == ("one", ("owner0@one.example",))
        assert "no such mailbox" in unsent.reason
        assert unsent.attempts == len(RETRY_AFTER) + 1

    def test_the_waits_grow(self):
        waits = [model.pause_after(refusals) for refusals in range(1, len(RETRY_AFTER) + 2)]

        assert waits[-1] is None
        assert waits[:-1] == sorted(waits[:-1])

    def test_of_two_owners_the_one_who_was_reached_gets_no_second_mail(self, here, office, send, progress):
        a_customer(here, "one", owners=2)
        office.refusals["owner1@one.example"] = "450 try later"
        send()
        assert progress().waiting == 1
        office.refusals.clear()
        release(here)
        send()

        assert office.copies() == {"owner0@one.example": 1, "owner1@one.example": 1}
        assert (progress().sent, progress().unsent) == (1, ())

    def test_a_customer_without_an_owner_is_listed(self, here, send, progress):
        a_customer(here, "one", owners=0)
        send()

        assert [unsent.reason for unsent in progress().unsent] == [actions.NO_OWNER]

    def test_an_owner_who_comes_after_the_first_attempt_is_told(self, here, office, send, progress):
        a_customer(here, "one", owners=0)
        send()
        an_operator(here, "one", email="late@one.example", role="owner")
        release(here)
        send()

        assert office.copies() == {"late@one.example": 1}
        assert (progress().sent, progress().unsent) == (1, ())

    def test_who_became_owner_in_place_of_one_whose_mail_came_back_is_told(self, here, office, send, progress):
        a_customer(here, "one")
        office.refusals["owner0@one.example"] = MAIL_GONE
        send()
        here.database["operators"].update_one({"email": "owner0@one.example"}, {"$set": {"is_active": False}})
        an_operator(here, "one", email="new@one.example", role="owner")
        release(here)
        send()

        assert office.copies() == {"new@one.example": 1}
        assert progress().sent == 1

    def test_when_only_those_are_owners_who_were_reached_nothing_is_left_to_send(self, here, office, send, progress):
        a_customer(here, "one", owners=2)
        office.refusals["owner1@one.example"] = MAIL_GONE
        send()
        here.database["operators"].update_one({"email": "owner1@one.example"}, {"$set": {"is_active": False}})
        release(here)
        send()

        assert office.copies() == {"owner0@one.example": 1}
        assert (progress().sent, progress().unsent) == (1, ())

    def test_one_whose_address_cannot_be_written_does_not_keep_the_others(self, here, office, send, progress):
        for name in ("a", "b"):
            a_customer(here, name)
        an_operator(here, "unwritable", email=UNWRITABLE, role="owner")
        here.customers.add_once(Customer(customer_id="unwritable", name="Shop", created_at=NOW))
        send()

        assert set(office.copies()) == {"owner0@a.example", "owner0@b.example"}
        assert [each.customer_id for each in progress().unsent] == ["unwritable"]

    def test_one_that_is_refused_does_not_keep_the_others(self, here, office, send):
        for name in ("a", "b", "c"):
            a_customer(here, name)
        office.refusals["owner0@b.example"] = MAIL_GONE
        send()

        assert set(office.copies()) == {"owner0@a.example", "owner0@c.example"}


class TestAnAwayServer:
    def test_nothing_is_lost_and_nobody_counts_as_refused(self, here, office, send, progress, start_due):
        a_customer(here, "one")
        office.close()

        assert not send()
        assert progress().away_since is not None
        assert (progress().waiting, progress().unsent) == (1, ())
        assert start_due() == []

        office.open()
        here.database["notice_runs"].update_one({}, {"$set": {"away_until": now() - timedelta(seconds=1)}})
        assert start_due() == [(2, "notice")]
        send()
        assert office.copies() == {"owner0@one.example": 1}
        assert progress().away_since is None

    def test_the_pauses_grow_and_stay_bounded(self):
        pauses = [model.away_after(times) for times in range(1, 9)]

        assert pauses == sorted(pauses)
        assert pauses[-1] == timedelta(minutes=15)


class TestReminders:
    @pytest.mark.parametrize(
        ("before", "due"),
        [(timedelta(days=4), []), (timedelta(days=2), ["reminder"]), (timedelta(hours=-1), [])],
    )
    def test_it_is_due_in_the_last_three_days(self, here, before, due):
        effective_at = now() + before
        here.database["policy_versions"].delete_one({"_id.number": 2})
        a_posted_version(here.database["policy_versions"], 2, posted_at=effective_at - timedelta(days=15))
        moment, versions = here.policies.all()

        assert [kind for version, kind in model.due(versions, moment) if kind == "reminder"] == due

    def test_each_customer_gets_one_beside_the_notice(self, here, office, send):
        a_customer(here, "one")
        send()
        send("reminder")
        send("reminder")

        assert sorted(office.ids().items()) == [
            ("<policy-2-notice.one@velaro.example>", 1),
            ("<policy-2-reminder.one@velaro.example>", 1),
        ]
        assert office.mails[1][1]["Subject"].startswith("Reminder")

    def test_what_was_replaced_and_the_first_version_are_told_no_more(self, here):
        versions = here.database["policy_versions"]
        versions.delete_many({"_id.number": 2})
        for number in (2, 3):
            a_posted_version(versions, number, posted_at=now() - timedelta(days=20 - number))
        here.policies.activate_due()
        moment, found = here.policies.all()

        assert [(version.number, kind) for version, kind in model.due(found, moment)] == [(3, "notice")]


def test_a_sender_that_was_broken_off_is_noticed_as_perhaps_a_repetition(here, office, send, progress):
    a_customer(here, "one")
    send(lasts=timedelta(0))
    here.notices.claim(2, "notice", lasts=timedelta(milliseconds=10))
    eventually(lambda: not send() and progress().sent == 1)

    assert progress().repeated == 1
    assert office.copies() == {"owner0@one.example": 1}
