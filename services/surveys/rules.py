"""What counts as an answer: questions compiled to one JSON Schema (2020-12), which the widget checks by as well.

``tests/surveys/answers.json`` holds the cases on which both sides have to agree, word for word.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from services.surveys.model import (
    ADULT_AGE,
    LARGEST_NUMBER,
    LONGEST_TEXT,
    AnswersInvalid,
    Given,
    Question,
    age_on,
    as_text,
    counted,
    date_of,
)
from services.surveys.patterns import END, PatternRefused, expression

Schema = dict[str, Any]

LONGEST_LINE = 1000
OLDEST = 130
DEFAULT_SCALE = 5
FURTHEST_BEHIND = timedelta(hours=12)
FURTHEST_AHEAD = timedelta(hours=14)
"""How far clocks on earth are behind UTC, and ahead of it: of a visitor's day that is all we know."""

# Spaces of every kind and what is invisible, as both Python and browsers write it.
_BLANK = r"\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f\u2060\u3000\ufeff"
_LABEL = rf"[^{_BLANK}\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e]"
_LABEL_OR_DASH = rf"[^{_BLANK}\x21-\x2c\x2e\x2f\x3a-\x40\x5b-\x60\x7b-\x7e]"
_LETTER = rf"[^{_BLANK}\x21-\x40\x5b-\x60\x7b-\x7e]"
EMAIL = (
    rf'^[^{_BLANK}@"(),:;<>\x5b\x5c\x5d]{{1,64}}@(?=[\s\S]{{4,253}}{END})'
    rf"(?:{_LABEL}(?:{_LABEL_OR_DASH}{{0,61}}{_LABEL})?\.)+{_LETTER}{{2,63}}{END}"
)
PHONE = rf"^\+?[0-9(](?:[ ()./\x2d]{{0,3}}[0-9]){{4,15}}{END}"
POSTCODE = rf"^[A-Za-z0-9](?:[ \x2d]?[A-Za-z0-9]){{1,9}}{END}"
DATE = (
    r"^(?:(?:19|20)[0-9]{2}\x2d(?:(?:0[13578]|1[02])\x2d(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)\x2d(?:0[1-9]|[12][0-9]|30)|02\x2d(?:0[1-9]|1[0-9]|2[0-8]))"
    rf"|(?:(?:19|20)(?:0[48]|[2468][048]|[13579][26])|2000)\x2d02\x2d29){END}"
)
NEVER: Schema = {"not": {}}
NOTHING = r"[^\s\S]"
WITHOUT_NUL = r"^(?![^\x00]*\x00)"

REFUSALS: Final = "x-refusals"
"""Where the schema of an answer says what to tell the visitor about one that does not fit."""
UNTIL_TODAY: Final = "x-until-today"
"""A keyword of ours: JSON Schema knows no today."""
UNASKED: Final = "unasked"
_FIRST = ("required", "type", "enum", "const", "minimum", "maximum", "minItems", "maxItems", "uniqueItems", "items",
          "minLength", "maxLength", "pattern")  # fmt: skip
"""Which of several things wrong with one answer is told."""


@lru_cache(maxsize=512)
def compiled(questions: tuple[Question, ...]) -> Schema:
    """The schema of the answers to these questions. The same one again for the same questions: not to be changed."""
    asked = {question.question_id: question for question in questions}
    always = [question.question_id for question in questions if question.is_required and not question.shown_if]
    schema: Schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            question.question_id: _answer(question) | {REFUSALS: _sentences(question)} for question in questions
        },
        "required": always,
        "additionalProperties": False,
    }
    conditions = [_condition(question, asked) for question in questions if question.shown_if]
    return schema | ({"allOf": conditions} if conditions else {})


def _condition(question: Question, asked: Mapping[str, Question]) -> Schema:
    assert question.shown_if is not None
    earlier, values = question.shown_if.question_id, list(question.shown_if.values)
    is_so: Schema = {"enum": values}
    if asked[earlier].kind == "choices":
        is_so = {"contains": is_so}
    then = {"required": [question.question_id]} if question.is_required else True
    return {
        "if": {"properties": {earlier: is_so}, "required": [earlier]},
        "then": then,
        "else": {"properties": {question.question_id: NEVER}},
    }


