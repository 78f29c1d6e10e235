"""The driver's client is a good one: what it tells the ledger is what happened, also when it is cut off."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.bench import client as client_module
from tests.bench.client import Client
from tests.ledger.checker import Stored, check
from tests.ledger.ledger import Ledger


class Counterpart:
    """A server of one conversation that keeps what is said; it can swallow echoes and hang up."""

    def __init__(self) -> None:
        self.log: list[dict[str, Any]] = []
        self.syncs: list[int] = []
        self.hang_up_after: set[str] = set()
        self.turns_away = 0

    async def serve(self, socket: ServerConnection) -> None:
        async for text in socket:
            frame = json.loads(text)
            answer: Callable[[ServerConnection, Any], Awaitable[None]] = getattr(self, frame["type"])
            await answer(socket, frame)

    async def auth(self, socket: ServerConnection, _frame: Any) -> None:
        if self.turns_away > 0:
            self.turns_away -= 1
            await socket.close(1012)
            return
        await socket.send(json.dumps({"type": "ready", "conversations": [], "heartbeat_s": 25}))

    async def sync(self, socket: ServerConnection, frame: Any) -> None:
        self.syncs.append(frame["after"])
        for message in self.log[frame["after"] :]:
            await socket.send(json.dumps(message))
        await socket.send(json.dumps({"type": "conversation", "conversation_id": "c1", "last_seq": len(self.log)}))

    async def message(self, socket: ServerConnection, frame: Any) -> None:
        if frame["client_id"] not in [message["client_id"] for message in self.log]:
            self.log.append(frame | {"seq": len(self.log) + 1})
        if frame["client_id"] in self.hang_up_after:
            self.hang_up_after.clear()
            await socket.close(1012)
            return
        await socket.send(json.dumps(next(m for m in self.log if m["client_id"] == frame["client_id"])))


async def talk(
    counterpart: Counterpart, texts: list[str], connect: Callable[[Client], Awaitable[None]] = Client.connect
) -> tuple[Client, Ledger]:
    async with serve(counterpart.serve, "127.0.0.1", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        client, ledger = Client(port, "visitor", ticket), Ledger()
        client.enter("c1")
        client.is_persistent = True
        client.note_in(ledger)
        await connect(client)
        for text in texts:
            client.say(text, text, 0.0)
        async with asyncio.timeout(20):
            while client.pending:
                await asyncio.sleep(0.01)
        client.disconnect()
    return client, ledger


async def ticket() -> str:
    return "ticket"


def history(counterpart: Counterpart) -> dict[str, list[Stored]]:
    return {"c1": [Stored(one["seq"], one["client_id"], one["text"]) for one in counterpart.log]}


def test_what_is_said_and_echoed_is_in_the_ledger() -> None:
    counterpart = Counterpart()
    _, ledger = asyncio.run(talk(counterpart, ["a", "b", "c"]))
    verdict = check(ledger, history(counterpart))
    assert verdict.is_clean
    assert (verdict.attempts, verdict.acknowledged, verdict.stored) == (3, 3, 3)


def test_a_client_that_is_cut_off_comes_back_syncs_and_says_the_rest_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "pause_after", lambda code, failures: 0.0)
    counterpart = Counterpart()
    counterpart.hang_up_after = {"b"}
    client, ledger = asyncio.run(talk(counterpart, ["a", "b", "c"]))
    verdict = check(ledger, history(counterpart))
    assert counterpart.syncs == [0, 1]
    assert client.closes[1012] == 1
    assert verdict.is_clean
    assert verdict.acknowledged == 3


def test_a_client_that_is_turned_away_knows_at_once() -> None:
    counterpart = Counterpart()
    counterpart.turns_away = 1
    with pytest.raises(ConnectionError, match="1012"):
        asyncio.run(talk(counterpart, ["a"]))


def test_a_client_that_comes_to_stay_is_not_put_off_by_being_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "pause_after", lambda code, failures: 0.0)
    counterpart = Counterpart()
    counterpart.turns_away = 2
    client, ledger = asyncio.run(talk(counterpart, ["a"], Client.come))
    assert client.closes[1012] == 2
    assert check(ledger, history(counterpart)).acknowledged == 1


def test_a_message_that_the_server_shows_again_is_found_out() -> None:
    counterpart = Counterpart()
    counterpart.log.append({"type": "message", "conversation_id": "c1", "client_id": "a", "text": "a", "seq": 1})
    # Shown once in answer to the sync, and once more as the echo of what is said under the same id.
    _, ledger = asyncio.run(talk(counterpart, ["a"]))
    assert check(ledger, history(counterpart))["duplicated"] == 1


@pytest.mark.parametrize("failures", [1, 2, 5, 40])
@pytest.mark.parametrize("code", [1006, 1012, 1013])
def test_the_pause_before_coming_back_is_spread_and_bounded(code: int, failures: int) -> None:
    pauses = {client_module.pause_after(code, failures) for _ in range(50)}
    assert len(pauses) > 1
    assert all(0 < pause <= 30 for pause in pauses)
