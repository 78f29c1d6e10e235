import inspect
import re

import pytest

from contracts import accounts, chat, surveys, transcripts
from contracts.catalogue import COMMANDS, EVENTS, PAYLOADS
from contracts.payload import Command, Event, Payload

OWNERS = {"accounts": accounts, "chat": chat, "surveys": surveys, "transcripts": transcripts}
KEY = re.compile(r"(?P<owner>[a-z]+)\.(?P<entity>[a-z]+(?:-[a-z]+)*)\.(?P<verb>[a-z]+)\.v(?P<version>[1-9]\d*)")
PAST = re.compile(r".+ed|sent|begun|left|withdrawn")


def parts(payload: type[Payload]) -> re.Match[str]:
    match = KEY.fullmatch(payload.routing_key)
    assert match, payload.routing_key
    return match


def camel(words: str) -> str:
    return "".join(word.capitalize() for word in words.split("-"))


def version_suffix(match: re.Match[str]) -> str:
    return "" if match["version"] == "1" else f"V{match['version']}"


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_is_named_entity_and_past_verb_as_its_key_is(event: type[Event]):
    match = parts(event)

    assert issubclass(event, Event)
    assert event.__name__ == camel(match["entity"]) + camel(match["verb"]) + version_suffix(match)
    assert PAST.fullmatch(match["verb"]), "an event is a fact, in the past"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_named_verb_and_entity_as_its_key_is(command: type[Command]):
    match = parts(command)

    assert issubclass(command, Command)
    assert command.__name__ == camel(match["verb"]) + camel(match["entity"]) + version_suffix(match)
    assert not match["verb"].endswith("ed"), "a command is a request"


@pytest.mark.parametrize("payload", PAYLOADS.values())
def test_a_payload_is_declared_in_the_module_of_its_owner(payload: type[Payload]):
    assert payload.__module__ == OWNERS[parts(payload)["owner"]].__name__


@pytest.mark.parametrize("payload", PAYLOADS.values())
def test_a_payload_says_in_a_sentence_of_its_own_what_it_means(payload: type[Payload]):
    sentence = (inspect.getdoc(payload) or "").partition("\n")[0]

    assert payload.__doc__ not in [base.__doc__ for base in payload.__mro__[1:]]
    assert sentence.endswith(".")


def test_every_declared_payload_is_in_the_catalogue():
    declared = {
        kind
        for module in OWNERS.values()
        for kind in vars(module).values()
        if inspect.isclass(kind) and issubclass(kind, Payload) and "routing_key" in vars(kind)
    }

    assert declared == set(PAYLOADS.values())


def test_no_two_payloads_share_a_key():
    assert len(PAYLOADS) == len(EVENTS) + len(COMMANDS)
