"""The outbox: its dispatcher dies after an event is published and before its row is deleted."""

from collections.abc import Callable

from chassis.testing import eventually
from tests.faults.load import Driver, Load, Run
from tests.faults.rows import row
from tests.faults.system import System

Note = Callable[[Run], Run]

TAKEOVER_SECONDS = 15
DYING = "dying-transcripts-consumer"


@row("20", times=20)
def test_an_event_announced_twice_by_a_dispatcher_that_died_counts_once(
    system: System, driver: Driver, note: Note, seed: int
) -> None:
    with system.instead(["transcripts-consumer"], [DYING]), Load(driver) as load:
        note(load.run(system.order_to_die.touch, seed=seed))
        load.judge_transcripts()
        eventually(lambda: not system.order_to_die.exists())
        eventually(lambda: is_all_announced(system, load), timeout=60)


@row("20 two", times=20)
def test_of_two_dispatchers_one_takes_over_from_the_other(
    system: System, driver: Driver, note: Note, seed: int
) -> None:
    with system.instead(["transcripts-consumer"], [DYING, "transcripts-consumer-2"]), Load(driver) as load:
        note(load.run(system.order_to_die.touch, seed=seed))
        load.judge_transcripts()
        eventually(lambda: is_all_announced(system, load), timeout=TAKEOVER_SECONDS + 10)
    system.order_to_die.unlink(missing_ok=True)


def is_all_announced(system: System, load: Load) -> bool:
    """Nothing waits in the outbox, and chat has dropped every word of what is sealed."""
    with system.database("transcripts") as transcripts, system.database("chat") as chat:
        mine = {"conversation_id": {"$in": load.conversation_ids}}
        waiting = transcripts["outbox"].count_documents({})
        words = chat["messages"].count_documents(mine | {"text": {"$exists": True}})
    return not waiting and not words