def _answer(question: Question) -> Schema:
    match question.kind:
        case "text" | "long-text":
            return _text(question)
        case "email":
            return {"type": "string", "maxLength": 254, "pattern": EMAIL}
        case "phone":
            return {"type": "string", "maxLength": 40, "pattern": PHONE}
        case "postcode":
            return {"type": "string", "maxLength": 20, "pattern": POSTCODE}
        case "birth-date":
            return {"type": "string", "pattern": DATE, UNTIL_TODAY: True}
        case "number":
            least = -LARGEST_NUMBER if question.minimum is None else question.minimum
            most = LARGEST_NUMBER if question.maximum is None else question.maximum
            return {"type": "number", "minimum": least, "maximum": most}
        case "age":
            return {"type": "integer", "minimum": 0, "maximum": OLDEST}
        case "rating":
            return {"type": "integer", "minimum": 1, "maximum": scale_of(question)}
        case "consent":
            return {"const": True}
        case "choice" | "income-band":
            return {"enum": list(question.choices or ())}
        case "choices":
            return _several(question)


def _text(question: Question) -> Schema:
    longest = longest_text(question)
    pattern = WITHOUT_NUL
    if question.pattern is not None:
        pattern += _asked_for(question.pattern, longest)
    return {"type": "string", "maxLength": longest, "pattern": pattern}


def _asked_for(pattern: str, longest: int) -> str:
    try:
        return expression(pattern, longest).removeprefix("^")
    except PatternRefused:
        # Published when more was taken than today. Better no text fits than that looking takes the service down.
        return NOTHING


def _several(question: Question) -> Schema:
    choices = list(question.choices or ())
    return {
        "type": "array",
        "items": {"enum": choices},
        "uniqueItems": True,
        "minItems": question.min_choices or 1,
        "maxItems": question.max_choices or len(choices),
    }


def longest_text(question: Question) -> int:
    """How much text answers it at most."""
    return question.max_length or (LONGEST_TEXT if question.kind == "long-text" else LONGEST_LINE)


def scale_of(question: Question) -> int:
    """The best rating."""
    return question.scale or DEFAULT_SCALE


def present(given: Mapping[str, object]) -> dict[str, object]:
    """What was answered at all: text without the space around it, and nothing that is empty."""
    tidy = {key: value.strip() if isinstance(value, str) else value for key, value in given.items()}
    return {key: value for key, value in tidy.items() if value not in (None, "", []) and value is not False}


def tells_minor(questions: tuple[Question, ...], given: Mapping[str, object], now: datetime) -> bool:
    """Whether an answer says that somebody under 18 gave it, whatever else is wrong with the answers.

    Nobody knows where the visitor is: a birthday counts once it has begun everywhere.
    """
    schema = compiled(questions)["properties"]
    answers = present(given)
    return any(
        _age(question, answers[question.question_id], _begun_everywhere(now)) < ADULT_AGE
        for question in questions
        if question.kind in ("age", "birth-date")
        and question.question_id in answers
        and Draft202012Validator(schema[question.question_id]).is_valid(answers[question.question_id])
        and not _is_to_come(question, answers[question.question_id], now)
    )


def _age(question: Question, answer: Any, today: date) -> int:
    return int(answer) if question.kind == "age" else age_on(today, date_of(answer))


def _is_to_come(question: Question, answer: Any, now: datetime) -> bool:
    # Where the day begins first it is nobody's mistake to be born on it; and whoever says so is a minor everywhere.
    return question.kind == "birth-date" and date_of(answer) > _begun_somewhere(now)


def _begun_everywhere(now: datetime) -> date:
    return (now - FURTHEST_BEHIND).date()


def _begun_somewhere(now: datetime) -> date:
    return (now + FURTHEST_AHEAD).date()


def answers_to(questions: tuple[Question, ...], given: Mapping[str, object], now: datetime) -> tuple[Given, ...]:
    """What was answered, in the order of the questions. Raises ``AnswersInvalid`` naming everything wrong at once."""
    answers = present(given)
    wrong = _refusals(questions, answers, now)
    if wrong:
        schemas = compiled(questions)["properties"]
        raise AnswersInvalid({key: sentence(schemas.get(key), keyword) for key, keyword in wrong.items()})
    return tuple(
        _given(question, answers[question.question_id]) for question in questions if question.question_id in answers
    )


