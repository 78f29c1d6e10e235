"""Why sockets are closed is told to clients and to operators of the software, and to both completely."""

import re
from pathlib import Path

from services.gateway.closings import SENTENCES, Closing

OPERATIONS = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
BY_THE_LIBRARY = {1001, 1002}


def in_the_table() -> set[tuple[int, str]]:
    """Code and reason of each line of the table of *Watching the sockets*."""
    section = OPERATIONS.read_text().partition("## Watching the sockets")[2].partition("\n## ")[0]
    lines = re.findall(r"^\| (\d{4}) \| ([^|]+) \|", section, re.MULTILINE)
    return {(int(code), reason) for code, reasons in lines for reason in re.findall(r"`([^`]+)`", reasons)}


def test_the_table_of_operations_has_every_reason_and_no_other():
    assert in_the_table() == {(closing.code, closing.reason) for closing in Closing if closing.reason}


def test_every_code_says_something_to_the_client():
    assert set(SENTENCES) - BY_THE_LIBRARY == {closing.code for closing in Closing}


def test_where_a_code_has_several_reasons_each_is_named():
    for code in SENTENCES:
        reasons = [closing.reason for closing in Closing if closing.code == code]
        assert len(reasons) <= 1 or all(reasons)
