"""The people of the bench: customers with operators, visitors, and who talks to whom; by the public edge alone."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from deploy.local import demo
from deploy.local.instance import Instance
from tests.bench.http import Http
from tests.ledger.checker import Stored

OPERATORS_EACH = 8
SITES = 20
WIDGET = "/api/v1/widget"
BROWSER = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
PAGE = {"url": "https://shop.example/tools", "title": "Tools", "referrer": ""}
HISTORY_PAGE = 200
SEAL_SECONDS = 120.0


class NeverSealed(Exception):
    """A closed conversation has no transcript yet, and waiting has an end."""


@dataclass
class Visitor:
    """A person on a customer's site."""

    http: Http
    head: str

    async def ticket(self) -> str:
        made = await self.http.made("POST", f"{WIDGET}/tickets", {}, head=self.head)
        return str(made["ticket"])

    async def open(self, policy_version: str) -> str:
        body = {"acknowledged_policy_version": policy_version}
        made = await self.http.made("POST", f"{WIDGET}/conversations", body, head=self.head)
        return str(made["conversation_id"])

    async def history(self, conversation_id: str, after: int = 0) -> list[Stored]:
        """Everything after ``after``, page by page."""
        found: list[Stored] = []
        path = f"{WIDGET}/conversations/{conversation_id}/messages"
        while True:
            query = f"{path}?after={found[-1].seq if found else after}&limit={HISTORY_PAGE}"
            page = await self.http.made("GET", query, head=self.head, status=200)
            found += _stored(page["messages"])
            if len(page["messages"]) < HISTORY_PAGE:
                return found


@dataclass
class Operator:
    """A person who works for a customer, signed in."""

    http: Http
    head: str

    async def ticket(self) -> str:
        return str((await self.http.made("POST", "/api/v1/tickets", {}, head=self.head))["ticket"])

    async def accept(self, conversation_id: str) -> None:
        await self.http.made("POST", f"/api/v1/conversations/{conversation_id}/accept", {}, head=self.head, status=200)

    async def close(self, conversation_id: str) -> None:
        await self.http.made("POST", f"/api/v1/conversations/{conversation_id}/close", {}, head=self.head, status=200)

    async def transcript(self, conversation_id: str) -> list[Stored]:
        """What the sealed transcript says; waits for it to be sealed."""
        deadline = asyncio.get_running_loop().time() + SEAL_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            answer = await self.http.ask("GET", f"/api/v1/transcripts/{conversation_id}", head=self.head)
            if answer.status == 200:
                return _stored(answer.json()["messages"])
            await asyncio.sleep(0.2)
        raise NeverSealed(conversation_id)


def _stored(messages: Sequence[dict[str, Any]]) -> list[Stored]:
    return [Stored(message["seq"], message["client_id"], message["text"]) for message in messages]


@dataclass
class Pair:
    """A visitor and the operator who answers; ``conversation_id`` is the one they have just now."""

    visitor: Visitor
    operator: Operator
    conversation_id: str = ""


@dataclass
class World:
    """All the people there are so far; more come when they are asked for."""

    instance: Instance
    http: Http
    policy_version: str = ""
    site_keys: list[str] = field(default_factory=list)
    visitors: list[Visitor] = field(default_factory=list)
    _pairs: list[Pair] = field(default_factory=list)

    async def pairs(self, count: int, *, besides: int = 0) -> list[Pair]:
        """So many pairs of people, each in a new conversation; not those who come first, if they are busy."""
        await self._have_pairs(besides + count)
        chosen = self._pairs[besides : besides + count]
        await asyncio.gather(*(self._begin(pair) for pair in chosen))
        return chosen

    async def crowd(self, count: int) -> list[Visitor]:
        """So many visitors who are there and say nothing, spread over all sites."""
        await self._have_sites(SITES)
        missing = range(len(self.visitors), count)
        self.visitors += await asyncio.gather(
            *(self._arrive(self.site_keys[number % len(self.site_keys)]) for number in missing)
        )
        return self.visitors[:count]

    async def visitor(self) -> Visitor:
        """One more, whom nobody remembers."""
        await self._have_sites(1)
        return await self._arrive(self.site_keys[0])

    async def _begin(self, pair: Pair) -> None:
        pair.conversation_id = await pair.visitor.open(self.policy_version)
        await pair.operator.accept(pair.conversation_id)

    async def _have_pairs(self, count: int) -> None:
        while len(self._pairs) < count:
            # Two at a time: each is a process of its own for as long as the passwords are hashed.
            wanted = min(2, -(-(count - len(self._pairs)) // OPERATORS_EACH))
            for site_key, credentials in await self._found(wanted):
                self._pairs += await asyncio.gather(*(self._pair(site_key, one) for one in credentials))

    async def _have_sites(self, count: int) -> None:
        while len(self.site_keys) < count:
            await self._found(2, operators=0)

    async def _found(self, count: int, *, operators: int = OPERATORS_EACH) -> list[tuple[str, list[dict[str, str]]]]:
        """New customers, each with a site and so many operators."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(count) as pool:
            made = await asyncio.gather(
                *(loop.run_in_executor(pool, _customer, self.instance, operators) for _ in range(count))
            )
        self.site_keys += [site_key for site_key, _ in made]
        if not self.policy_version:
            config = await self.http.made("GET", f"{WIDGET}/config?site={self.site_keys[0]}", status=200)
            self.policy_version = config["policy"]["version"]
        return list(made)

    async def _pair(self, site_key: str, credentials: dict[str, str]) -> Pair:
        return Pair(await self._arrive(site_key), await self._sign_in(credentials))

    async def _arrive(self, site_key: str) -> Visitor:
        body = {"site_key": site_key, "page": PAGE, "cookies_consent": False}
        visit = await self.http.made("POST", f"{WIDGET}/visits", body, head=BROWSER)
        return Visitor(self.http, f"{BROWSER}Authorization: Bearer {visit['visitor_token']}\r\n")

    async def _sign_in(self, credentials: dict[str, str]) -> Operator:
        origin = f"Origin: {self.instance.base_url}\r\n"
        answer = await self.http.answered("POST", "/api/v1/sessions", credentials, head=origin)
        assert answer.status == 201, answer
        return Operator(self.http, f"{origin}Cookie: {answer.cookie}\r\n")


def _customer(instance: Instance, operators: int) -> tuple[str, list[dict[str, str]]]:
    name = f"bench-{uuid4().hex[:12]}"
    people = [
        {"email": f"{number}@{name}.example", "name": f"Operator {number}", "role": "operator", "password": uuid4().hex}
        for number in range(operators)
    ]
    wanted = {
        "customer": {"name": name},
        "site": {"name": name, "origins": [instance.base_url]},
        "operators": people,
    }
    made = demo.seed_customer(instance, wanted)
    return made["site_key"], [{"email": one["email"], "password": one["password"]} for one in people]
