"""Appending by many at once, signing, and what looking finds after the database was written to directly."""

import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from services.accounts.audit import actions, model
from services.accounts.audit.model import Act, Actor
from services.accounts.audit.store import AuditStore
from tests.accounts.conftest import callers

ANN = Actor(kind="operator", id="ann", role="owner")


def an_act(number: object) -> Act:
    return Act(act_id=f"act-{number}", actor=ANN, act="tokens.issue", subject={"token_id": str(number)})


@pytest.fixture
def audit(context):
    return context.audit


@pytest.fixture
def entries(context):
    return context.database["audit_entries"]


@pytest.fixture
def fill(audit):
    def fill_chain(length=6, chain="c1"):
        return [actions.note(chain, an_act(number), audit=audit) for number in range(length)]

    return fill_chain


@pytest.fixture
def look(audit):
    def look_through(chain="c1", heads=()):
        finding = actions.verify(chain, audit=audit, jwks=callers.jwks, handed_in=heads)
        return [(problem.kind, problem.number) for problem in finding.problems]

    return look_through


@pytest.fixture
def sign(context, audit):
    return lambda chain="c1": actions.sign_head(chain, audit=audit, signer=context.signer)


def test_what_is_noted_twice_is_there_once(audit, entries):
    first = actions.note("c1", an_act(1), audit=audit)
    again = actions.note("c1", an_act(1), audit=audit)

    assert first == again
    assert entries.count_documents({}) == 1


def test_chains_are_apart(audit):
    assert [actions.note(chain, an_act(1), audit=audit).number for chain in ("c1", "c2", "staff")] == [1, 1, 1]


def test_many_writers_make_one_chain(context, look, entries):
    """Each with a store of its own, as in as many processes, and every act told twice."""
    stores = [AuditStore(context.database) for _ in range(8)]
    told = [(stores[number % 8], number % 40) for number in range(80)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda one: actions.note("c1", an_act(one[1]), audit=one[0]), told))

    assert entries.count_documents({}) == 40
    assert sorted(each["number"] for each in entries.find()) == list(range(1, 41))
    assert look() == []


def test_threads_of_one_process_wait_for_each_other(audit, entries):
    barrier = threading.Barrier(16)

    def note(number):
        barrier.wait()
        actions.note("c1", an_act(number), audit=audit)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(note, range(16)))

    assert entries.count_documents({}) == 16


def test_what_is_refused_is_noted_as_that(audit):
    with pytest.raises(KeyError), actions.noted("c1", an_act(1), audit=audit):
        raise KeyError

    outcome, begun = audit.newest("c1", before=None, limit=10)
    assert (begun.act_id, outcome.details) == ("act-1", {"outcome": "KeyError", "of": "act-1"})


def test_pages_go_back_from_the_newest(audit, fill):
    fill(5)

    page, following = actions.entries("c1", before=None, limit=3, audit=audit)
    rest, end = actions.entries("c1", before=following, limit=3, audit=audit)

    assert [entry.number for entry in (*page, *rest)] == [5, 4, 3, 2, 1]
    assert end is None


def test_a_head_is_signed_once_for_each_end(audit, fill, sign):
    assert sign() is None
    fill(3)
    head = sign()

    assert sign() == head
    assert model.read_head(head.certificate, jwks=callers.jwks) == head
    actions.note("c1", an_act("more"), audit=audit)
    assert sign().number == 4


def test_a_round_signs_what_has_grown(context, audit, fill):
    fill(2, "c1")
    fill(3, "c2")

    assert actions.sign_heads(audit=audit, signer=context.signer) == 2
    assert [audit.latest_head(chain).number for chain in ("c1", "c2")] == [2, 3]
    fill(4, "c2")
    actions.sign_heads(audit=audit, signer=context.signer)
    assert [audit.latest_head(chain).number for chain in ("c1", "c2")] == [2, 4]


def test_a_chain_that_is_longer_than_a_page_is_looked_through(context, audit, look, monkeypatch):
    monkeypatch.setattr("services.accounts.audit.store.PAGE", 3)
    for number in range(10):
        actions.note("c1", an_act(number), audit=audit)
        actions.sign_head("c1", audit=audit, signer=context.signer)

    assert look() == []
    assert list(audit.chains()) == ["c1"]


def test_an_edit_in_the_database_is_found(fill, entries, look):
    fill()
    entries.update_one({"chain": "c1", "number": 3}, {"$set": {"subject": {"token_id": "another"}}})

    assert look() == [("edited", 3)]


def test_a_deletion_in_the_database_is_found(fill, entries, look):
    fill()
    entries.delete_one({"chain": "c1", "number": 3})

    assert look() == [("missing", 3), ("misplaced", 4)]


def test_a_deletion_that_was_covered_up_by_renumbering_is_found(fill, entries, look):
    fill()
    entries.delete_one({"chain": "c1", "number": 3})
    for number in (4, 5, 6):
        entries.update_one({"chain": "c1", "number": number}, {"$set": {"number": number - 1}})

    assert [problem for problem in look() if problem[0] == "edited"] == [("edited", 3), ("edited", 4), ("edited", 5)]


def test_two_that_changed_places_in_the_database_are_found(fill, entries, look):
    fill()
    for number, place in ((2, 100), (3, 2), (100, 3)):
        entries.update_one({"chain": "c1", "number": number}, {"$set": {"number": place}})

    assert {number for kind, number in look() if kind == "edited"} == {2, 3}


def test_an_end_that_was_cut_off_is_found_by_the_heads(fill, entries, look, sign):
    fill()
    sign()
    entries.delete_many({"chain": "c1", "number": {"$gt": 4}})

    assert look() == [("truncated", 6)]


def test_an_end_that_was_cut_off_with_its_heads_is_found_by_one_that_was_kept_elsewhere(
    context, fill, entries, look, sign
):
    fill()
    kept = sign().certificate
    entries.delete_many({"chain": "c1"})
    context.database["audit_heads"].delete_many({})

    assert look() == []
    assert look(heads=[kept]) == [("truncated", 6)]


def test_a_chain_that_was_written_anew_is_found_by_the_heads(fill, entries, look, sign):
    before = fill()
    sign()
    entries.delete_many({"chain": "c1"})
    last = None
    for entry in before:
        act = Act(act_id=entry.act_id, actor=ANN, act="nothing", subject={})
        last = model.following("c1", last, act, entry.at)
        entries.insert_one(msgspec.to_builtins(last) | {"at": last.at})

    assert look() == [("replaced", 6)]


def test_an_entry_that_is_none_any_more_is_found(fill, entries, look):
    fill()
    entries.update_one({"chain": "c1", "number": 3}, {"$unset": {"actor": ""}})

    assert ("edited", 3) in look()
