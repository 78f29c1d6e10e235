"""The ledger: one entry for each message, written by the clients while a run goes on and judged afterwards.

Noting must cost next to nothing, for it shares the machine with what is measured: what comes in is
appended as it comes, and nothing is compared before ``checker.check``.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec


class Entry(msgspec.Struct, gc=False):
    """One message, as its sender knows it. Times are in seconds, all of one clock.

    ``intended_at`` is when it was due; a sender that is held up sends later, and that wait counts.
    ``acknowledged_as`` has the ``seq`` of every acknowledgement: its own echo, or a 201.
    """

    client_id: str
    conversation_id: str
    sender: str
    text: str
    intended_at: float
    sent_at: float
    acknowledged_at: float | None = None
    acknowledged_as: list[int] = []


class Sighting(NamedTuple):
    """A message that a party was shown."""

    seq: int
    client_id: str
    at: float


class Part(msgspec.Struct):
    """What one party was shown of one conversation, in the order in which it was shown.

    It is owed everything after ``after``, and the end of the conversation unless it ``left`` before.
    """

    party: str
    conversation_id: str
    after: int = 0
    left: bool = False
    sightings: list[Sighting] = []


class Ledger:
    """Everything that the clients of one run sent and were shown."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.parts: dict[tuple[str, str], Part] = {}

    def enters(self, party: str, conversation_id: str, *, after: int = 0) -> Part:
        """From here on ``party`` is owed what follows message ``after``; sightings go into what this returns."""
        return self.parts.setdefault((party, conversation_id), Part(party, conversation_id, after))

    def leaves(self, party: str, conversation_id: str) -> None:
        """``party`` is gone before the end: what comes now is not owed to it."""
        self.parts[party, conversation_id].left = True

    def sent(self, entry: Entry) -> None:
        """Called before the message leaves, in the order in which a sender's messages leave; not when sent again."""
        self.entries[entry.client_id] = entry

    def acknowledged(self, client_id: str, seq: int, at: float) -> None:
        """The sender was told that it is stored as ``seq``."""
        entry = self.entries[client_id]
        entry.acknowledged_as.append(seq)
        if entry.acknowledged_at is None:
            entry.acknowledged_at = at

    def starts(self) -> dict[str, int]:
        """For each conversation, the message after which the ledger begins."""
        starts: dict[str, int] = {}
        for part in self.parts.values():
            starts[part.conversation_id] = min(part.after, starts.get(part.conversation_id, part.after))
        return starts

    def save(self, path: Path) -> None:
        """As lines of JSON: what a run leaves behind when its verdict has to be explained."""
        with path.open("wb") as file:
            for line in self._lines():
                file.write(msgspec.json.encode(line) + b"\n")

    def _lines(self) -> Iterator[object]:
        yield from self.entries.values()
        yield from self.parts.values()


def joined(ledgers: Iterable[Ledger]) -> Ledger:
    """Several runs in the same conversations, one after another, as one."""
    whole = Ledger()
    for ledger in ledgers:
        whole.entries |= ledger.entries
        for (party, conversation_id), part in ledger.parts.items():
            together = whole.enters(party, conversation_id, after=part.after)
            together.sightings.extend(part.sightings)
            together.left = part.left
    return whole
