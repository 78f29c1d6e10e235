import os
import time
from uuid import RFC_4122, UUID

from chassis.ids import made_at, new_id


def test_ids_differ_and_sort_in_the_order_in_which_they_were_made():
    ids = [new_id() for _ in range(2000)]

    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)


def test_ids_are_uuids_of_version_7_that_tell_when_they_were_made():
    before = time.time_ns() // 1_000_000
    made = UUID(new_id())

    assert (made.version, made.variant) == (7, RFC_4122)
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000 + 1


def test_an_id_tells_when_it_was_made_and_other_names_tell_nothing():
    before = time.time()

    assert before - 0.001 <= (made_at(new_id()) or 0) <= time.time() + 0.001
    for other in ("", "c-1", "x" * 36, "00000000-0000-4000-8000-000000000000"):
        assert made_at(other) is None


def test_processes_that_were_one_before_a_fork_make_different_ids():
    new_id()
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writer, "".join(new_id() for _ in range(100)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reader, 36 * 100).decode()
    for end in (reader, writer):
        os.close(end)

    assert len(theirs) == 36 * 100
    assert not {new_id()[-12:] for _ in range(100)} & {theirs[start + 24 : start + 36] for start in range(0, 3600, 36)}
