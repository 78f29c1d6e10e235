"""How a report is counted inside the database: out come as many rows as there are bars, however many answered."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from services.surveys.model import AGE_BANDS, Bar, Question, QuestionReport, as_text
from services.surveys.rules import scale_of

Stage = dict[str, Any]

BUCKETS = 10
COUNTED_KINDS = ("choice", "choices", "income-band", "rating", "consent", "age", "birth-date")


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """How many answered one question, and what their numbers come to."""

    question_id: str
    kind: str
    label: str
    answered: int
    smallest: float | None = None
    largest: float | None = None
    mean: float | None = None

    @property
    def has_buckets(self) -> bool:
        return self.kind == "number" and self.smallest is not None and self.largest is not None

    @property
    def width(self) -> float:
        """Of one bucket; a single number has one bucket of its own."""
        return (((self.largest or 0) - (self.smallest or 0)) / BUCKETS) or 1.0


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """How often one question was answered with one thing."""

    question_id: str
    kind: str
    answer: str | int
    count: int


def totals(match: Stage) -> list[Stage]:
    """One row a question."""
    group = {
        "_id": {"question_id": "$answers.question_id", "kind": "$answers.kind"},
        "label": {"$max": "$answers.label"},
        "answered": {"$sum": 1},
        "smallest": {"$min": "$answers.number"},
        "largest": {"$max": "$answers.number"},
        "mean": {"$avg": "$answers.number"},
    }
    return [{"$match": match}, _ANSWERS_ALONE, {"$unwind": "$answers"}, {"$group": group}, _FLAT]


def counts(match: Stage) -> list[Stage]:
    """One row for each thing that was answered to a question whose answers can be counted."""
    group = {"_id": _by("$answers.counted"), "count": {"$sum": 1}}
    countable = {"answers.kind": {"$in": list(COUNTED_KINDS)}}
    unwound: list[Stage] = [{"$unwind": "$answers"}, {"$match": countable}, {"$unwind": "$answers.counted"}]
    return [{"$match": match}, _ANSWERS_ALONE, *unwound, {"$group": group}, _FLAT]


def buckets(match: Stage, numbers: Sequence[Total]) -> list[Stage]:
    """One row a bucket, of numbers between the smallest and the largest that ``numbers`` tell of."""
    which = {"answers.kind": "number", "answers.question_id": {"$in": [total.question_id for total in numbers]}}
    branches = [
        {"case": {"$eq": ["$answers.question_id", total.question_id]}, "then": _bucket_of(total)} for total in numbers
    ]
    group = {"_id": _by({"$switch": {"branches": branches, "default": 0}}), "count": {"$sum": 1}}
    return [{"$match": match}, _ANSWERS_ALONE, {"$unwind": "$answers"}, {"$match": which}, {"$group": group}, _FLAT]


def _bucket_of(total: Total) -> Stage:
    above = {"$subtract": ["$answers.number", total.smallest]}
    return {"$min": [BUCKETS - 1, {"$toInt": {"$floor": {"$divide": [above, total.width]}}}]}


def _by(answer: Any) -> Stage:
    return {"question_id": "$answers.question_id", "kind": "$answers.kind", "answer": answer}


_ANSWERS_ALONE: Stage = {"$project": {"_id": False, "answers": True}}
_FLAT: Stage = {"$replaceWith": {"$mergeObjects": ["$$ROOT", "$_id"]}}


def questions_of(
    current: Sequence[Question], totals_found: Iterable[Total], counts_found: Iterable[Count]
) -> tuple[QuestionReport, ...]:
    """The questions that are asked now, in their order, then those that were asked once."""
    by_question: dict[tuple[str, str], dict[str | int, int]] = {}
    for one in counts_found:
        by_question.setdefault((one.question_id, one.kind), {})[one.answer] = one.count
    known = {(total.question_id, total.kind): total for total in totals_found}
    asked: dict[tuple[str, str], Question] = {(one.question_id, one.kind): one for one in current}
    nobody = {key: _nobody(question) for key, question in asked.items()}
    former = {key: known[key] for key in sorted(known.keys() - asked.keys())}
    return tuple(
        _report(known.get(key, total), asked.get(key), by_question.get(key, {}))
        for key, total in (nobody | former).items()
    )


def _nobody(question: Question) -> Total:
    return Total(question_id=question.question_id, kind=question.kind, label=question.label, answered=0)


def _report(total: Total, question: Question | None, found: Mapping[str | int, int]) -> QuestionReport:
    has_numbers = total.kind in ("number", "rating", "age")
    return QuestionReport(
        question_id=total.question_id,
        kind=total.kind,
        label=question.label if question else total.label,
        is_current=question is not None,
        answered=total.answered,
        bars=_buckets_shown(total, found) if total.kind == "number" else _bars(total.kind, question, found),
        smallest=total.smallest if has_numbers else None,
        largest=total.largest if has_numbers else None,
        mean=total.mean if has_numbers else None,
    )


def _bars(kind: str, question: Question | None, found: Mapping[str | int, int]) -> tuple[Bar, ...]:
    expected = _expected(kind, question)
    others = sorted(str(answer) for answer in found if answer not in expected)
    return tuple(Bar(label=label, count=found.get(label, 0)) for label in (*expected, *others))


def _expected(kind: str, question: Question | None) -> tuple[str, ...]:
    match kind:
        case "choice" | "choices" | "income-band" if question:
            return question.choices or ()
        case "rating" if question:
            return tuple(str(number) for number in range(1, scale_of(question) + 1))
        case "age":
            return AGE_BANDS
        case "consent":
            return ("Yes",)
    return ()


def _buckets_shown(total: Total, found: Mapping[str | int, int]) -> tuple[Bar, ...]:
    if not total.has_buckets or total.smallest is None:
        return ()
    if total.smallest == total.largest:
        return (Bar(label=as_text(total.smallest), count=total.answered),)
    edges = [total.smallest + total.width * number for number in range(BUCKETS + 1)]
    return tuple(
        Bar(label=f"{_edge(edges[number])} to {_edge(edges[number + 1])}", count=found.get(number, 0))
        for number in range(BUCKETS)
    )


def _edge(number: float) -> str:
    return as_text(float(f"{number:.6g}"))
