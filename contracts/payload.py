"""The two kinds of payload on the bus: events, which are facts, and commands, which are requests."""

from typing import ClassVar

import msgspec


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """Strict to build (an unknown field is a TypeError), lenient to read (unknown fields are ignored).

    ``routing_key`` names the payload on the bus: ``<owner>.<entity>.<verb>.v<n>``. The grammar is
    tested in ``tests/contracts``; it must agree with the class name, ``<Entity><Verb>`` for events
    and ``<Verb><Entity>`` for commands.
    """

    routing_key: ClassVar[str]

    customer_id: str

    @property
    def cause(self) -> str:
        """The id of what led to it, if the payload says so; empty otherwise."""
        return ""


class Event(Payload, frozen=True, kw_only=True):
    """A fact. Published by the one service that owns it, heard by any number.

    Every event belongs to one customer, so it is published under ``<routing_key>.<customer_id>``:
    a service that wants all of them binds ``<routing_key>.*``, a gateway that has sockets of one
    customer binds ``*.*.*.*.<customer_id>``.
    """


class Command(Payload, frozen=True, kw_only=True):
    """A request. Sent to the one service that owns the work; its refusal is an event."""
