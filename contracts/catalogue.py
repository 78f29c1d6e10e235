"""Every payload there is, by routing key; the schemas and the generated docs are made from it."""

from contracts import accounts, chat, surveys, transcripts
from contracts.payload import Command, Event, Payload

EVENTS: tuple[type[Event], ...] = (*accounts.EVENTS, *chat.EVENTS, *surveys.EVENTS, *transcripts.EVENTS)
COMMANDS: tuple[type[Command], ...] = (*chat.COMMANDS, *surveys.COMMANDS, *transcripts.COMMANDS)
PAYLOADS: dict[str, type[Payload]] = {payload.routing_key: payload for payload in (*EVENTS, *COMMANDS)}
