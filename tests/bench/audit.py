"""``python -m tests.bench.audit [COUNT …]``: how long it takes to look through a chain of so many entries.

A chain is filled past its store, with a signed head for every hundred entries, and looked through by the command that
people use, with the real database of ``tests.servers``. Without counts, 1,000, 10,000 and 100,000: memory must not grow
with the number. Then entries are noted one by one, as the gateway has it done, from eight threads at once.
"""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
from pymongo import MongoClient

from chassis.certificates import Signer
from chassis.clock import now
from chassis.ids import new_id
from deploy.local.stack import Stack
from services.accounts.audit import actions, model
from services.accounts.audit.model import Act, Actor, Entry
from services.accounts.bootstrap import Context, bootstrap
from services.accounts.settings import Settings
from tests.accounts.builders import some_settings
from tests.bench.apart import Figures, measure, run
from tests.settings import environment_of

COUNTS = (1_000, 10_000, 100_000)
HEAD_EVERY = 100
PAGE = 1_000
NOTED = 2_000
THREADS = 8
CHAIN = "customer-1"


def measured(stack: Stack, count: int) -> Figures:
    name = f"bench_audit_{os.getpid()}_{count}"
    settings = some_settings(stack.instance.mongo_url("admin", name))
    client: MongoClient[Any]
    with MongoClient(stack.instance.mongo_url("admin", "admin")) as client:
        here = bootstrap(settings)
        try:
            _fill(here, count)
            looked = _verified(settings, count)
            return {"entries": count, **looked, "noted_per_second": _noted_per_second(here)}
        finally:
            here.database.client.close()
            client.drop_database(name)


def _fill(here: Context, count: int) -> None:
    entries: list[dict[str, Any]] = []
    heads: list[dict[str, Any]] = []
    for entry in _chain(count):
        entries.append(msgspec.to_builtins(entry) | {"at": entry.at})
        if entry.number % HEAD_EVERY == 0:
            heads.append({"chain": CHAIN, "number": entry.number, "certificate": _signed(here.signer, entry)})
        if len(entries) == PAGE or entry.number == count:
            here.database["audit_entries"].insert_many(entries)
            entries = []
    here.database["audit_heads"].insert_many(heads)


def _chain(count: int) -> Iterator[Entry]:
    last: Entry | None = None
    for _ in range(count):
        last = model.following(CHAIN, last, _act(), now())
        yield last


def _act() -> Act:
    actor = Actor(kind="operator", id=new_id(), role="operator")
    subject = {"conversation_id": new_id()}
    return Act(act_id=new_id(), actor=actor, act="conversations.close_conversation", subject=subject)


def _signed(signer: Signer, entry: Entry) -> str:
    stated = {"chain": CHAIN, "number": entry.number, "hash": entry.hash, "signed_at": entry.at}
    return signer.sign(model.HEAD, msgspec.to_builtins(stated))


def _verified(settings: Settings, count: int) -> Figures:
    told, figures = run(["services.accounts", "verify-audit"], environment_of(settings))
    assert f"whole; entries: {count}" in told
    return figures


def _noted_per_second(here: Context) -> int:
    begun = time.monotonic()
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda _: actions.note(CHAIN, _act(), audit=here.audit), range(NOTED)))
    return round(NOTED / (time.monotonic() - begun))


if __name__ == "__main__":
    measure(measured, COUNTS)
