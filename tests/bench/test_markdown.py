"""The tables for the documents: the same figures, in Markdown."""

from tests.bench.bench import Row
from tests.bench.markdown import Report, document

CLEAN = {"attempts": 10, "lost": 0, "duplicated": 0, "reordered": 0, "gaps": 0, "unexpected": 0}


def a_row(run: int) -> Row:
    figures = {"msg_per_s": 200.0, "delivered_p50_ms": 2.0 + run, "delivered_p99_ms": 9.0, "delivered_p90_ms": 8.0}
    return Row(part="open-loop", label="200/s", level=200, run=run, figures=figures, verdict=CLEAN)


def test_a_report_becomes_tables_with_the_median_and_the_spread() -> None:
    settings = {"command": "python -m tests.bench", "runs": 3}
    text = document(Report(machine={"processor": "2 cores"}, settings=settings, rows=[a_row(run) for run in (1, 2, 3)]))
    assert "| processor | 2 cores |" in text
    assert "| command | python -m tests.bench |" in text
    assert "Of 30 messages in 3 runs: lost 0," in text
    assert "| one message, socket to socket, 200/s | ≤ 4 ms | 4 ms (3 to 5) | reached, not in every run |" in text
    assert "|  | msg per s | delivered p50 ms | delivered p99 ms |" in text
    assert "| 200/s | 200 (200 to 200) | 4 (3 to 5) | 9 (9 to 9) |" in text
