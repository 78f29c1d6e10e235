"""The command line of a service."""

import pytest

from chassis import commands


def run(*arguments: str) -> list[object]:
    ran: list[object] = []
    processes = {"web": lambda: ran.append("web")}
    commands.run("chat", processes, {"repartition": ran.append}, tools={"look": ran.append}, arguments=arguments)
    return ran


def test_a_process_is_named():
    assert run("web") == ["web"]


def test_a_command_that_needs_a_number_gets_it():
    assert run("repartition", "32") == [32]


def test_a_tool_gets_the_rest_of_the_line():
    assert run("look", "--for", "it") == [["--for", "it"]]


@pytest.mark.parametrize(
    "arguments", [[], ["other"], ["web", "1"], ["repartition"], ["repartition", "-1"], ["web", "web"]]
)
def test_whatever_else_is_answered_with_what_there_is(arguments, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        run(*arguments)
    assert ended.value.code == 64
    assert capsys.readouterr().err == "usage: python -m services.chat web|repartition NUMBER|look …\n"
