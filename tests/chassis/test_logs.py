import json
import logging

import pytest
import structlog

from chassis import correlation, logs


@pytest.fixture
def lines(capsys):
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    structured = structlog.get_config()
    logs.configure("shop", "INFO")
    yield lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    root.handlers[:], root.level = before
    structlog.configure(**structured)


def test_a_line_is_json_with_service_and_correlation_id(lines):
    with correlation.bound("req-1"):
        structlog.get_logger("here").info("basket filled", count=3)

    [line] = lines()
    assert line["event"] == "basket filled"
    assert line["count"] == 3
    assert (line["service"], line["correlation_id"], line["level"]) == ("shop", "req-1", "info")
    assert line["at"].endswith("Z")


def test_lines_of_libraries_look_the_same(lines):
    with correlation.bound("req-2"):
        logging.getLogger("some.library").warning("disk at %d%%", 97)

    [line] = lines()
    assert line["event"] == "disk at 97%"
    assert (line["service"], line["correlation_id"], line["level"]) == ("shop", "req-2", "warning")


@pytest.mark.parametrize("name", ["text", "token", "password", "Authorization", "cookie", "answers", "ticket", "email"])
def test_personal_and_secret_values_are_dropped(lines, name):
    structlog.get_logger().info("said", **{name: "sesame"}, message_id="m1")

    [line] = lines()
    assert "sesame" not in json.dumps(line)
    assert line["message_id"] == "m1"


def test_lines_below_the_level_are_not_written(lines):
    structlog.get_logger().debug("detail")

    assert lines() == []


def test_an_exception_is_one_line(lines):
    try:
        raise ValueError("broken")
    except ValueError:
        structlog.get_logger().exception("failed")

    [line] = lines()
    assert "ValueError: broken" in line["exception"]
