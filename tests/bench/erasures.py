"""``python -m tests.bench.erasures``: how long it takes to erase many conversations, and what memory that takes.

An instance of its own is filled past its services with conversations of every kind: live, sealed and archived, with
words, answers and visits. Then every visitor asks for their erasure through the public edge, and it is over when the
customer's count has all of them and nothing of them is left in any database.
"""

import argparse
import json
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from itertools import islice
from typing import Any, TypeVar

import msgspec
import requests
import zstandard
from pymongo import MongoClient

from chassis.clock import now
from chassis.ids import new_id
from contracts.chat import Capture, Sender
from contracts.surveys import Answer
from deploy.local import demo
from deploy.local.instance import REPOSITORY, Instance, Ports
from deploy.local.stack import Stack
from services.chat.model import token_hash
from tests import ports
from tests.bench import machine
from tests.bench.costs import Costs
from tests.edge.customers import Customer, new_customer

T = TypeVar("T")

FOLDER = REPOSITORY / "var" / "bench"
PROCESSES = ("chat-consumer", "chat-relay", "transcripts-consumer", "surveys-consumer", "mongod", "rabbitmq")
WORDS = "The parcel that I ordered on Monday has not arrived, and nobody answers the telephone. "
MESSAGES = 8
KINDS = ("live", "sealed", "archived")
ASKING_AT_ONCE = 4
# The beats of the archive must not touch what was made here to be found as it is.
OVERRIDES = {
    "transcripts-worker": {"VELARO_ARCHIVE_AFTER": "P365D"},
    "gateway": {"VELARO_SIGN_INS_PER_MINUTE": "10000"},
}