def _refusals(questions: tuple[Question, ...], answers: Mapping[str, object], now: datetime) -> dict[str, str]:
    """The keyword of the schema that each wrong answer breaks, in the order of the questions."""
    found: dict[str, str] = {}
    for error in Draft202012Validator(compiled(questions)).iter_errors(answers):
        for key, keyword in _broken(error, answers):
            if _rank(keyword) < _rank(found.get(key, "")):
                found[key] = keyword
    for question in questions:
        key = question.question_id
        if key in answers and key not in found and _is_to_come(question, answers[key], now):
            found[key] = UNTIL_TODAY
    order = {question.question_id: number for number, question in enumerate(questions)}
    return dict(sorted(found.items(), key=lambda one: order.get(one[0], len(order))))


def _rank(keyword: str) -> int:
    return -1 if keyword == UNASKED else _FIRST.index(keyword) if keyword in _FIRST else len(_FIRST)


def _broken(error: ValidationError, answers: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    keyword = str(error.validator)
    if keyword == "required":
        yield from ((key, keyword) for key in error.validator_value if key not in answers)
    elif keyword == "additionalProperties":
        yield from ((key, UNASKED) for key in answers if key not in error.schema["properties"])
    elif keyword == "not":
        yield str(error.path[0]), UNASKED
    else:
        yield str(error.path[0]), "items" if len(error.path) > 1 else keyword


def sentence(schema: Schema | None, keyword: str) -> str:
    """What is wrong, to the visitor, as the schema of the answer has it. The answer itself is never repeated."""
    if schema is None or keyword == UNASKED:
        return "There is no such question."
    if keyword == "required":
        return "This question needs an answer."
    told: dict[str, str] = schema[REFUSALS]
    return told.get(keyword, told[""])


def _sentences(question: Question) -> dict[str, str]:
    """What to say when an answer breaks one keyword of its schema; under no keyword, when it breaks another."""
    told = {"": _FORMS[question.kind]}
    match question.kind:
        case "text" | "long-text":
            told["maxLength"] = f"At most {longest_text(question)} characters."
            if question.pattern_hint:
                told["pattern"] = f"Please answer like this: {question.pattern_hint}."
        case "number":
            if question.minimum is not None:
                told["minimum"] = f"At least {as_text(question.minimum)}."
            if question.maximum is not None:
                told["maximum"] = f"At most {as_text(question.maximum)}."
        case "choices":
            told["minItems"] = f"Choose at least {question.min_choices or 1}."
            told["maxItems"] = f"Choose at most {question.max_choices or len(question.choices or ())}."
        case "rating":
            told[""] = f"This must be a whole number from 1 to {scale_of(question)}."
    return told


_FORMS: dict[str, str] = {
    "text": "This is not in the form that is asked for.",
    "long-text": "This is not in the form that is asked for.",
    "email": "This is not an e-mail address.",
    "phone": "This is not a telephone number.",
    "number": "This must be a number.",
    "age": f"This must be a whole number from 0 to {OLDEST}.",
    "birth-date": "This is not a date of birth.",
    "postcode": "This is not a postcode.",
    "income-band": "This is not one of the choices.",
    "choice": "This is not one of the choices.",
    "choices": "This is not one of the choices.",
    "rating": "This must be a whole number.",
    "consent": "This can only be agreed to.",
}


def _given(question: Question, answer: Any) -> Given:
    is_number = question.kind in ("number", "age", "rating")
    return Given(
        question_id=question.question_id,
        label=question.label,
        kind=question.kind,
        value=_value(question, answer),
        counted=counted(question.kind, answer),
        number=float(answer) if is_number else None,
        topic=question.about_service,
    )


def _value(question: Question, answer: Any) -> str:
    if question.kind == "consent":
        return "Yes"
    if isinstance(answer, list):
        return "; ".join(answer)
    return answer if isinstance(answer, str) else as_text(answer)
