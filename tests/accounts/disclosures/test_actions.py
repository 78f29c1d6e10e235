"""Who may decide, what comes of it, and who is told when."""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest

from contracts.disclosures import PeriodScope, VisitorScope
from services.accounts.audit.model import STAFF_CHAIN
from services.accounts.customers.model import Customer
from services.accounts.disclosures import actions
from services.accounts.disclosures.model import (
    AlreadyDecided,
    AttemptLost,
    BundleGone,
    CustomerNotFound,
    DisclosureNotFound,
    GagNotValid,
    KeyNotValid,
    PeriodNotOver,
    SecondPersonNeeded,
)
from tests.accounts.builders import NOW, UNWRITABLE, an_operator
from tests.accounts.disclosures.conftest import LEA, LEO
from tests.accounts.disclosures.words import MARKER, THREE, SomeWords

HOUR = timedelta(hours=1)


def standing(here, disclosure):
    return here.disclosures.get(disclosure.disclosure_id)


def state(here, disclosure):
    return standing(here, disclosure).disclosure.state


def acts(here, chain=STAFF_CHAIN):
    return [entry.act for entry in reversed(here.audit.newest(chain, before=None, limit=100))]


def set_back(here, disclosure, **fields):
    """As if time had passed."""
    here.database["disclosures"].update_one({"_id": disclosure.disclosure_id}, {"$set": fields})


