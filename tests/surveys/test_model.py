"""Numbers, ages and what staff may see."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.surveys.model import age_band, age_on, as_text, shown


@given(st.integers(-(10**15), 10**15) | st.floats(-1e15, 1e15))
def test_a_number_reads_back_as_the_same_number(number):
    assert float(as_text(number)) == number


@pytest.mark.parametrize(
    ("number", "text"), [(3, "3"), (3.0, "3"), (3.5, "3.5"), (-1, "-1"), (0, "0"), (1e15, "1000000000000000")]
)
def test_numbers_are_kept_as_people_write_them(number, text):
    assert as_text(number) == text


@pytest.mark.parametrize(
    ("born", "age"),
    [("2008-11-24", 18), ("2008-11-25", 17), ("2008-02-29", 18), ("1926-11-24", 100), ("2026-11-24", 0)],
)
def test_a_birthday_counts_from_its_day_on(born, age):
    assert age_on(date(2026, 11, 24), date.fromisoformat(born)) == age


def test_who_is_born_on_a_leap_day_comes_of_age_on_the_first_of_march():
    born = date(2008, 2, 29)
    assert [age_on(date(2026, 2, 28), born), age_on(date(2026, 3, 1), born)] == [17, 18]


@pytest.mark.parametrize(("age", "band"), [(18, "18 to 24"), (24, "18 to 24"), (25, "25 to 34"), (65, "65 or older")])
def test_ages_are_counted_in_bands(age, band):
    assert age_band(age) == band


@given(st.dictionaries(st.sampled_from("12345"), st.integers(0, 100)))
def test_staff_see_no_group_under_ten_and_no_single_answer(counts):
    told = shown(counts)
    assert all(count >= 10 and count % 10 == 0 for count in told.values())
    assert all(counts[rating] - 10 < count <= counts[rating] for rating, count in told.items())
    assert set(told) == {rating for rating, count in counts.items() if count >= 10}