def batched(things: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    rest = iter(things)
    while some := tuple(islice(rest, size)):
        yield some


class Filling:
    """Writes conversations into the databases as the services would have."""

    def __init__(self, client: MongoClient[dict[str, Any]], customer: Customer) -> None:
        self._client = client
        self._customer = customer
        self._packed = zstandard.compress((WORDS * MESSAGES).encode())

    def fill(self, visitors: int, each: int) -> list[str]:
        """The tokens of so many visitors, who have so many conversations each."""
        tokens: list[str] = []
        for some in batched(range(visitors), 100):
            rows: dict[str, list[dict[str, Any]]] = {}
            for number in some:
                tokens.append(f"bench-token-{number}-{new_id()}")
                for collection, row in self._rows_of(tokens[-1], each):
                    rows.setdefault(collection, []).append(row)
            for collection, documents in rows.items():
                database, _, name = collection.partition(".")
                self._client[database][name].insert_many(documents, ordered=False)
        return tokens

    def _rows_of(self, token: str, each: int) -> Iterator[tuple[str, dict[str, Any]]]:
        visitor_id, at = new_id(), now()
        mine = {"customer_id": self._customer.customer_id}
        site = {"site_id": self._customer.site_id}
        who = mine | site | {"visitor_id": visitor_id}
        yield (
            "chat.visitors",
            mine | site | {"_id": visitor_id, "name": "Vera", "token_hash": token_hash(token), "created_at": at},
        )
        seen = {"ip": "192.0.2.7", "user_agent": "Mozilla/5.0", "language": "en", "started_at": at, "seen_at": at}
        yield (
            "chat.visits",
            who | seen | {"_id": new_id(), "pages": [{"url": "https://shop.example/", "title": "Shop"}]},
        )
        for number in range(each):
            yield from self._conversation(who, KINDS[number % len(KINDS)])

    def _conversation(self, who: dict[str, Any], kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        conversation_id, at = new_id(), now()
        is_live = kind == "live"
        mine = {"customer_id": who["customer_id"], "conversation_id": conversation_id}
        visitor = {"kind": "visitor", "id": who["visitor_id"], "name": "Vera"}
        yield "chat.conversations", self._head(who, conversation_id, is_live=is_live)
        for seq in range(1, MESSAGES + 1):
            message = mine | {"seq": seq, "client_id": new_id(), "sender": visitor, "text": WORDS, "sent_at": at}
            if is_live:
                yield "chat.messages", message | {"_id": new_id()}
            if kind != "archived":
                yield "transcripts.messages", message | {"message_id": new_id()}
        transcript = who | {"_id": conversation_id, "visitor_name": "Vera", "opened_at": at}
        if not is_live:
            transcript |= {"sealed_at": at, "closed_at": at, "last_seq": MESSAGES, "digest": "", "words": WORDS.split()}
            transcript |= {"storage": "archived" if kind == "archived" else "live"}
        yield "transcripts.transcripts", transcript
        if kind == "archived":
            yield "transcripts.archives", mine | {"compressed_digest": "", "part": 0, "data": self._packed}
        yield from self._answers(mine)

    def _head(self, who: dict[str, Any], conversation_id: str, *, is_live: bool) -> dict[str, Any]:
        at = now()
        closed = None if is_live else at
        return who | {
            "_id": conversation_id,
            "visitor_name": "Vera",
            "department": None,
            "acknowledged_policy_version": "1",
            "capture": msgspec.to_builtins(Capture(user_agent="Mozilla/5.0")),
            "opened_at": at,
            "opened_by_command": new_id(),
            "status": "queued" if is_live else "closed",
            "closed_at": closed,
            "closed_by": None if is_live else msgspec.to_builtins(Sender(kind="visitor", id="v", name="Vera")),
            "last_seq": 0 if is_live else MESSAGES,
            "is_sealed": not is_live,
            "erased_at": None,
        }

    def _answers(self, mine: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        at = now()
        answer = Answer(question_id="email", label="E-mail", kind="email", value="vera@example.org")
        response = {"response_id": new_id(), "placement": "pre-chat", "survey_id": "s", "survey_version": 1}
        given = {"answers": [msgspec.to_builtins(answer)], "answered_at": at, "expires_at": None}
        occasion = {"site_id": self._customer.site_id, "occasion_id": mine["conversation_id"]}
        yield "surveys.responses", mine | occasion | response | given
        yield "surveys.openings", mine | {"heard_at": at, "expires_at": at + timedelta(hours=1)}


def main() -> int:
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    root = FOLDER / "erasures"
    shutil.rmtree(root, ignore_errors=True)
    stack = Stack(Instance(root=root, ports=Ports(arguments.port), overrides=OVERRIDES))
    try:
        stack.up()
        figures = _measure(stack, arguments.conversations, arguments.each)
    finally:
        stack.down()
    told = json.dumps({"machine": machine.described(), "figures": figures}, indent=2)
    (FOLDER / "erasures.json").write_text(told)
    print(told)
    return 1 if figures["left"] else 0


def _measure(stack: Stack, conversations: int, each: int) -> dict[str, Any]:
    customer = new_customer(stack.instance.base_url, lambda asked: demo.seed_customer(stack.instance, asked))
    with closing(MongoClient(stack.instance.mongo_url("admin", "admin"))) as client:
        print(f"filling in {conversations} conversations", flush=True)
        tokens = Filling(client, customer).fill(conversations // each, each)
        costs = Costs(stack.supervisor)
        memory = [_memory(costs)]
        began = time.perf_counter()
        with ThreadPoolExecutor(ASKING_AT_ONCE) as askers:
            asked = [askers.submit(_ask, customer.base_url, some) for some in batched(tokens, 50)]
            done = 0
            while done < conversations // each * each:
                time.sleep(1)
                done = sum(day["conversations"] for day in client["chat"]["erased_counts"].find())
                memory.append(_memory(costs) | {"done": done, "seconds": round(time.perf_counter() - began, 1)})
            for each_asked in asked:
                each_asked.result()
        seconds = time.perf_counter() - began
        left = {
            "chat.messages": client["chat"]["messages"].count_documents({"text": {"$exists": True}}),
            "chat.visits": client["chat"]["visits"].count_documents({}),
            "chat.erasure_parts": client["chat"]["erasure_parts"].count_documents({}),
            "transcripts.messages": client["transcripts"]["messages"].count_documents({}),
            "transcripts.archives": client["transcripts"]["archives"].count_documents({}),
            "surveys.responses": client["surveys"]["responses"].count_documents({}),
        }
        return {
            "conversations": done,
            "visitors": len(tokens),
            "seconds": round(seconds, 1),
            "conversations_per_second": round(done / seconds, 1),
            "cpu_cores": {name: share for name, share in costs.cpu().items() if name in PROCESSES},
            "memory_kib": _quarters(memory),
            "left": {name: number for name, number in left.items() if number},
        }


def _ask(base_url: str, tokens: tuple[str, ...]) -> None:
    with requests.Session() as session:
        for token in tokens:
            headers = {"Authorization": f"Bearer {token}"}
            session.post(f"{base_url}/api/v1/widget/erasure", json={}, headers=headers, timeout=30).raise_for_status()


def _memory(costs: Costs) -> dict[str, Any]:
    return {name: kib for name, kib in costs.memory().items() if name in PROCESSES}


def _quarters(memory: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Before, after each quarter, and after all of it."""
    last = len(memory) - 1
    return [memory[last * quarter // 4] for quarter in range(5)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.erasures", description=__doc__)
    parser.add_argument("--conversations", type=int, default=10_000)
    parser.add_argument("--each", type=int, default=10, help="how many of them a visitor has")
    parser.add_argument("--port", type=int, default=ports.BENCH)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
