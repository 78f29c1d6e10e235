import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.surveys.model import AnswersInvalid, Unacceptable, answers_to, as_text
from tests.surveys.builders import JSON, QUESTIONS, a_question


def test_answers_come_in_the_order_of_the_questions_with_label_and_kind():
    answers = answers_to(QUESTIONS, {"seats": 3, "email": " ada@example.com "})

    assert [(a.question_id, a.label, a.kind, a.value) for a in answers] == [
        ("email", "Your e-mail", "email", "ada@example.com"),
        ("seats", "How many seats?", "number", "3"),
    ]


def test_everything_wrong_is_named_at_once_and_nothing_that_was_given_is_repeated():
    given = {"topic": "secret-topic", "seats": 501, "note": "secret " * 10, "colour": "secret-colour"}

    with pytest.raises(AnswersInvalid) as caught:
        answers_to(QUESTIONS, given)

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
        answers_to((), {"<script>": "x"})

    assert caught.value.members == {"errors": [{"field": "answers", "detail": "There is no such question."}]}


@pytest.mark.parametrize("blank", [None, "", "   ", "\n"])
def test_blank_is_no_answer(blank):
    assert a_question().read(blank) is None
    with pytest.raises(Unacceptable):
        a_question(is_required=True).read(blank)


@pytest.mark.parametrize(
    "address",
    ["ada@example.com", "a.b+c@sub.example.co.uk", "o'neill@exam-ple.org", "jörg@müller.de", "用户@例子.中国"],
)
def test_addresses_that_are_accepted(address):
    assert a_question(kind="email").read(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "ada", "ada@", "@example.com", "ada@example", "ada@@example.com", "ada@example..com", "ada@-example.com",
        "ada@example-.com", "a b@example.com", "ada@example.com\nbcc:x@y.zz", "ada@example.c0m", "<ada@example.com>",
        "a" * 65 + "@example.com", "ada@" + "e" * 300 + ".com", "ada@example.com, eve@example.com",
    ],
)  # fmt: skip
def test_addresses_that_are_refused(address):
    with pytest.raises(Unacceptable):
        a_question(kind="email").read(address)


@pytest.mark.parametrize(
    ("number", "text"), [(3, "3"), (3.0, "3"), (3.5, "3.5"), (-1, "-1"), (0, "0"), (1e15, "1000000000000000")]
)
def test_numbers_are_kept_as_people_write_them(number, text):
    assert a_question(kind="number").read(number) == text


@pytest.mark.parametrize("given", ["3", True, float("nan"), float("inf"), 10**400, 1e16, [3], {"$gt": 1}])
def test_what_is_not_a_number_or_too_large_is_refused(given):
    with pytest.raises(Unacceptable):
        a_question(kind="number").read(given)


def test_a_number_must_lie_within_its_limits():
    question = a_question(kind="number", minimum=18, maximum=99.5)

    assert question.read(18) == "18"
    with pytest.raises(Unacceptable, match=r"At least 18\."):
        question.read(17.9)
    with pytest.raises(Unacceptable, match=r"At most 99\.5\."):
        question.read(100)


@pytest.mark.parametrize("kind", ["text", "email", "choice"])
@pytest.mark.parametrize("given", [3, True, ["x"], {"$ne": 1}, "nul\0l"])
def test_what_is_not_text_is_refused(kind, given):
    with pytest.raises(Unacceptable):
        a_question(kind=kind, choices=("x",)).read(given)


@given(st.dictionaries(st.sampled_from(["email", "topic", "seats", "note"]) | st.text(max_size=5), JSON, max_size=6))
def test_whatever_is_sent_is_either_accepted_as_text_or_refused(given):
    try:
        answers = answers_to(QUESTIONS, given)
    except AnswersInvalid:
        return
    assert all(isinstance(answer.value, str) and answer.value for answer in answers)


@given(st.integers(-(10**15), 10**15) | st.floats(-1e15, 1e15))
def test_a_number_reads_back_as_the_same_number(number):
    assert float(as_text(number)) == number
