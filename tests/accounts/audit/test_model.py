"""The chain as a thing of its own: what a hash is over, and what does not fit."""

import hashlib
import json

import msgspec
import pytest

from chassis.certificates import NotGenuine, Signer
from services.accounts.audit import model
from services.accounts.audit.model import FIRST_HASH, Act, Actor, Looker
from tests.accounts.builders import NOW
from tests.accounts.conftest import callers

ANN = Actor(kind="operator", id="ann", role="owner")


def an_act(number: int) -> Act:
    return Act(act_id=f"act-{number}", actor=ANN, act="tokens.issue", subject={"token_id": str(number)})


def chain(length: int = 5) -> list[model.Entry]:
    entries: list[model.Entry] = []
    for number in range(length):
        entries.append(model.following("c1", entries[-1] if entries else None, an_act(number), NOW))
    return entries


def head_of(entry: model.Entry, **changes) -> str:
    stated = {"chain": "c1", "number": entry.number, "hash": entry.hash, "signed_at": NOW} | changes
    return Signer("accounts", callers.key("accounts")).sign(model.HEAD, msgspec.to_builtins(stated))


def look(entries, heads=()):
    looker = Looker("c1", heads, jwks=callers.jwks)
    for entry in entries:
        looker.take(entry, entry.number)
    finding = looker.finding()
    return [(problem.kind, problem.number) for problem in finding.problems]


def test_anybody_can_compute_the_hash_with_what_every_language_has():
    [entry] = chain(1)
    said = json.loads(msgspec.json.encode(entry))
    del said["hash"]
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    assert entry.hash == hashlib.sha256(canonical).hexdigest()
    assert entry.previous == FIRST_HASH


def test_time_never_runs_backwards_in_a_chain():
    first = model.following("c1", None, an_act(1), NOW)

    assert model.following("c1", first, an_act(2), NOW.replace(year=2020)).at == NOW


def test_a_whole_chain_and_its_heads_are_fine():
    entries = chain()

    assert look(entries, [head_of(entries[1]), head_of(entries[4])]) == []


@pytest.mark.parametrize(
    "change", [{"act": "other"}, {"subject": {}}, {"at": NOW.replace(year=2027)}, {"details": {"x": "y"}}]
)
def test_an_edit_is_found(change):
    entries = chain()
    entries[2] = msgspec.structs.replace(entries[2], **change)

    assert look(entries) == [("edited", 3)] or look(entries)[0] == ("edited", 3)


def test_an_edit_with_a_hash_to_match_is_found_by_its_neighbour():
    entries = chain()
    edited = msgspec.structs.replace(entries[2], act="other")
    entries[2] = msgspec.structs.replace(edited, hash=model.hash_of(edited))

    assert look(entries) == [("misplaced", 4)]


def test_a_deletion_is_found():
    entries = chain()
    del entries[2]

    assert look(entries) == [("missing", 3), ("misplaced", 4)]


def test_two_that_changed_places_are_found():
    entries = chain()
    one, two = entries[1], entries[2]
    entries[1] = msgspec.structs.replace(two, number=2)
    entries[2] = msgspec.structs.replace(one, number=3)

    assert [number for kind, number in look(entries) if kind == "edited"] == [2, 3]


def test_an_end_that_was_cut_off_is_found_by_a_signed_head():
    entries = chain()
    head = head_of(entries[4])

    assert look(entries[:3]) == []
    assert look(entries[:3], [head]) == [("truncated", 5)]
    assert look([], [head]) == [("truncated", 5)]


def test_a_chain_that_was_written_anew_is_found_by_a_signed_head():
    old, head = chain(), head_of(chain()[4])
    anew: list[model.Entry] = []
    for number in range(len(old)):
        act = an_act(number if number != 1 else 99)
        anew.append(model.following("c1", anew[-1] if anew else None, act, NOW))

    assert look(anew) == []
    assert look(anew, [head]) == [("replaced", 5)]


def test_a_head_that_is_not_ours_or_of_another_chain_is_told():
    entries = chain()
    forged = Signer("accounts", callers.key("gateway")).sign(model.HEAD, {"chain": "c1"})

    assert look(entries, [forged]) == [("not-genuine", 0)]
    assert look(entries, [head_of(entries[1], chain="c2")]) == [("not-genuine", 2)]
    with pytest.raises(NotGenuine):
        model.read_head("nonsense", jwks=callers.jwks)


def test_of_many_problems_the_number_is_told():
    entries = [msgspec.structs.replace(entry, act="other") for entry in chain(50)]
    looker = Looker("c1", (), jwks=callers.jwks)
    for entry in entries:
        looker.take(entry, entry.number)
    finding = looker.finding()

    assert (finding.problem_count, len(finding.problems)) == (50, model.MOST_PROBLEMS)
    assert not finding.is_whole
