"""The checker: compares the ledger with what the system returns in the end, and with what each party was shown.

============  =======================================================================================
lost          acknowledged to the sender, and not in the history
duplicated    one message under more than one ``seq``, or shown to a party twice
reordered     a sender's messages in another order than sent, or shown in another order than ``seq``
gaps          a ``seq`` missing from the history, or from what a party saw that was there to the end
unexpected    in the history, shown or acknowledged, and not what was sent, or not to whom
recovered     never acknowledged, and in the history all the same; allowed
============  =======================================================================================
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from tests.ledger.ledger import Entry, Ledger, Part

FORBIDDEN = ("lost", "duplicated", "reordered", "gaps", "unexpected")
KINDS = (*FORBIDDEN, "recovered")


class Stored(NamedTuple):
    """A message as the public edge returns it in a history or a sealed transcript."""

    seq: int
    client_id: str
    text: str


@dataclass
class Verdict:
    """How many of each, and what they are: ``(kind, where and which)``."""

    attempts: int = 0
    acknowledged: int = 0
    stored: int = 0
    findings: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    def __getitem__(self, kind: str) -> int:
        return len(self.findings[kind])

    @property
    def is_clean(self) -> bool:
        """Whether all that must be 0 is 0."""
        return not any(self.findings[kind] for kind in FORBIDDEN)

    def counts(self) -> dict[str, int]:
        """The words of the ledger with their numbers."""
        numbers = {"attempts": self.attempts, "acknowledged": self.acknowledged, "stored": self.stored}
        return numbers | {kind: self[kind] for kind in KINDS}

    def __str__(self) -> str:
        return ", ".join(f"{name} {number}" for name, number in self.counts().items())


Finding = tuple[str, str]
Histories = Mapping[str, Sequence[Stored]]


def check(ledger: Ledger, histories: Histories) -> Verdict:
    """The verdict. ``histories`` has, for each conversation, what follows where the ledger begins, to the end."""
    verdict = Verdict(
        attempts=len(ledger.entries),
        acknowledged=sum(1 for entry in ledger.entries.values() if entry.acknowledged_as),
        stored=sum(map(len, histories.values())),
    )
    looks = (_of_entries, _of_histories, _of_parts)
    for kind, what in chain.from_iterable(look(ledger, histories) for look in looks):
        verdict.findings[kind].append(what)
    return verdict


def _of_entries(ledger: Ledger, histories: Histories) -> Iterator[Finding]:
    kept = {message.client_id: message.seq for history in histories.values() for message in history}
    for entry in ledger.entries.values():
        seq = kept.get(entry.client_id)
        if entry.acknowledged_as:
            yield from _of_acknowledged(entry, seq)
        elif seq is not None:
            yield "recovered", f"{_name(entry)} has seq {seq}"


def _of_acknowledged(entry: Entry, seq: int | None) -> Iterator[Finding]:
    answers = set(entry.acknowledged_as)
    if seq is None:
        yield "lost", f"{_name(entry)} was acknowledged as {min(answers)}"
    elif len(answers) > 1:
        yield "duplicated", f"{_name(entry)} was acknowledged as {sorted(answers)}"
    elif seq not in answers:
        yield "unexpected", f"{_name(entry)} was acknowledged as {min(answers)} and has seq {seq}"


def _of_histories(ledger: Ledger, histories: Histories) -> Iterator[Finding]:
    starts = ledger.starts()
    places = {client_id: place for place, client_id in enumerate(ledger.entries)}
    for conversation_id, history in histories.items():
        seqs = [message.seq for message in history]
        yield from _repeated(conversation_id, history)
        yield from _descents(f"history of {conversation_id}", seqs)
        yield from _missing(f"history of {conversation_id}", seqs, _expected(seqs, starts.get(conversation_id, 0)))
        yield from _strangers(conversation_id, history, ledger)
        yield from _out_of_turn(history, ledger, places)


def _repeated(conversation_id: str, history: Sequence[Stored]) -> Iterator[Finding]:
    first: dict[str, int] = {}
    seqs: set[int] = set()
    for message in history:
        if message.client_id in first or message.seq in seqs:
            yield "duplicated", f"history of {conversation_id}: {message.client_id} again as {message.seq}"
        first.setdefault(message.client_id, message.seq)
        seqs.add(message.seq)


def _descents(where: str, seqs: Iterable[int]) -> Iterator[Finding]:
    """Each seq that comes after a higher one; one that comes twice is not out of order but doubled."""
    highest = 0
    known: set[int] = set()
    for seq in seqs:
        if seq < highest and seq not in known:
            yield "reordered", f"{where}: {seq} after {highest}"
        highest = max(highest, seq)
        known.add(seq)


def _missing(where: str, present: Iterable[int], expected: Iterable[int]) -> Iterator[Finding]:
    there = set(present)
    for seq in expected:
        if seq not in there:
            yield "gaps", f"{where}: {seq} is missing"


def _expected(seqs: Sequence[int], after: int) -> range:
    return range(after + 1, max(seqs, default=after) + 1)


def _strangers(conversation_id: str, history: Sequence[Stored], ledger: Ledger) -> Iterator[Finding]:
    for message in history:
        entry = ledger.entries.get(message.client_id)
        if entry is None:
            yield "unexpected", f"history of {conversation_id}: {message.client_id} was never sent"
        elif (entry.conversation_id, entry.text) != (conversation_id, message.text):
            yield "unexpected", f"history of {conversation_id}: {_name(entry)} is not as it was sent"


def _out_of_turn(history: Sequence[Stored], ledger: Ledger, places: Mapping[str, int]) -> Iterator[Finding]:
    """For each sender, messages that have a later place than one which was sent after them."""
    latest: dict[str, int] = {}
    for message in sorted(set(history)):
        entry = ledger.entries.get(message.client_id)
        if entry is None:
            continue
        place = places[message.client_id]
        if place < latest.get(entry.sender, -1):
            yield "reordered", f"{_name(entry)} was sent before what stands before it"
        latest[entry.sender] = max(place, latest.get(entry.sender, -1))


def _of_parts(ledger: Ledger, histories: Histories) -> Iterator[Finding]:
    for part in ledger.parts.values():
        history = histories.get(part.conversation_id, ())
        where = f"{part.party} in {part.conversation_id}"
        seqs = [sighting.seq for sighting in part.sightings]
        yield from _shown_twice(where, part)
        yield from _descents(where, seqs)
        yield from _misfits(where, part, history)
        yield from _missing(where, seqs, _owed(part, seqs, history))


def _shown_twice(where: str, part: Part) -> Iterator[Finding]:
    seqs: set[int] = set()
    client_ids: set[str] = set()
    for seq, client_id, _ in part.sightings:
        if seq in seqs or client_id in client_ids:
            yield "duplicated", f"{where}: {client_id} was shown again as {seq}"
        seqs.add(seq)
        client_ids.add(client_id)


def _misfits(where: str, part: Part, history: Sequence[Stored]) -> Iterator[Finding]:
    there = {(message.seq, message.client_id) for message in history}
    for seq, client_id, _ in part.sightings:
        if (seq, client_id) not in there:
            yield "unexpected", f"{where}: was shown {client_id} as {seq}, which the history does not have"


def _owed(part: Part, seqs: Sequence[int], history: Sequence[Stored]) -> Iterable[int]:
    if part.left:
        return _expected(seqs, part.after)
    return sorted({message.seq for message in history if message.seq > part.after})


def _name(entry: Entry) -> str:
    return f"{entry.client_id} of {entry.sender} in {entry.conversation_id}"
