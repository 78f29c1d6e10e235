"""Details are given, changed and confirmed; each date is reminded of once. The time is whatever a test says it is."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import msgspec
import pytest

from services.accounts.details import actions
from services.accounts.details.model import (
    CONFIRMED_FOR,
    REMINDED_BEFORE,
    AccountIncomplete,
    CardNumberRefused,
    DetailsChanged,
    DetailsMissing,
)
from services.accounts.operators.model import Acting
from tests.accounts.builders import NOW
from tests.accounts.details.test_model import a_contact, billing

ANN = Acting(customer_id="c1", operator_id="ann", session_id="s", name="Ann")
YEAR = CONFIRMED_FOR


class AnyPass:
    """A step-up that lets everybody on; what it demands has tests of its own."""

    def check(self, action, who, *, now, is_first=False):
        return None


STEP_UP = AnyPass()


@pytest.fixture
def change(context):
    def change_contact(given=None, revision=0, now=NOW, who=ANN):
        return actions.change_contact(
            who, given or a_contact(), revision, now=now, details=context.details, step_up=STEP_UP
        )

    return change_contact


@pytest.fixture
def history(context):
    def lines(who=ANN, **options):
        asked = {"after": None, "limit": 50, "now": NOW} | options
        return actions.history(who, details=context.details, step_up=STEP_UP, **asked)

    return lines


@pytest.fixture
def complete(context, change):
    """A customer who gave everything at ``NOW``."""
    change()
    actions.change_billing(ANN, billing(), 0, now=NOW, details=context.details, step_up=STEP_UP)


def test_what_is_given_is_kept_and_confirmed(context, complete):
    details = actions.details_of("c1", now=NOW, details=context.details)

    assert (details.contact.revision, details.contact.confirmed_at) == (1, NOW)
    assert details.contact.value.telephone == "+4930901820"
    assert details.due_at == NOW + YEAR
    actions.require_complete("c1", now=NOW + YEAR - timedelta(seconds=1), details=context.details)


@pytest.mark.parametrize("later", [YEAR, YEAR * 2])
def test_when_the_year_is_over_the_account_is_incomplete_until_it_is_confirmed(context, complete, later):
    with pytest.raises(AccountIncomplete):
        actions.require_complete("c1", now=NOW + later, details=context.details)

    actions.confirm(ANN, 1, 1, now=NOW + later, details=context.details)

    actions.require_complete("c1", now=NOW + later + YEAR - timedelta(seconds=1), details=context.details)


def test_nothing_is_confirmed_that_was_not_looked_at(context, complete, change):
    change(a_contact(name="Other"), revision=1)

    with pytest.raises(DetailsChanged):
        actions.confirm(ANN, 1, 1, now=NOW, details=context.details)
    with pytest.raises(DetailsMissing):
        actions.confirm(msgspec.structs.replace(ANN, customer_id="c2"), 0, 0, now=NOW, details=context.details)


def test_the_history_tells_who_changed_what_from_what_and_when(context, change, history):
    change()
    ben = msgspec.structs.replace(ANN, operator_id="ben", name="Ben")
    change(a_contact(telephone="+442083661177"), revision=1, now=NOW + timedelta(hours=1), who=ben)

    newest, oldest = history()
    assert (newest.operator_name, newest.act, newest.happened_at) == ("Ben", "changed", NOW + timedelta(hours=1))
    assert [(each.field, each.before, each.after) for each in newest.changes] == [
        ("telephone", "+4930901820", "+442083661177")
    ]
    assert ("address.city", "", "Berlin") in [(each.field, each.before, each.after) for each in oldest.changes]
    assert history(after=newest.entry_id) == [oldest]
    assert history(msgspec.structs.replace(ANN, customer_id="c2")) == []


def test_who_looked_at_something_older_changes_nothing(change, history):
    change()
    change(a_contact(name="Theirs"), revision=1)

    with pytest.raises(DetailsChanged):
        change(a_contact(name="Mine"), revision=1)
    assert len(history()) == 2


def test_asked_for_twice_it_is_changed_once(change, history):
    first = change()
    again = change()

    assert (first.revision, again.revision) == (1, 1)
    assert [each.act for each in history()] == ["confirmed", "changed"]


def test_of_many_at_once_one_changes_it(change, history):
    change()

    def attempt(number):
        try:
            change(a_contact(name=f"Name {number}"), revision=1)
        except DetailsChanged:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1
    assert len(history()) == 2


def test_a_card_number_is_written_nowhere(context, change, capsys):
    with pytest.raises(CardNumberRefused):
        change(a_contact(contact_person="4111 1111 1111 1111"))

    assert context.database["account_details_history"].count_documents({}) == 0
    assert context.database["account_details"].find_one({"contact": {"$exists": True}}) is None
    assert "4111" not in "".join(capsys.readouterr())


class TestReminders:
    @pytest.fixture
    def remind(self, context):
        def letters_at(now):
            actions.remind(
                now=now, public_url="https://chat.velaro.example", details=context.details, letters=context.letters
            )
            return sorted(each["_id"] for each in context.database["letters"].find())

        return letters_at

    def test_each_date_is_reminded_of_once_before_and_once_when_it_has_passed(self, complete, remind):
        due = NOW + YEAR
        soon, overdue = f"details-soon-{due:%Y%m%dT%H%M%S}.c1", f"details-overdue-{due:%Y%m%dT%H%M%S}.c1"

        assert remind(due - REMINDED_BEFORE - timedelta(seconds=1)) == []
        assert remind(due - REMINDED_BEFORE) == [soon]
        assert remind(due - timedelta(seconds=1)) == [soon]
        assert remind(due) == [overdue, soon]
        assert remind(due + YEAR) == [overdue, soon]

    def test_who_confirms_is_left_in_peace_until_the_next_year(self, context, complete, remind):
        remind(NOW + YEAR - REMINDED_BEFORE)
        actions.confirm(ANN, 1, 1, now=NOW + YEAR - timedelta(days=1), details=context.details)

        assert len(remind(NOW + YEAR + timedelta(days=300))) == 1
        assert len(remind(NOW + YEAR * 2 - timedelta(days=1))) == 2

    def test_who_never_gave_anything_is_reminded_once(self, context, remind):
        context.details.begin("c1", NOW)

        assert remind(NOW + timedelta(days=2)) == []
        assert len(remind(NOW + timedelta(days=3))) == 1
        assert len(remind(NOW + YEAR)) == 1

    def test_two_that_remind_at_once_write_one_letter(self, complete, remind):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(remind, [NOW + YEAR] * 8))
        assert len(remind(NOW + YEAR)) == 1

    def test_stopped_between_the_letter_and_the_note_of_it_the_next_one_writes_no_second(
        self, context, complete, remind, monkeypatch
    ):
        class Killed(BaseException):
            pass

        def die(*_, **__):
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(context.details, "set_reminded", die)
            with pytest.raises(Killed):
                remind(NOW + YEAR)
        assert len(remind(NOW + YEAR)) == 1
