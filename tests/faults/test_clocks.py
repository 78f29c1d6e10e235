"""Clocks that are wrong by ten minutes: order is not by time, nobody is believed who cannot be, and limits hold."""

import random
from collections.abc import Callable
from itertools import pairwise

import requests

from chassis.testing import eventually
from tests.faults.load import Bystander, Driver, Load, Run
from tests.faults.rows import row
from tests.faults.system import RELAYS, System

Note = Callable[[Run], Run]

MINUTES = 10.0
RELAY, GATEWAY = "relay-with-wrong-clock", "gateway-with-wrong-clock"
WRONG_SECONDS = 5
CREDIBLE_SECONDS = 60
"""How long the services believe what another has signed."""


def either_way(seed: int) -> float:
    return random.Random(seed).choice((-MINUTES, MINUTES))


@row("27 relay", times=5)
def test_the_order_of_messages_is_not_that_of_a_clock_which_is_set(
    system: System, driver: Driver, note: Note, seed: int
) -> None:
    with system.instead(RELAYS, [RELAY]), Load(driver) as load:
        note(load.run(lambda: be_wrong(system, load, either_way(seed)), seed=seed))
        assert times_go_back(system, load)
        load.judge_transcripts()


def be_wrong(system: System, load: Load, minutes: float) -> None:
    with system.wrong_clocks(minutes):
        load.wait(WRONG_SECONDS)


def times_go_back(system: System, load: Load) -> bool:
    """Whether some message has an earlier time than the one before it: otherwise nothing was shown."""
    with system.database("chat") as database:
        mine = {"conversation_id": {"$in": load.conversation_ids}, "sent_at": {"$exists": True}}
        messages = list(database["messages"].find(mine, sort=[("conversation_id", 1), ("seq", 1)]))
    pairs = pairwise(messages)
    return any(
        one["conversation_id"] == next_one["conversation_id"] and one["sent_at"] > next_one["sent_at"]
        for one, next_one in pairs
    )


@row("27 gateway", times=5)
def test_a_gateway_whose_clock_is_set_is_not_believed_and_its_sockets_go_on(
    system: System, driver: Driver, note: Note, seed: int
) -> None:
    with system.instead(["gateway"], [GATEWAY]), Load(driver) as load:
        bystander = Bystander.arrived(system, driver)
        answers: list[requests.Response] = []
        run = note(load.run(lambda: answers.append(ask_when_wrong(system, load, bystander, seed)), seed=seed))
        assert not run.troubles
        assert eventually(lambda: bystander.asks().ok, timeout=CREDIBLE_SECONDS)
        load.judge_transcripts()
    assert answers[0].status_code == 503
    assert 0 < int(answers[0].headers["Retry-After"]) <= CREDIBLE_SECONDS


def ask_when_wrong(system: System, load: Load, bystander: Bystander, seed: int) -> requests.Response:
    """What the gateway signs from then on is not good yet, or not any more."""
    with system.wrong_clocks(either_way(seed)):
        answer = bystander.asks()
        load.wait(WRONG_SECONDS)
    return answer


@row("27 restart", times=5)
def test_a_gateway_that_starts_with_a_wrong_clock_lets_nobody_in(
    system: System, load: Load, bystander: Bystander, note: Note, seed: int
) -> None:
    statuses: list[int] = []
    note(load.run(lambda: statuses.append(start_when_wrong(system, load, bystander, seed)), seed=seed))
    assert statuses == [503]
    assert eventually(lambda: bystander.asks().ok, timeout=CREDIBLE_SECONDS)


def start_when_wrong(system: System, load: Load, bystander: Bystander, seed: int) -> int:
    with system.wrong_clocks(either_way(seed)), system.instead(["gateway"], [GATEWAY]):
        load.wait(WRONG_SECONDS)
        return bystander.asks().status_code
