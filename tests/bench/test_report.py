"""The report: complete without anything beside it, legible without colour, and honest."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.bench import report
from tests.bench.bench import Row
from tests.bench.plots import Point, lines, number, stacks
from tests.bench.reach import reached
from tests.bench.soak import GROWTH

CLEAN = {"attempts": 10, "lost": 0, "duplicated": 0, "reordered": 0, "gaps": 0, "unexpected": 0}


def a_row(part: str = "open-loop", level: float = 200, run: int = 1, **figures: float) -> Row:
    figures = figures or {"delivered_p50_ms": 3.0, "delivered_p90_ms": 5.0, "delivered_p99_ms": 9.0 + run}
    cpu = {"gateway": 0.5, "mongod": 0.25, "driver": 0.125, "epmd": 0.0625}
    return Row(part=part, label=f"{level:g}", level=level, run=run, figures=figures, verdict=CLEAN, cpu=cpu)


def written(folder: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str, Any]:
    monkeypatch.setattr(report, "REPOSITORY", folder)
    status = report.write(rows, folder, {"runs": 2}, {"revision": "abc"})
    (page,) = folder.glob("*.html")
    return status, page.read_text(), json.loads(page.with_suffix(".json").read_text())


def test_both_files_have_the_spread_of_the_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, page, whole = written(tmp_path, [a_row(run=run) for run in (1, 2, 3)], monkeypatch)
    assert status == 0
    assert whole["summary"][0]["figures"]["delivered_p99_ms"] == {"min": 10.0, "median": 11.0, "max": 12.0}
    assert "11\n10 to 12" in page
    assert "lost 0, duplicated 0, reordered 0, gaps 0, unexpected 0" in page


def a_course(name: str, slope: float) -> Row:
    figures = {"mib_after_warm_up": 90.0, "mib_at_the_end": 96.0, "mib_per_hour": slope, "give_or_take": 0.5}
    return Row(part=GROWTH, label=name, level=60, run=1, figures=figures, course=[(0, 90.0), (30, 93.0), (60, 96.0)])


def test_memory_over_time_is_drawn_and_its_slope_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [a_course("chat", 4.0), a_course("gateway", 0.7), a_course("mongod", 4.0)]
    _, page, _ = written(tmp_path, rows, monkeypatch)
    assert "grows; at this rate twice as large in 24 hours" in page
    assert "no growth that this run can tell from chance" in page
    assert "has its own bound" in page
    assert page.count("<svg") == 2


def test_the_page_asks_for_nothing_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, page, _ = written(tmp_path, [a_row()], monkeypatch)
    sources: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            sources.extend(name for name, _ in attrs if name in {"src", "href"})

    Reader().feed(page)
    assert sources == []
    assert "<script" not in page


def test_a_message_that_is_lost_is_in_the_exit_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = a_row()
    bad.verdict = CLEAN | {"lost": 1}
    status, page, _ = written(tmp_path, [bad], monkeypatch)
    assert status == 1
    assert "lost 1" in page


def test_a_plot_is_well_formed_has_a_name_and_tells_its_series_apart_without_colour() -> None:
    series = {name: [Point(x, x, x * 2, x * 3) for x in (1, 10, 100)] for name in ("p50 & co", "p99")}
    drawn = ET.fromstring(lines("Latency", "rate", "ms", series))
    assert drawn.attrib["aria-label"] == "Latency"
    assert len({line.attrib["stroke-dasharray"] for line in drawn.iter("polyline")}) == 2
    assert "p50 & co" in [text.text for text in drawn.iter("text")]


def test_a_column_is_as_high_as_its_parts_together() -> None:
    drawn = ET.fromstring(stacks("CPU", "cores", {"50/s": {"a": 1.0, "b": 0.5}}))
    heights = {box[0].text: float(box.attrib["height"]) for box in drawn.iter("rect") if len(box)}
    assert heights["a: 1"] == pytest.approx(2 * heights["b: 0.5"], rel=0.01)


def test_what_is_measured_all_the_time_has_even_steps_on_its_axis() -> None:
    course = [Point(at / 7, 1.0, 1.0, 1.0) for at in range(100)]
    drawn = ET.fromstring(lines("Memory", "minutes", "MiB", {"chat": course}, is_log=False))
    assert {"0", "5", "10"} <= {text.text for text in drawn.iter("text")}


def test_nothing_measured_is_nothing_drawn() -> None:
    assert lines("Latency", "rate", "ms", {"p50": []}) == ""
    assert stacks("CPU", "cores", {}) == ""


@pytest.mark.parametrize(
    ("value", "words"), [(0, "0"), (4, "4"), (0.3571, "0.357"), (12.345, "12.3"), (4321.9, "4,322")]
)
def test_numbers_are_as_long_as_they_say_something(value: float, words: str) -> None:
    assert number(value) == words


def test_where_it_falls_short_is_said() -> None:
    rows = [a_row(run=run, delivered_p50_ms=value) for run, value in enumerate((3.0, 5.0, 6.0), start=1)]
    (one,) = reached(report.summarised(rows))
    assert one.verdict == "not reached, not in every run"
