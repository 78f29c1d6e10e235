"""Each kind of fault, planted, is found; and nothing is found where there is none."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.ledger.checker import FORBIDDEN, KINDS, Stored, Verdict, check
from tests.ledger.ledger import Entry, Ledger, Sighting, joined

PARTIES = ("visitor", "operator")


def a_history(count: int = 6, *, after: int = 0) -> list[Stored]:
    return [Stored(seq, f"m{seq}", f"text {seq}") for seq in range(after + 1, after + count + 1)]


def a_ledger(count: int = 6, *, after: int = 0) -> Ledger:
    """Two parties in turn, every message acknowledged and shown to both."""
    ledger = Ledger()
    parts = [ledger.enters(party, "c1", after=after) for party in PARTIES]
    for seq in range(after + 1, after + count + 1):
        ledger.sent(Entry(f"m{seq}", "c1", PARTIES[seq % 2], f"text {seq}", float(seq), float(seq)))
        ledger.acknowledged(f"m{seq}", seq, seq + 0.1)
        for part in parts:
            part.sightings.append(Sighting(seq, f"m{seq}", seq + 0.1))
    return ledger


def sightings_of(ledger: Ledger, party: str) -> list[Sighting]:
    return ledger.parts[party, "c1"].sightings


def judged(ledger: Ledger, history: Sequence[Stored]) -> Verdict:
    return check(ledger, {"c1": history})


def only(verdict: Verdict, *kinds: str) -> bool:
    """Whether these kinds were found, and no other."""
    return {kind for kind in KINDS if verdict[kind]} == set(kinds)


def test_a_faultless_run_has_nothing_but_zeros() -> None:
    verdict = judged(a_ledger(), a_history())
    assert verdict.is_clean
    assert verdict.counts() == {"attempts": 6, "acknowledged": 6, "stored": 6} | dict.fromkeys(KINDS, 0)


def test_a_run_that_begins_in_the_middle_of_a_conversation_is_judged_from_there() -> None:
    assert judged(a_ledger(after=10), a_history(after=10)).is_clean


def test_an_acknowledged_message_that_is_not_in_the_history_is_lost() -> None:
    ledger, history = a_ledger(), a_history()
    del history[5]
    for party in PARTIES:
        sightings_of(ledger, party).pop()
    verdict = judged(ledger, history)
    assert only(verdict, "lost")
    assert verdict["lost"] == 1


def test_what_was_acknowledged_but_never_stored_is_lost_even_when_no_number_is_missing() -> None:
    ledger = a_ledger()
    ledger.sent(Entry("m7", "c1", "visitor", "text 7", 7.0, 7.0))
    ledger.acknowledged("m7", 7, 7.1)
    assert only(judged(ledger, a_history()), "lost")


def test_a_message_under_two_numbers_is_duplicated() -> None:
    ledger, history = a_ledger(), a_history()
    history.append(Stored(7, "m6", "text 6"))
    for party in PARTIES:
        ledger.parts[party, "c1"].left = True
    assert judged(ledger, history)["duplicated"] == 1


def test_a_message_shown_twice_is_duplicated() -> None:
    ledger = a_ledger()
    seen = sightings_of(ledger, "operator")
    seen.append(seen[3])
    verdict = judged(ledger, a_history())
    assert only(verdict, "duplicated")
    assert "operator in c1" in verdict.findings["duplicated"][0]


def test_a_message_sent_again_and_acknowledged_under_another_number_is_duplicated() -> None:
    ledger = a_ledger()
    ledger.acknowledged("m2", 9, 9.0)
    assert only(judged(ledger, a_history()), "duplicated")


def test_a_message_sent_again_and_acknowledged_under_the_same_number_is_not() -> None:
    ledger = a_ledger()
    ledger.acknowledged("m2", 2, 9.0)
    assert judged(ledger, a_history()).is_clean


def test_a_senders_messages_in_another_order_than_sent_are_reordered() -> None:
    ledger = a_ledger()
    first, third = ledger.entries.pop("m1"), ledger.entries.pop("m3")
    ledger.entries |= {"m3": third, "m1": first}
    assert only(judged(ledger, a_history()), "reordered")


def test_two_senders_may_be_stored_in_any_order() -> None:
    ledger = a_ledger()
    ledger.entries = dict(sorted(ledger.entries.items(), key=lambda item: (item[1].sender, item[1].sent_at)))
    assert judged(ledger, a_history()).is_clean


def test_a_message_shown_after_a_later_one_is_reordered() -> None:
    ledger = a_ledger()
    seen = sightings_of(ledger, "operator")
    seen[2], seen[3] = seen[3], seen[2]
    verdict = judged(ledger, a_history())
    assert only(verdict, "reordered")
    assert verdict["reordered"] == 1


def test_a_history_that_is_not_in_order_is_reordered() -> None:
    history = a_history()
    history[2], history[3] = history[3], history[2]
    assert only(judged(a_ledger(), history), "reordered")


def test_a_number_missing_from_the_history_is_a_gap() -> None:
    ledger, history = a_ledger(), a_history()
    del history[2], ledger.entries["m3"]
    for party in PARTIES:
        del sightings_of(ledger, party)[2]
    assert only(judged(ledger, history), "gaps")


@pytest.mark.parametrize("place", [0, 2, 5])
def test_a_stored_message_that_a_party_never_saw_is_a_gap(place: int) -> None:
    ledger = a_ledger()
    del sightings_of(ledger, "operator")[place]
    verdict = judged(ledger, a_history())
    assert only(verdict, "gaps")
    assert verdict["gaps"] == 1


def test_who_left_is_owed_nothing_more_but_everything_until_then() -> None:
    ledger = a_ledger()
    ledger.leaves("operator", "c1")
    del sightings_of(ledger, "operator")[4:]
    assert judged(ledger, a_history()).is_clean
    del sightings_of(ledger, "operator")[1]
    assert only(judged(ledger, a_history()), "gaps")


def test_a_stored_message_that_nobody_sent_is_unexpected() -> None:
    ledger = a_ledger()
    del ledger.entries["m4"]
    assert only(judged(ledger, a_history()), "unexpected")


def test_a_stored_message_with_other_words_is_unexpected() -> None:
    history = a_history()
    history[1] = history[1]._replace(text="something else")
    assert only(judged(a_ledger(), history), "unexpected")


def test_a_party_that_is_shown_a_foreign_conversation_has_seen_the_unexpected() -> None:
    ledger = a_ledger()
    ledger.enters("stranger", "c2").sightings.append(Sighting(1, "m1", 1.0))
    assert only(check(ledger, {"c1": a_history(), "c2": []}), "unexpected")


def test_an_acknowledgement_with_a_number_that_another_message_has_is_unexpected() -> None:
    ledger = a_ledger()
    ledger.entries["m2"].acknowledged_as[0] = 3
    assert only(judged(ledger, a_history()), "unexpected")


def test_a_message_that_was_stored_without_an_acknowledgement_is_recovered_and_allowed() -> None:
    ledger = a_ledger()
    ledger.entries["m6"].acknowledged_as.clear()
    verdict = judged(ledger, a_history())
    assert only(verdict, "recovered")
    assert verdict.is_clean


def test_a_message_that_was_neither_acknowledged_nor_stored_is_no_fault() -> None:
    ledger = a_ledger()
    ledger.sent(Entry("m7", "c1", "visitor", "text 7", 7.0, 7.0))
    verdict = judged(ledger, a_history())
    assert only(verdict)
    assert (verdict.attempts, verdict.acknowledged) == (7, 6)


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_one_finding_of_any_forbidden_kind_is_enough(kind: str) -> None:
    verdict = replace(Verdict(), findings={**Verdict().findings, kind: ["one"]})
    assert not verdict.is_clean


def test_two_runs_in_the_same_conversation_are_judged_as_one() -> None:
    whole = joined([a_ledger(6), a_ledger(4, after=6)])
    assert judged(whole, a_history(10)).is_clean
    assert judged(whole, a_history(9))["lost"] == 1


def test_a_saved_ledger_has_a_line_for_each_message_and_each_part(tmp_path: Path) -> None:
    a_ledger().save(tmp_path / "ledger.jsonl")
    assert len((tmp_path / "ledger.jsonl").read_text().splitlines()) == 6 + len(PARTIES)
