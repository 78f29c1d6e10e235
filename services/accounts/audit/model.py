"""The chain: what an entry says, how its hash is made, and what is wrong with a chain that was tampered with.

An entry's hash is SHA-256 over its canonical form: the JSON object of everything it says but the hash itself, with
sorted keys, without spaces, in UTF-8. It names the hash before it, so an entry that is changed, removed, added or moved
no longer fits its neighbours. That the end was not cut off, or everything written anew, only a *head* shows that was
signed before: the number and the hash of the last entry at that time.
"""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal

import msgspec

from chassis.certificates import NotGenuine, verified

STAFF_CHAIN = "staff"
"""The chain of what staff do; every other is called as its customer."""

FIRST_HASH = "0" * 64
HEAD = "velaro-audit-head"
SIGNER = "accounts"
MOST_PROBLEMS = 20

ActorKind = Literal["operator", "staff", "system"]
ProblemKind = Literal["missing", "edited", "misplaced", "truncated", "replaced", "not-genuine"]


class CursorNotValid(Exception):
    """Some fields are missing or not acceptable."""

    members = {"errors": [{"field": "after", "detail": "This is no cursor of an earlier answer"}]}


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    kind: ActorKind
    id: str
    role: str


SYSTEM = Actor(kind="system", id="accounts", role="system")


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody is about to do. Under one ``act_id`` it is noted once, however often it is told.

    ``subject`` names things by their ids, ``details`` are numbers and words of our own: never what a person said.
    """

    act_id: str
    actor: Actor
    act: str
    subject: dict[str, str]
    details: dict[str, str] = {}

    def ended(self, outcome: str) -> "Act":
        """That it came to nothing, or that nobody knows what it came to, as an act that follows it."""
        details = {"outcome": outcome, "of": self.act_id}
        return msgspec.structs.replace(self, act_id=f"{self.act_id}.outcome", details=details)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    chain: str
    number: int
    at: datetime
    act_id: str
    actor: Actor
    act: str
    subject: dict[str, str]
    details: dict[str, str]
    previous: str
    hash: str


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """Where a chain ended when this was signed; ``certificate`` says so to anybody, in our signature."""

    chain: str
    number: int
    hash: str
    signed_at: datetime
    certificate: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a chain, and at which number."""

    kind: ProblemKind
    number: int
    detail: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What became of looking through a chain; of more problems than ``MOST_PROBLEMS`` only their number is told."""

    chain: str
    entries: int
    hash: str
    heads: int
    problems: tuple[Problem, ...]
    problem_count: int

    @property
    def is_whole(self) -> bool:
        return self.problem_count == 0


def following(chain: str, last: Entry | None, act: Act, at: datetime) -> Entry:
    """The entry that comes after ``last``, never earlier than that."""
    entry = Entry(
        chain=chain,
        number=last.number + 1 if last else 1,
        at=max(at, last.at) if last else at,
        act_id=act.act_id,
        actor=act.actor,
        act=act.act,
        subject=act.subject,
        details=act.details,
        previous=last.hash if last else FIRST_HASH,
        hash="",
    )
    return msgspec.structs.replace(entry, hash=hash_of(entry))


def hash_of(entry: Entry) -> str:
    """What the hash of the entry has to be, whatever it is."""
    said = msgspec.to_builtins(entry)
    del said["hash"]
    return hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()


def read_head(certificate: str, *, jwks: str) -> Head:
    """What a signed head states. Raises ``NotGenuine``."""
    stated = verified(certificate, kind=HEAD, service=SIGNER, jwks=jwks)
    try:
        return msgspec.convert({**stated, "certificate": certificate}, Head)
    except msgspec.ValidationError as error:
        raise NotGenuine from error


class Looker:
    """Looks through one chain from its beginning, an entry at a time: what it holds does not grow with them."""

    def __init__(self, chain: str, heads: Iterable[str], *, jwks: str) -> None:
        self._chain = chain
        self._problems: list[Problem] = []
        self._problem_count = 0
        self._heads_seen = 0
        self._jwks = jwks
        self._heads = self._genuine(heads)
        self._next_head = next(self._heads, None)
        self._number = 0
        self._hash = FIRST_HASH
        self._at: datetime | None = None

    def take(self, entry: Entry | None, number: int) -> None:
        """The next entry as it is stored, None if it cannot be read, and the number it is kept under."""
        if number != self._number + 1:
            self._complain("missing", self._number + 1, f"entry {self._number + 1} is followed by {number}")
        if entry is None or entry.chain != self._chain or entry.hash != hash_of(entry):
            self._complain("edited", number, "what the entry says does not fit its hash")
        elif entry.previous != self._hash:
            self._complain("misplaced", number, "the entry does not follow the one before it")
        elif self._at is not None and entry.at < self._at:
            self._complain("misplaced", number, "the entry is older than the one before it")
        self._number = number
        if entry is not None:
            self._hash, self._at = entry.hash, entry.at
        self._compare()

    def finding(self) -> Finding:
        """All that was found, when there are no more entries."""
        while self._next_head is not None:
            head = self._next_head
            self._complain("truncated", head.number, f"a signed head says there was an entry {head.number}")
            self._next_head = next(self._heads, None)
        return Finding(
            chain=self._chain,
            entries=self._number,
            hash=self._hash,
            heads=self._heads_seen,
            problems=tuple(self._problems),
            problem_count=self._problem_count,
        )

    def _compare(self) -> None:
        while self._next_head is not None and self._next_head.number <= self._number:
            head = self._next_head
            if head.number == self._number and head.hash != self._hash:
                self._complain("replaced", head.number, "the entry is another than a signed head says")
            self._next_head = next(self._heads, None)

    def _genuine(self, certificates: Iterable[str]) -> Iterator[Head]:
        for certificate in certificates:
            self._heads_seen += 1
            try:
                head = read_head(certificate, jwks=self._jwks)
            except NotGenuine:
                self._complain("not-genuine", 0, "a head is not signed by us")
                continue
            if head.chain != self._chain:
                self._complain("not-genuine", head.number, "a head is that of another chain")
                continue
            yield head

    def _complain(self, kind: ProblemKind, number: int, detail: str) -> None:
        self._problem_count += 1
        if len(self._problems) < MOST_PROBLEMS:
            self._problems.append(Problem(kind=kind, number=number, detail=detail))