class TestDeciding:
    def test_a_second_person_approves(self, here, request_one, decide):
        disclosure = request_one()
        assert state(here, disclosure) == "requested"

        decision = decide(disclosure).disclosure.decision

        assert state(here, disclosure) == "approved"
        assert (decision.by, decision.reason) == (LEO, "It fits.")
        assert abs(decision.at - datetime.now(UTC)) < timedelta(minutes=1)
        assert acts(here) == ["disclosures.request", "disclosures.decide"]

    def test_nobody_decides_about_what_they_asked_for(self, here, request_one, decide):
        disclosure = request_one()

        for outcome in ("approved", "refused"):
            with pytest.raises(SecondPersonNeeded):
                decide(disclosure, outcome, by=LEA)

        assert state(here, disclosure) == "requested"
        tried = here.audit.newest(STAFF_CHAIN, before=None, limit=1)[0]
        assert tried.details["outcome"] == "SecondPersonNeeded"

    def test_it_is_decided_once(self, here, request_one, decide):
        disclosure = request_one()
        decide(disclosure, "refused")

        with pytest.raises(AlreadyDecided):
            decide(disclosure, "approved")
        assert state(here, disclosure) == "refused"
        assert here.disclosures.due(limit=5) == []

    def test_of_many_at_once_one_decides(self, here, request_one, decide):
        disclosure, outcomes = request_one(), []
        barrier = threading.Barrier(6)

        def try_it(number):
            barrier.wait()
            try:
                decide(disclosure, "approved" if number % 2 else "refused")
            except AlreadyDecided:
                return
            outcomes.append("approved" if number % 2 else "refused")

        threads = [threading.Thread(target=try_it, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert outcomes == [state(here, disclosure)]

    def test_what_is_not_there_is_not_decided(self, here, decide, request_one):
        disclosure = request_one()
        here.database["disclosures"].delete_many({})

        with pytest.raises(DisclosureNotFound):
            decide(disclosure)

    def test_the_audit_names_ground_and_scope_and_none_of_the_words_of_staff(self, here, request_one):
        request_one(explanation=MARKER)

        [entry] = here.audit.newest(STAFF_CHAIN, before=None, limit=5)
        assert entry.details == {"ground": "legal-process", "scope": "conversations", "conversations": "3"}
        assert MARKER not in str(entry)


class TestAsking:
    def test_only_for_a_customer_that_exists(self, request_one):
        with pytest.raises(CustomerNotFound):
            request_one(customer_id="nobody")

    def test_only_for_a_key_that_can_be_sealed_for(self, request_one):
        with pytest.raises(KeyNotValid):
            request_one(recipient_key="x")

    @pytest.mark.parametrize(
        "gag",
        [
            {"gag_until": datetime.now(UTC) - HOUR, "gag_reference": "7 B 12"},
            {"gag_until": datetime.now(UTC) + HOUR},
            {"gag_reference": "7 B 12"},
        ],
    )
    def test_a_gag_lies_in_the_future_and_names_its_court(self, request_one, gag):
        with pytest.raises(GagNotValid):
            request_one(**gag)

    @pytest.mark.parametrize(("since", "until"), [(-2, 1), (-1, -2), (-1, -1)])
    def test_a_period_is_over(self, request_one, since, until):
        present = datetime.now(UTC)
        with pytest.raises(PeriodNotOver):
            request_one(scope=PeriodScope(since=present + since * HOUR, until=present + until * HOUR))


class TestEmergency:
    def test_one_person_is_enough_and_another_reviews(self, here, request_one, review):
        disclosure = request_one(ground="emergency")
        assert state(here, disclosure) == "approved"
        due = standing(here, disclosure).disclosure.review.due_at
        assert due - disclosure.requested_at == timedelta(hours=72)

        reviewed = review(disclosure, "refused").disclosure.review

        assert (reviewed.outcome, reviewed.by, reviewed.reason) == ("refused", LEO, "I looked.")
        with pytest.raises(AlreadyDecided):
            review(disclosure)

    def test_what_the_second_person_refuses_in_time_is_not_carried_out(self, here, request_one, review, execute, tell):
        disclosure, words = request_one(ground="emergency"), SomeWords(THREE)
        assert review(disclosure, "refused").disclosure.state == "refused"
        started: list[str] = []
        actions.start_due(started.append, disclosures=here.disclosures)
        execute(disclosure, words)
        tell()

        assert (started, words.asked) == ([], [])
        assert here.disclosures.told("c1", before=None, limit=10) == []
        assert acts(here) == ["disclosures.request", "disclosures.review"]

    def test_what_is_upheld_is_carried_out(self, here, request_one, review, execute, opened):
        disclosure = request_one(ground="emergency")
        review(disclosure)
        execute(disclosure)

        assert state(here, disclosure) == "executed"
        assert len(opened(disclosure)[0].files) == 3

    def test_refused_in_the_middle_it_ends_there_and_nothing_stays(self, here, request_one, review, execute):
        disclosure = request_one(ground="emergency")

        class Reviewed(SomeWords):
            def conversation(self, of, conversation_id):
                if len(self.asked) == 2:
                    assert here.database["disclosure_parts"].count_documents({}) > 0
                    review(disclosure, "refused")
                return super().conversation(of, conversation_id)

        with pytest.raises(AttemptLost):
            execute(disclosure, Reviewed(THREE))

        assert state(here, disclosure) == "refused"
        assert here.database["disclosure_parts"].count_documents({}) == 0
        assert acts(here)[-2:] == ["disclosures.review", "disclosures.discard"]

    def test_who_notices_late_leaves_nothing_either(self, here, request_one, review, execute):
        disclosure = request_one(ground="emergency")

        class Late(SomeWords):
            def conversation(self, of, conversation_id):
                if len(self.asked) == 2:
                    attempt = here.database["disclosures"].find_one()["attempt"]
                    review(disclosure, "refused")
                    actions.discard_refused(disclosures=here.disclosures, audit=here.audit)
                    here.disclosures.put_part(disclosure.disclosure_id, attempt, 9, b"sealed")
                return super().conversation(of, conversation_id)

        with pytest.raises(AttemptLost):
            execute(disclosure, Late(THREE))

        assert here.database["disclosure_parts"].count_documents({}) == 0

    def test_what_a_killed_process_had_made_of_it_is_removed(self, here, request_one, review):
        disclosure = request_one(ground="emergency")
        here.disclosures.claim(disclosure.disclosure_id, "attempt", lasts=HOUR)
        here.disclosures.put_part(disclosure.disclosure_id, "attempt", 0, b"sealed")
        review(disclosure, "refused")

        for _ in range(2):
            actions.discard_refused(disclosures=here.disclosures, audit=here.audit)

        assert here.database["disclosure_parts"].count_documents({}) == 0
        assert acts(here).count("disclosures.discard") == 1

    def test_refused_afterwards_its_bundle_is_fetched_no_more(self, here, request_one, review, execute, sealed):
        disclosure = request_one(ground="emergency")
        execute(disclosure)
        assert sealed(disclosure)

        refused = review(disclosure, "refused")

        assert refused.disclosure.state == "executed"
        assert refused.disclosure.bundle.kept_until <= refused.read_at
        with pytest.raises(BundleGone):
            sealed(disclosure)
        assert here.disclosures.remove_expired() == 1
        assert here.database["disclosure_parts"].count_documents({}) == 0
        [told] = here.disclosures.told("c1", before=None, limit=10)
        assert told.review.outcome == "refused"

    def test_a_bundle_whose_time_was_over_was_not_kept_longer(self, here, request_one, review, execute):
        disclosure, over = request_one(ground="emergency"), datetime(2026, 1, 1, tzinfo=UTC)
        execute(disclosure)
        set_back(here, disclosure, **{"bundle.kept_until": over})

        assert review(disclosure, "refused").disclosure.bundle.kept_until == over

    def test_nobody_reviews_themselves(self, here, request_one, review):
        disclosure = request_one(ground="emergency")

        with pytest.raises(SecondPersonNeeded):
            review(disclosure, by=LEA)
        assert standing(here, disclosure).disclosure.review.outcome is None

    def test_what_was_decided_by_two_has_nothing_to_review(self, request_one, decide, review):
        disclosure = request_one()
        decide(disclosure)

        with pytest.raises(AlreadyDecided):
            review(disclosure)

    def test_what_nobody_reviews_in_time_is_overdue(self, here, request_one, review):
        disclosure = request_one(ground="emergency")
        assert (here.disclosures.overdue(), standing(here, disclosure).is_overdue) == (0, False)

        set_back(here, disclosure, **{"review.due_at": datetime.now(UTC) - HOUR})
        assert (here.disclosures.overdue(), standing(here, disclosure).is_overdue) == (1, True)

        review(disclosure)
        assert (here.disclosures.overdue(), standing(here, disclosure).is_overdue) == (0, False)


class TestExecuting:
    def test_the_bundle_is_exactly_what_there_is(self, here, request_one, decide, execute, opened):
        disclosure = request_one()
        decide(disclosure)

        execute(disclosure, SomeWords({"c-1": 10, "c-2": 20}, gone=("c-3",)))

        manifest, folder = opened(disclosure)
        assert [file.path for file in manifest.files] == ["conversations/c-1.json", "conversations/c-2.json"]
        assert manifest.missing == ("c-3",)
        kept = standing(here, disclosure).disclosure.bundle
        assert (kept.conversations, kept.missing, state(here, disclosure)) == (2, ("c-3",), "executed")
        assert MARKER in json.loads((folder / "conversations" / "c-1.json").read_text())["messages"][0]["text"]

    def test_what_was_not_approved_is_not_carried_out(self, here, request_one, decide, execute):
        waiting, refused = request_one(), request_one()
        decide(refused, "refused")
        words = SomeWords(THREE)

        for disclosure in (waiting, refused):
            execute(disclosure, words)

        assert words.asked == []
        assert here.database["disclosure_parts"].count_documents({}) == 0

    def test_no_word_is_kept_in_clear(self, here, request_one, decide, execute):
        disclosure = request_one()
        decide(disclosure)
        execute(disclosure)

        for name in here.database.list_collection_names():
            for document in here.database[name].find():
                assert MARKER not in str(document)

    def test_done_again_it_changes_nothing(self, here, request_one, decide, execute, sealed):
        disclosure = request_one()
        decide(disclosure)
        execute(disclosure)
        before, words = sealed(disclosure), SomeWords(THREE)

        execute(disclosure, words)

        assert (sealed(disclosure), words.asked) == (before, [])
        assert acts(here).count("disclosures.execute") == 1

    def test_by_two_at_once_there_is_one(self, here, request_one, decide, execute, opened):
        disclosure = request_one()
        decide(disclosure)
        threads = [threading.Thread(target=execute, args=(disclosure,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(opened(disclosure)[0].files) == 3
        parts = here.database["disclosure_parts"]
        assert len(parts.distinct("attempt")) == 1
        assert parts.count_documents({}) == standing(here, disclosure).disclosure.bundle.parts

    def test_whose_time_ran_out_loses_to_another(self, here, request_one, decide, execute, opened):
        disclosure = request_one()
        decide(disclosure)

        class Slow(SomeWords):
            def conversation(self, of, conversation_id):
                if not self.asked:
                    set_back(here, disclosure, claimed_until=datetime.now(UTC) - HOUR)
                    execute(disclosure)
                return super().conversation(of, conversation_id)

        with pytest.raises(AttemptLost):
            execute(disclosure, Slow(THREE))

        assert len(opened(disclosure)[0].files) == 3
        assert len(here.database["disclosure_parts"].distinct("attempt")) == 1

    def test_after_its_time_the_bundle_is_gone(self, here, request_one, decide, execute, sealed):
        disclosure = request_one()
        decide(disclosure)
        execute(disclosure)
        assert here.disclosures.remove_expired() == 0

        set_back(here, disclosure, **{"bundle.kept_until": datetime.now(UTC) - HOUR})

        with pytest.raises(BundleGone):
            sealed(disclosure)
        assert here.disclosures.remove_expired() == 1
        assert here.disclosures.remove_expired() == 0
        assert here.database["disclosure_parts"].count_documents({}) == 0
        assert standing(here, disclosure).disclosure.bundle.removed_at is not None

    def test_what_is_due_is_started_until_it_is_claimed(self, here, request_one, decide):
        disclosure = request_one()
        started: list[str] = []
        actions.start_due(started.append, disclosures=here.disclosures)
        decide(disclosure)
        actions.start_due(started.append, disclosures=here.disclosures)
        here.disclosures.claim(disclosure.disclosure_id, "attempt", lasts=HOUR)
        actions.start_due(started.append, disclosures=here.disclosures)

        assert started == [disclosure.disclosure_id]


class TestTelling:
    @pytest.fixture
    def executed(self, request_one, decide, execute):
        def make(**changes):
            disclosure = request_one(**changes)
            decide(disclosure)
            execute(disclosure, SomeWords({"c-1": 10}))
            return disclosure

        return make

    def told(self, here, customer_id="c1"):
        return [each.disclosure_id for each in here.disclosures.told(customer_id, before=None, limit=10)]

    def test_owners_are_mailed_once(self, here, office, executed, tell):
        disclosure = executed()

        tell()
        tell()

        [(addresses, mail)] = office.mails
        assert addresses == ("owner@shop.example",)
        text = mail.get_payload(decode=True).decode()
        assert disclosure.disclosure_id in text
        assert "a legal process" in text
        assert "1 conversation of yours" in text
        assert standing(here, disclosure).disclosure.telling.state == "sent"
        assert acts(here, "c1") == ["disclosures.tell"]
        assert self.told(here) == [disclosure.disclosure_id]

    def test_what_was_not_carried_out_is_not_told(self, here, office, request_one, decide, tell):
        decide(request_one())
        request_one()

        tell()

        assert office.mails == []
        assert self.told(here) == []

    def test_what_a_court_forbids_is_told_when_that_ends(self, here, office, executed, tell):
        disclosure = executed(gag_until=datetime.now(UTC) + HOUR, gag_reference="7 B 12")
        tell()
        assert (office.mails, self.told(here), acts(here, "c1")) == ([], [], [])

        set_back(here, disclosure, gag_until=datetime.now(UTC) - timedelta(seconds=1))
        tell()

        [(_, mail)] = office.mails
        assert "7 B 12" in mail.get_payload(decode=True).decode()
        assert self.told(here) == [disclosure.disclosure_id]

    def test_another_customer_is_told_nothing(self, here, executed, tell):
        executed()
        tell()

        assert self.told(here, "c2") == []

    def test_a_refused_mail_is_tried_again_and_listed_in_the_end(self, here, office, executed, tell):
        office.refusals["owner@shop.example"] = "550 no such mailbox"
        disclosure = executed()

        for _ in range(5):
            tell()
            set_back(here, disclosure, **{"telling.due_at": datetime.now(UTC) - HOUR})

        telling = standing(here, disclosure).disclosure.telling
        assert (telling.state, telling.attempts) == ("failed", 5)
        assert "550" in telling.reason
        assert self.told(here) == [disclosure.disclosure_id]

    def test_one_whose_address_cannot_be_written_does_not_keep_the_others(self, here, office, executed, tell):
        here.database["operators"].update_many({}, {"$set": {"email": UNWRITABLE}})
        unwritable = executed()
        here.customers.add_once(Customer(customer_id="c2", name="Shop", created_at=NOW))
        an_operator(here, "c2", email="owner@other.example", role="owner")
        executed(customer_id="c2")

        tell()

        assert office.copies() == {"owner@other.example": 1}
        assert standing(here, unwritable).disclosure.telling.refusals == 1

    def test_while_the_mail_server_is_away_it_waits(self, here, office, executed, tell):
        disclosure = executed()
        office.close()
        tell()
        telling = standing(here, disclosure).disclosure.telling
        assert (telling.state, telling.refusals) == ("waiting", 0)

        office.open()
        set_back(here, disclosure, **{"telling.due_at": datetime.now(UTC) - HOUR})
        tell()
        assert len(office.mails) == 1

    def test_an_owner_who_comes_after_the_first_attempt_is_told(self, here, office, executed, tell):
        here.database["operators"].update_many({}, {"$set": {"is_active": False}})
        disclosure = executed()
        tell()
        an_operator(here, "c1", email="late@shop.example", role="owner")
        set_back(here, disclosure, **{"telling.due_at": datetime.now(UTC) - HOUR})
        tell()

        assert office.copies() == {"late@shop.example": 1}
        assert standing(here, disclosure).disclosure.telling.state == "sent"

    def test_of_two_owners_the_one_who_was_reached_gets_no_second_mail(self, here, office, executed, tell):
        an_operator(here, "c1", email="second@shop.example", role="owner")
        office.refusals["owner@shop.example"] = "450 try later"
        disclosure = executed()
        tell()
        office.refusals.clear()
        an_operator(here, "c1", email="late@shop.example", role="owner")
        set_back(here, disclosure, **{"telling.due_at": datetime.now(UTC) - HOUR})
        tell()

        assert set(office.copies().values()) == {1}
        assert set(office.copies()) == {"owner@shop.example", "second@shop.example", "late@shop.example"}

    def test_a_customer_without_an_owner_can_still_read_it(self, here, office, executed, tell):
        here.database["operators"].update_many({}, {"$set": {"is_active": False}})
        disclosure = executed()
        tell()

        assert standing(here, disclosure).disclosure.telling.reason == "the account has no active owner"
        assert self.told(here) == [disclosure.disclosure_id]


def test_the_register_has_everything_the_newest_first(here, request_one, decide):
    one, two, three = request_one(), request_one(scope=VisitorScope(visitor_id="v")), request_one(ground="emergency")
    decide(one, "refused")

    page, following = actions.register(before=None, limit=2, disclosures=here.disclosures)
    rest, end = actions.register(before=following, limit=2, disclosures=here.disclosures)

    ids = [each.disclosure.disclosure_id for each in (*page, *rest)]
    assert ids == [three.disclosure_id, two.disclosure_id, one.disclosure_id]
    assert end is None
