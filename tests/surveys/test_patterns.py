import re
import time
import tracemalloc
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.surveys.patterns import PatternRefused, expression

LONGEST = 60


def fits(pattern, text, longest=LONGEST):
    return re.search(expression(pattern, longest), text) is not None


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("AB", "AB", "ABC"),
        (r"\d{4}", "1234", "١٢٣٤"),
        (r"\w+", "a_1", "é"),
        (r"[A-Z]{2}-\d{3,5}", "AB-1234", "AB-12"),
        ("red|green", "green", "redgreen"),
        ("(ab){2}c?", "abab", "abc"),
        (r"a\.b", "a.b", "axb"),
        ("a.b", "axb", "a\nb"),
        (r"[^\d]+", "abc", "1bc"),
        (r"[\w.-]+", "a.b-c", "a b"),
        (r"[\]\\^-]", "^", "a"),
        ("é{2}", "éé", "é"),
        ("", "", "a"),
        ("x{0,3}", "", "xxxx"),
    ],
)
def test_a_pattern_is_about_the_whole_text(pattern, good, bad):
    assert fits(pattern, good)
    assert not fits(pattern, bad)
    assert not fits(pattern, bad + "\n")


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+b", "(a*)*", "(a|a)*b", "a*a*a*b", "(a|aa)+", "([a-z]+)*x", "(a?){50}", "(x+x+)+y", "(.*)(.*)(.*)"],
)
def test_what_could_take_too_long_is_refused(pattern):
    with pytest.raises(PatternRefused, match="too long"):
        expression(pattern, LONGEST)


@pytest.mark.parametrize(
    "pattern",
    [
        "(", ")", "a)", "[", "[]", "[z-a]", "[a", "*", "a**", "a+?", "a{2}{3}", "a{", "a{x}", "a{3,2}", "a{99999}",
        "{2}",
        r"\1", r"\b", r"\p{L}", r"\k<x>", "(?=a)", "(?!a)", "(?<=a)", "(?P<x>a)", "(?i)a", "^a", "a$", "\\", "a\x00",
        "[[:alpha:]]", r"[\d-z]x" + "(" * 25,
    ],
)  # fmt: skip
def test_what_is_no_pattern_is_refused_with_a_reason(pattern):
    with pytest.raises(PatternRefused) as refused:
        expression(pattern, LONGEST)
    assert len(str(refused.value)) > 20


@pytest.mark.parametrize(
    "pattern", ["(){4000}", "((){4000}){4000}", "(()){2}", "(|)*", "(a{0}){4000}", "((a{0})b{0})+"]
)
def test_nothing_is_not_repeated_for_an_engine_would_do_it_all_those_times(pattern):
    with pytest.raises(PatternRefused, match="nothing to repeat"):
        expression(pattern, LONGEST)


@pytest.mark.parametrize("pattern", ["((a{4000}){4000}){4000}", "((ab?){3}){2}", "(a|){3}"])
def test_what_is_repeated_inside_each_other_costs_little_memory(pattern):
    compiled = re.compile(expression(pattern, LONGEST))
    tracemalloc.start()
    compiled.search("a" * LONGEST)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 5_000_000


@given(st.text("ab01()[]{}|*+?\\.^$-,d w", max_size=25), st.text("ab01 -", max_size=LONGEST + 5))
def test_every_pattern_that_is_taken_compiles_quietly_and_ends_soon(pattern, text):
    try:
        made = expression(pattern, LONGEST)
    except PatternRefused:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiled = re.compile(made)
    started = time.process_time()
    found = compiled.search(text)
    assert time.process_time() - started < 0.5
    assert not found or len(text) <= LONGEST


def test_the_worst_pattern_that_is_taken_is_quick_on_the_worst_text_however_long():
    made = re.compile(expression("[ab]*[ab]*b", 40))
    started = time.process_time()
    assert not made.search("a" * 40)
    assert not made.search("a" * 60_000)
    assert time.process_time() - started < 0.5
