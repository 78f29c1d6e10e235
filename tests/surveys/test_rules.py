"""What counts as an answer. The table is the one that the widget's tests read too."""

import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.surveys.model import AnswersInvalid, Question, ShownIf
from services.surveys.rules import answers_to, compiled, tells_minor
from tests.surveys.builders import JSON, QUESTIONS, a_question

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
TABLE = json.loads((Path(__file__).parent / "answers.json").read_text())
ASKED = msgspec.convert(TABLE["questions"], tuple[Question, ...])


def refusals(questions, answers, now=NOON):
    try:
        answers_to(questions, answers, now)
    except AnswersInvalid as refused:
        return dict(refused.refusals)
    return {}


def test_the_rules_in_the_table_are_those_that_are_compiled():
    assert compiled(ASKED) == TABLE["rules"]


@pytest.mark.parametrize("case", TABLE["cases"], ids=lambda case: json.dumps(case["answers"])[15:60])
def test_the_table(case):
    assert refusals(ASKED, case["answers"]) == case["refusals"]


def test_answers_come_in_the_order_of_the_questions_with_label_and_kind():
    answers = answers_to(QUESTIONS, {"seats": 3, "email": " ada@example.com "}, NOON)

    assert [(a.question_id, a.label, a.kind, a.value) for a in answers] == [
        ("email", "Your e-mail", "email", "ada@example.com"),
        ("seats", "How many seats?", "number", "3"),
    ]


def test_everything_wrong_is_named_at_once_and_nothing_that_was_given_is_repeated():
    given = {"topic": "secret-topic", "seats": 501, "note": "secret " * 10, "colour": "secret-colour"}

    with pytest.raises(AnswersInvalid) as caught:
        answers_to(QUESTIONS, given, NOON)

    assert caught.value.members == {
        "errors": [
            {"field": "answers.email", "detail": "This question needs an answer."},
            {"field": "answers.topic", "detail": "This is not one of the choices."},
            {"field": "answers.seats", "detail": "At most 500."},
            {"field": "answers.note", "detail": "At most 20 characters."},
            {"field": "answers.colour", "detail": "There is no such question."},
        ]
    }
    assert "secret" not in str(caught.value)


def test_an_unknown_question_with_an_unfit_name_is_not_repeated_either():
    with pytest.raises(AnswersInvalid) as caught:
        answers_to((), {"<script>": "x"}, NOON)

    assert caught.value.members == {"errors": [{"field": "answers", "detail": "There is no such question."}]}


@pytest.mark.parametrize("number", [float("inf"), 1e300, 10**400])
def test_what_nobody_can_count_is_no_number(number):
    assert refusals((a_question(kind="number"),), {"note": number}) == {"note": "This must be a number."}


@pytest.mark.parametrize(
    ("question", "given", "value", "counts_as"),
    [
        (a_question(kind="choices", choices=("a", "b", "c")), ["c", "a"], "c; a", ("c", "a")),
        (a_question(kind="rating"), 4, "4", ("4",)),
        (a_question(kind="consent"), True, "Yes", ("Yes",)),
        (a_question(kind="age"), 36, "36", ("35 to 44",)),
        (a_question(kind="birth-date"), "1985-06-01", "1985-06-01", ("1980s",)),
        (a_question(kind="text"), "words", "words", ()),
        (a_question(kind="email"), "ada@example.com", "ada@example.com", ()),
    ],
    ids=lambda one: getattr(one, "kind", None),
)
def test_an_answer_is_kept_for_people_and_for_reports(question, given, value, counts_as):
    [answer] = answers_to((question,), {"note": given}, NOON)

    assert (answer.value, answer.counted) == (value, counts_as)


def test_a_birth_date_to_come_is_a_mistake_and_no_age():
    born = a_question(kind="birth-date")

    assert refusals((born,), {"note": "2026-11-26"}) == {"note": "This is not a date of birth."}
    assert not tells_minor((born,), {"note": "2026-11-26"}, NOON)


@pytest.mark.parametrize(
    ("now", "is_minor"),
    [
        # On 14 June at 18:00 in Los Angeles; at midnight in Honolulu; at midnight where the day begins last of all.
        (datetime(2026, 6, 15, 1, tzinfo=UTC), True),
        (datetime(2026, 6, 15, 10, tzinfo=UTC), True),
        (datetime(2026, 6, 15, 11, 59, 59, tzinfo=UTC), True),
        (datetime(2026, 6, 15, 12, tzinfo=UTC), False),
    ],
)
def test_an_eighteenth_birthday_counts_once_it_has_begun_everywhere(now, is_minor):
    born = a_question(kind="birth-date")

    assert tells_minor((born,), {"note": "2008-06-15"}, now) is is_minor


@pytest.mark.parametrize(
    ("now", "is_refused"),
    [(datetime(2026, 11, 23, 9, 59, 59, tzinfo=UTC), True), (datetime(2026, 11, 23, 10, tzinfo=UTC), False)],
)
def test_a_day_is_not_to_come_once_it_has_begun_somewhere_and_who_is_born_on_it_is_a_minor(now, is_refused):
    born = a_question(kind="birth-date")

    assert bool(refusals((born,), {"note": "2026-11-24"}, now)) is is_refused
    assert tells_minor((born,), {"note": "2026-11-24"}, now) is not is_refused


@pytest.mark.parametrize(
    ("kind", "answer", "is_minor"),
    [
        ("age", 17, True), ("age", 18, False), ("age", 0, True), ("age", -1, False), ("age", "17", False),
        ("birth-date", "2008-11-25", True), ("birth-date", "2008-11-24", False), ("birth-date", " 2015-01-01 ", True),
        ("birth-date", "soon", False), ("number", 12, False), ("age", None, False), ("age", True, False),
    ],
)  # fmt: skip
def test_only_an_age_or_a_birth_date_tells_of_a_minor(kind, answer, is_minor):
    questions = (a_question(question_id="other", is_required=True), a_question(kind=kind))

    assert tells_minor(questions, {"note": answer}, NOON) is is_minor


def test_a_question_that_depends_on_one_that_is_not_shown_is_not_asked_either():
    questions = (
        a_question(question_id="a", kind="choice", choices=("x", "y")),
        a_question(
            question_id="b", kind="choice", choices=("x", "y"), shown_if=ShownIf(question_id="a", values=("x",))
        ),
        a_question(question_id="c", is_required=True, shown_if=ShownIf(question_id="b", values=("y",))),
    )

    assert refusals(questions, {"a": "y"}) == {}
    assert refusals(questions, {"a": "x", "b": "y"}) == {"c": "This question needs an answer."}


@given(st.dictionaries(st.sampled_from([one.question_id for one in ASKED]) | st.text(max_size=5), JSON, max_size=6))
def test_whatever_is_sent_is_either_accepted_as_text_or_refused(given):
    try:
        answers = answers_to(ASKED, given, NOON)
    except AnswersInvalid:
        return
    assert all(isinstance(answer.value, str) and answer.value for answer in answers)
    assert tells_minor(ASKED, given, NOON) in (True, False)


def test_a_pattern_that_is_not_taken_any_more_fits_no_text_and_harms_nobody():
    published = (a_question(question_id="code", kind="text", pattern="((){4000}){4000}"),)
    assert set(refusals(published, {"code": "a"})) == {"code"}
