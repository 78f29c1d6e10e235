"""Promise 6: no sharing except for legal process, rights or property, or an emergency, and never by one person alone.

A disclosure is asked for, decided, carried out and told of through the public edge of the real stack. The words that
are planted here must be found in the opened bundle and nowhere else on the way.
"""

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from playwright.sync_api import Browser, expect
from pymongo import MongoClient

from chassis.testing import eventually
from deploy.local.instance import REPOSITORY
from deploy.local.processes import environment
from deploy.local.stack import Stack
from deploy.secrets import STAFF_ROLES
from tests.accounts.disclosures.words import a_key, private_pem, public_pem
from tests.edge import screens
from tests.edge.browser import shot
from tests.edge.customers import Customer
from tests.edge.http import made
from tests.edge.mails import Mails
from tests.edge.people import ANSWERS, Operator, Staff, Visitor
from tests.edge.traces import Traces

DISCLOSURES = "/api/v1/staff/disclosures"
HOUR = timedelta(hours=1)
_names = count()


@pytest.fixture(scope="module")
def marker() -> str:
    return f"marker{uuid4().hex}"


@pytest.fixture(scope="module")
def staff(stack: Stack, demo_site: dict[str, Any]) -> Callable[[str], Staff]:
    def of(role: str) -> Staff:
        [one] = [one for one in demo_site["staff"] if one["role"] == role]
        return Staff(stack.instance.base_url, one["email"], one["password"])

    return of


@pytest.fixture(scope="module")
def legal(staff: Callable[[str], Staff]) -> Staff:
    return staff("legal")


@pytest.fixture(scope="module")
def admin(staff: Callable[[str], Staff]) -> Staff:
    return staff("admin")


@pytest.fixture(scope="module")
def mails(stack: Stack) -> Mails:
    return Mails(stack.instance.mails)


@pytest.fixture(scope="module")
def accounts(stack: Stack) -> Iterator[Any]:
    """The database of accounts as its administrator has it: past everything that guards it."""
    with MongoClient(stack.instance.mongo_url("admin", "accounts"), tz_aware=True) as client:
        yield client.get_default_database()


@pytest.fixture(scope="module")
def key() -> X25519PrivateKey:
    return a_key()


class Shop:
    """A customer with a visitor who has a sealed and a live conversation, and another visitor with one of their own."""

    def __init__(self, customer: Customer, marker: str) -> None:
        self.customer = customer
        self.owner, self.operator = customer.operator("owner"), customer.operator()
        self.visitor = customer.visitor()
        self.sealed = self.talk(self.visitor, f"{marker} sealed", is_closed=True)
        self.live = self.talk(self.visitor, f"{marker} live", is_closed=False)
        self.other = self.talk(customer.visitor(), f"{marker} other", is_closed=True)
        shown = made(self.operator.edge.get(f"/api/v1/conversations/{self.live}"), 200)
        self.visitor_id = str(shown["visitor_id"])

    def talk(self, visitor: Visitor, text: str, *, is_closed: bool) -> str:
        conversation_id = visitor.open(text, ANSWERS | {"name": text[:40]})
        self.operator.accept(conversation_id)
        self.operator.say(conversation_id, f"About {text}")
        if is_closed:
            self.operator.close(conversation_id)
            eventually(lambda: self.operator.transcript(conversation_id), timeout=30)
        return conversation_id

    def audit(self, person: Operator | None = None) -> list[Any]:
        """All of the chain, the newest first."""
        entries: list[Any] = []
        after: dict[str, str] = {}
        while True:
            page = made((person or self.owner).edge.get("/api/v1/audit", limit=200, **after), 200)
            entries += page["entries"]
            if page["next"] is None:
                return entries
            after = {"after": page["next"]}

    def told(self) -> list[str]:
        found = made(self.owner.edge.get("/api/v1/disclosures"), 200)["disclosures"]
        return [each["disclosure_id"] for each in found]


@pytest.fixture(scope="module")
def shop(customers: Callable[[], Customer], marker: str) -> Shop:
    return Shop(customers(), marker)


@pytest.fixture(scope="module")
def neighbours(customers: Callable[[], Customer], marker: str) -> Shop:
    return Shop(customers(), marker)


@pytest.fixture
def ask(legal: Staff, shop: Shop, key: X25519PrivateKey) -> Callable[..., Any]:
    def asked(by: Staff = legal, status: int = 201, **changes: Any) -> Any:
        body = {
            "customer_id": shop.customer.customer_id,
            "ground": "legal-process",
            "explanation": "Order 12 of the district court.",
            "scope": {"kind": "conversations", "conversation_ids": [shop.sealed]},
            "recipient": "The district court",
            "recipient_key": public_pem(key),
        }
        return made(by.edge.post(DISCLOSURES, body | changes), status)

    return asked


def approve(disclosure: Any, by: Staff, outcome: str = "approved") -> requests.Response:
    path = f"{DISCLOSURES}/{disclosure['disclosure_id']}/decision"
    return by.edge.post(path, {"outcome": outcome, "reason": "I read the order."})


def shown(disclosure: Any, by: Staff) -> Any:
    return made(by.edge.get(f"{DISCLOSURES}/{disclosure['disclosure_id']}"), 200)


def executed(disclosure: Any, by: Staff) -> Any:
    def is_done() -> Any:
        found = shown(disclosure, by)
        return found if found["state"] == "executed" else None

    return eventually(is_done, timeout=60, every=0.3)


@pytest.fixture
def opened(stack: Stack, key: X25519PrivateKey, tmp_path: Path, marker: str) -> Callable[[Any, Staff], dict[str, Any]]:
    """What the recipient finds, by the command that is theirs: the files of the bundle by their names."""

    def open_it(disclosure: Any, by: Staff) -> dict[str, Any]:
        here = tmp_path / str(next(_names))
        here.mkdir()
        answer = by.edge.get(f"{DISCLOSURES}/{disclosure['disclosure_id']}/bundle")
        assert answer.status_code == 200
        assert marker.encode() not in answer.content
        assert hashlib.sha256(answer.content).hexdigest() == shown(disclosure, by)["bundle"]["sha256"]
        (here / "bundle").write_bytes(answer.content)
        (here / "key.pem").write_bytes(private_pem(key))
        (here / "keys.json").write_text(requests.get(f"{stack.instance.base_url}/api/v1/certificate-keys").text)
        command = [sys.executable, "-m", "services.accounts", "open-bundle", here / "bundle", here / "key.pem"]
        done = subprocess.run(
            [*map(str, command), str(here / "opened"), "--keys", str(here / "keys.json")],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return {path.name: json.loads(path.read_text()) for path in (here / "opened").rglob("*.json")}

    return open_it


def conversations(files: dict[str, Any]) -> set[str]:
    return {name.removesuffix(".json") for name in files} - {"manifest"}


def words(conversation: Any) -> list[str]:
    return [message["text"] for message in conversation["messages"]]


class TestTwoPeople:
    def test_a_second_person_has_to_approve_and_then_exactly_that_is_handed_over(
        self, ask: Any, shop: Shop, legal: Staff, admin: Staff, opened: Any, mails: Mails, marker: str
    ) -> None:
        disclosure = ask()
        assert disclosure["state"] == "requested"

        assert made(approve(disclosure, admin), 200)["decision"]["by"]["id"] == admin.me["staff"]["staff_id"]
        done = executed(disclosure, legal)

        assert (done["bundle"]["conversations"], done["bundle"]["missing"]) == (1, [])
        files = opened(disclosure, legal)
        assert conversations(files) == {shop.sealed}
        assert words(files[f"{shop.sealed}.json"]) == [f"{marker} sealed", f"About {marker} sealed"]
        assert files[f"{shop.sealed}.json"]["responses"][0]["answers"]
        [listed] = files["manifest.json"]["files"]
        assert listed["path"] == f"conversations/{shop.sealed}.json"

        told = eventually(lambda: about(mails, disclosure), timeout=30, every=0.3)
        owner = next(person["email"] for person in shop.customer.people if person["role"] == "owner")
        assert [mail["X-RcptTo"] for mail in told] == [owner]
        assert disclosure["disclosure_id"] in shop.told()
        assert eventually(lambda: shown(disclosure, legal)["telling"]["state"] == "sent", timeout=30)

    def test_nobody_approves_what_they_asked_for(self, ask: Any, legal: Staff) -> None:
        disclosure = ask()

        for outcome in ("approved", "refused"):
            refused = approve(disclosure, legal, outcome)
            assert (refused.status_code, refused.json()["code"]) == (403, "second-person-needed")
        assert shown(disclosure, legal)["state"] == "requested"

    def test_a_refusal_stays_one(self, ask: Any, shop: Shop, legal: Staff, admin: Staff) -> None:
        disclosure = ask()
        made(approve(disclosure, admin, "refused"), 200)

        assert approve(disclosure, admin).status_code == 409
        bundle = legal.edge.get(f"{DISCLOSURES}/{disclosure['disclosure_id']}/bundle")
        assert (bundle.status_code, bundle.json()["code"]) == (410, "bundle-gone")
        assert disclosure["disclosure_id"] not in shop.told()

    @pytest.mark.parametrize("role", ["support", "reviewer"])
    def test_no_other_staff_has_anything_to_do_with_it(
        self, staff: Callable[[str], Staff], ask: Any, role: str
    ) -> None:
        disclosure, person = ask(), staff(role)

        ask(by=person, status=403)
        assert approve(disclosure, person).status_code == 403
        for path in ("", f"/{disclosure['disclosure_id']}", f"/{disclosure['disclosure_id']}/bundle"):
            assert person.edge.get(f"{DISCLOSURES}{path}").status_code == 403

    def test_an_admin_does_not_ask(self, admin: Staff, ask: Any) -> None:
        ask(by=admin, status=403)

    def test_no_operator_and_no_visitor_gets_near(self, ask: Any, shop: Shop) -> None:
        disclosure = ask()
        for person in (shop.owner, shop.operator, shop.visitor):
            for path in ("", f"/{disclosure['disclosure_id']}", f"/{disclosure['disclosure_id']}/bundle"):
                assert person.edge.get(f"{DISCLOSURES}{path}").status_code == 401
            assert approve(disclosure, person).status_code == 401  # type: ignore[arg-type]


def about(mails: Mails, disclosure: Any) -> list[Any]:
    return [mail for mail in mails.all() if f"<disclosure.{disclosure['disclosure_id']}@" in str(mail["Message-ID"])]


class TestScope:
    def test_a_visitor_with_what_is_live_and_no_one_else(
        self, ask: Any, shop: Shop, legal: Staff, admin: Staff, opened: Any, marker: str
    ) -> None:
        disclosure = ask(scope={"kind": "visitor", "visitor_id": shop.visitor_id})
        made(approve(disclosure, admin), 200)
        executed(disclosure, legal)

        files = opened(disclosure, legal)
        assert conversations(files) == {shop.sealed, shop.live}
        assert shop.other not in files
        assert words(files[f"{shop.live}.json"]) == [f"{marker} live", f"About {marker} live"]
        assert [files[f"{name}.json"]["is_sealed"] for name in (shop.sealed, shop.live)] == [True, False]

    def test_a_period_that_ends_with_the_opening_of_a_conversation_is_without_it(
        self, ask: Any, shop: Shop, legal: Staff, admin: Staff, opened: Any
    ) -> None:
        first = shop.operator.transcript(shop.sealed)["opened_at"]
        second = made(shop.operator.edge.get(f"/api/v1/conversations/{shop.live}"), 200)["opened_at"]
        both = (datetime.fromisoformat(second.replace("Z", "+00:00")) + timedelta(milliseconds=1)).isoformat()
        off_by_one = ask(scope={"kind": "period", "since": first, "until": second})
        whole = ask(scope={"kind": "period", "since": first, "until": both})
        for disclosure in (off_by_one, whole):
            made(approve(disclosure, admin), 200)
            executed(disclosure, legal)

        assert conversations(opened(off_by_one, legal)) == {shop.sealed}
        assert conversations(opened(whole, legal)) == {shop.sealed, shop.live}

    def test_a_conversation_of_another_customer_is_not_there(
        self, ask: Any, shop: Shop, neighbours: Shop, legal: Staff, admin: Staff, opened: Any
    ) -> None:
        foreign = [neighbours.sealed, neighbours.live]
        disclosure = ask(scope={"kind": "conversations", "conversation_ids": [shop.sealed, *foreign]})
        made(approve(disclosure, admin), 200)

        assert executed(disclosure, legal)["bundle"]["missing"] == foreign
        files = opened(disclosure, legal)
        assert conversations(files) == {shop.sealed}
        assert files["manifest.json"]["missing"] == foreign

    def test_nor_is_a_visitor_of_another_customer(
        self, ask: Any, neighbours: Shop, legal: Staff, admin: Staff, opened: Any
    ) -> None:
        disclosure = ask(scope={"kind": "visitor", "visitor_id": neighbours.visitor_id})
        made(approve(disclosure, admin), 200)
        executed(disclosure, legal)

        assert conversations(opened(disclosure, legal)) == set()

    def test_what_is_asked_for_must_make_sense(self, ask: Any) -> None:
        soon = (datetime.now(UTC) + HOUR).isoformat()
        ask(status=404, customer_id="nobody")
        for changes in (
            {"scope": {"kind": "period", "since": "2026-01-01T00:00:00Z", "until": soon}},
            {"scope": {"kind": "everything"}},
            {"recipient_key": "-----BEGIN PUBLIC KEY-----"},
            {"gag_until": soon},
            {"gag_until": "2020-01-01T00:00:00Z", "gag_reference": "7 B 12"},
            {"ground": "curiosity"},
            {"explanation": ""},
        ):
            ask(status=422, **changes)


class TestEmergency:
    def test_one_person_is_enough_and_another_reviews(
        self, ask: Any, shop: Shop, legal: Staff, admin: Staff, opened: Any
    ) -> None:
        disclosure = ask(ground="emergency", explanation="A life is at stake.")
        executed(disclosure, legal)
        assert conversations(opened(disclosure, legal)) == {shop.sealed}

        path = f"{DISCLOSURES}/{disclosure['disclosure_id']}/review"
        own = legal.edge.post(path, {"outcome": "upheld", "reason": "Mine."})
        assert (own.status_code, own.json()["code"]) == (403, "second-person-needed")
        made(admin.edge.post(path, {"outcome": "refused", "reason": "No life was at stake."}), 200)

        [line] = [each for each in register(legal) if each["disclosure_id"] == disclosure["disclosure_id"]]
        assert (line["review"]["outcome"], line["review"]["reason"]) == ("refused", "No life was at stake.")
        assert admin.edge.post(path, {"outcome": "upheld", "reason": "Again."}).status_code == 409

    def test_one_that_nobody_reviews_is_overdue_on_the_desk_and_in_the_metric(
        self, stack: Stack, ask: Any, legal: Staff, admin: Staff, accounts: Any
    ) -> None:
        disclosure = ask(ground="emergency")
        executed(disclosure, legal)
        before = overdue(stack)
        assert not shown(disclosure, legal)["is_overdue"]

        past = {"$set": {"review.due_at": datetime.now(UTC) - HOUR}}
        accounts["disclosures"].update_one({"_id": disclosure["disclosure_id"]}, past)

        assert shown(disclosure, legal)["is_overdue"]
        assert overdue(stack) == before + 1
        path = f"{DISCLOSURES}/{disclosure['disclosure_id']}/review"
        made(admin.edge.post(path, {"outcome": "upheld", "reason": "Late, but it was right."}), 200)
        assert overdue(stack) == before
        assert not shown(disclosure, legal)["is_overdue"]


def register(by: Staff) -> list[Any]:
    return list(made(by.edge.get(DISCLOSURES, limit=200), 200)["disclosures"])


def overdue(stack: Stack) -> float:
    port = stack.instance.ports.operations_of("accounts-consumer")
    lines = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text.splitlines()
    [line] = [line for line in lines if line.startswith("velaro_disclosures_overdue_reviews ")]
    return float(line.split()[1])


class TestGag:
    def test_what_a_court_forbids_is_told_when_that_ends(
        self, ask: Any, shop: Shop, legal: Staff, admin: Staff, mails: Mails, accounts: Any
    ) -> None:
        until = (datetime.now(UTC) + HOUR).isoformat()
        disclosure = ask(gag_until=until, gag_reference="7 B 12/26")
        made(approve(disclosure, admin), 200)
        executed(disclosure, legal)
        # The sweeper has been by when a later one was told.
        later = ask()
        made(approve(later, admin), 200)
        eventually(lambda: about(mails, later), timeout=60, every=0.3)
        disclosure_id = disclosure["disclosure_id"]
        assert about(mails, disclosure) == []
        assert disclosure_id not in shop.told()
        assert disclosure_id not in json.dumps(shop.audit())

        over = {"$set": {"gag_until": datetime.now(UTC) - timedelta(seconds=1)}}
        accounts["disclosures"].update_one({"_id": disclosure_id}, over)

        [mail] = eventually(lambda: about(mails, disclosure), timeout=30, every=0.3)
        assert "7 B 12/26" in mail.get_payload(decode=True).decode()
        assert disclosure_id in shop.told()
        assert [entry["act"] for entry in shop.audit() if disclosure_id in str(entry["subject"])] == [
            "disclosures.tell"
        ]

    def test_every_customer_is_told_once(self, mails: Mails, shop: Shop) -> None:
        for disclosure_id in shop.told():
            assert len(about(mails, {"disclosure_id": disclosure_id})) == 1


class TestKilled:
    def test_the_worker_killed_again_and_again_there_is_one_bundle_of_each(
        self, stack: Stack, ask: Any, shop: Shop, legal: Staff, admin: Staff, opened: Any, mails: Mails, accounts: Any
    ) -> None:
        asked = [ask(scope={"kind": "visitor", "visitor_id": shop.visitor_id}) for _ in range(3)]
        seen: set[str] = set()
        for disclosure in asked:
            # With transcripts frozen nobody gets to the end of a bundle: whoever is killed dies in the middle of one.
            with frozen(stack, "transcripts"):
                made(approve(disclosure, admin), 200)
                seen.update(eventually(lambda: attempts(accounts) - seen, timeout=60, every=0.05))
                kill_tree(stack.supervisor.pid_of("accounts-worker"))

        for disclosure in asked:
            done = executed(disclosure, legal)
            assert conversations(opened(disclosure, legal)) == {shop.sealed, shop.live}
            parts = accounts["disclosure_parts"].find({"disclosure_id": disclosure["disclosure_id"]})
            assert len(list(parts)) >= 1
            assert len(accounts["disclosure_parts"].distinct("attempt", {"disclosure_id": done["disclosure_id"]})) == 1
            eventually(lambda one=disclosure: about(mails, one), timeout=60, every=0.3)
            noted = {"subject.disclosure_id": disclosure["disclosure_id"], "act": "disclosures.execute"}
            assert accounts["audit_entries"].count_documents(noted) == 1


def attempts(accounts: Any) -> set[str]:
    """Under which attempts bundles are being made, or were to be by somebody who died."""
    return set(accounts["disclosures"].distinct("attempt", {"state": "approved"}))


@contextmanager
def frozen(stack: Stack, name: str) -> Iterator[None]:
    process = psutil.Process(stack.supervisor.pid_of(name))
    family = [process, *process.children(recursive=True)]
    for each in family:
        each.suspend()
    try:
        yield
    finally:
        for each in family:
            each.resume()


def kill_tree(pid: int) -> None:
    """SIGKILL to a process of ours and to all below it; the supervisor starts it anew."""
    process = psutil.Process(pid)
    for each in [*process.children(recursive=True), process]:
        os.kill(each.pid, signal.SIGKILL)


class TestNoWord:
    @pytest.mark.parametrize("role", STAFF_ROLES)
    def test_no_call_of_any_staff_gives_one(
        self, staff: Callable[[str], Staff], shop: Shop, ask: Any, legal: Staff, admin: Staff, marker: str, role: str
    ) -> None:
        disclosure = ask()
        made(approve(disclosure, admin), 200)
        executed(disclosure, legal)
        ids = {
            "conversation_id": shop.live,
            "transcript_id": shop.sealed,
            "site_id": shop.customer.site_id,
            "disclosure_id": disclosure["disclosure_id"],
            "version": "1",
            "placement": "pre-chat",
            "form": "json",
        }
        person = staff(role)
        asked = 0
        for path, methods in made(person.edge.get("/api/v1/openapi.json"), 200)["paths"].items():
            for method in methods:
                if (method, path) == ("delete", "/api/v1/staff/sessions/current"):
                    continue
                where = path.format_map(Missing(ids))
                answer = person.edge.call(method.upper(), where, None if method == "get" else {})
                assert marker.encode() not in answer.content, where
                asked += 1
        assert asked > 60

    def test_no_log_has_one_and_no_bundle_in_clear(self, stack: Stack, shop: Shop, marker: str) -> None:
        assert shop.told()
        kept = Traces(stack.instance).of(marker)
        # Where the words belong, and nowhere else: not with accounts, not in a log.
        assert {place.split()[-1].split(".")[0] for place in kept} <= {"chat", "transcripts", "surveys"}, kept

    def test_nothing_opens_the_bundle_but_the_key(self, ask: Any, legal: Staff, admin: Staff, tmp_path: Path) -> None:
        disclosure = ask()
        made(approve(disclosure, admin), 200)
        executed(disclosure, legal)
        sealed = legal.edge.get(f"{DISCLOSURES}/{disclosure['disclosure_id']}/bundle").content
        (tmp_path / "bundle").write_bytes(sealed)
        (tmp_path / "key.pem").write_bytes(private_pem(a_key()))
        command = [sys.executable, "-m", "services.accounts", "open-bundle", "bundle", "key.pem", "opened"]
        done = subprocess.run(
            command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, capture_output=True, timeout=60
        )

        assert done.returncode == 1
        assert not (tmp_path / "opened").exists()

    def test_after_its_time_the_bundle_is_gone(self, ask: Any, legal: Staff, admin: Staff, accounts: Any) -> None:
        disclosure = ask()
        made(approve(disclosure, admin), 200)
        executed(disclosure, legal)
        which = {"_id": disclosure["disclosure_id"]}
        accounts["disclosures"].update_one(which, {"$set": {"bundle.kept_until": datetime.now(UTC) - HOUR}})

        answer = legal.edge.get(f"{DISCLOSURES}/{disclosure['disclosure_id']}/bundle")
        assert (answer.status_code, answer.json()["code"]) == (410, "bundle-gone")
        parts = {"disclosure_id": disclosure["disclosure_id"]}
        eventually(lambda: accounts["disclosure_parts"].count_documents(parts) == 0, timeout=30, every=0.3)


class Missing(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "x"


class TestAudit:
    def test_what_operators_do_is_in_the_chain_of_their_customer_and_of_no_other(
        self, shop: Shop, neighbours: Shop
    ) -> None:
        operator = shop.customer.operator()
        token = made(shop.owner.edge.post("/api/v1/tokens", {"name": "secret name", "scopes": ["transcripts"]}))
        made(shop.owner.edge.call("DELETE", f"/api/v1/tokens/{token['token_id']}"), 204)
        operator.transcript(shop.sealed)
        operator.edge.get(f"/api/v1/transcripts/{shop.sealed}.txt")
        operator.edge.call("DELETE", "/api/v1/sessions/current")

        chain = shop.audit()
        done = [entry["act"] for entry in reversed(chain)]
        assert done[-6:] == [
            "sessions.sign_in",
            "sessions.issue_token",
            "sessions.revoke_token",
            "transcripts.show_transcript",
            "transcripts.export_transcript",
            "sessions.sign_out",
        ]
        assert {"conversations.accept", "conversations.close_conversation"} <= set(done)
        assert "secret name" not in json.dumps(chain)
        assert shop.sealed not in json.dumps(neighbours.audit())

    def test_what_is_tried_on_another_customer_is_noted_with_its_refusal(self, shop: Shop, neighbours: Shop) -> None:
        shop.operator.edge.post(f"/api/v1/conversations/{neighbours.live}/close")

        outcome, tried = shop.audit()[:2]
        assert (tried["act"], tried["subject"]) == (
            "conversations.close_conversation",
            {"conversation_id": neighbours.live},
        )
        assert outcome["details"] == {"outcome": "404", "of": tried["act_id"]}

    def test_a_flagged_minor_is_in_it_without_a_word(self, shop: Shop, marker: str) -> None:
        conversation_id = shop.talk(shop.customer.visitor(), f"{marker} young", is_closed=False)
        shop.operator.flag_minor(conversation_id)

        flagged = [entry for entry in shop.audit() if entry["act"] == "conversations.flag_minor"]
        assert flagged[0]["subject"] == {"conversation_id": conversation_id}
        assert marker not in json.dumps(shop.audit())

    def test_what_staff_do_is_in_a_chain_of_its_own(self, legal: Staff, accounts: Any, shop: Shop) -> None:
        draft = legal.draft("# A policy\n\nWe keep less.", "Less.")
        which = {"draft_id": draft["draft_id"], "revision": draft["revision"]}
        made(legal.edge.call("DELETE", "/api/v1/staff/policy/draft", params=which), 204)

        chain = list(accounts["audit_entries"].find({"chain": "staff"}).sort("number", 1))
        own = [entry["act"] for entry in chain if entry["actor"]["id"] == legal.me["staff"]["staff_id"]]
        assert own[-2:] == ["staff_policy.save_draft", "staff_policy.drop_draft"]
        assert {"staff_sessions.sign_in", "disclosures.request", "staff_disclosures.download"} <= set(own)
        assert not any(entry["act"].startswith("staff") for entry in shop.audit())
        assert "district court" not in str(chain)

    def test_anybody_can_check_the_hashes(self, shop: Shop) -> None:
        previous = None
        for entry in shop.audit():
            said = {name: value for name, value in entry.items() if name != "hash"}
            canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            assert hashlib.sha256(canonical.encode()).hexdigest() == entry["hash"]
            assert previous is None or previous["previous"] == entry["hash"]
            previous = entry

    def test_only_owners_and_admins_read_it(self, shop: Shop) -> None:
        for path in ("/api/v1/audit", "/api/v1/audit/head", "/api/v1/disclosures"):
            assert shop.operator.edge.get(path).status_code == 403
            assert shop.visitor.edge.get(path).status_code == 401
        assert shop.operator.edge.post("/api/v1/audit/heads").status_code == 403

    def test_heads_are_signed_by_themselves_and_when_they_are_wanted(self, shop: Shop) -> None:
        eventually(lambda: made(shop.owner.edge.get("/api/v1/audit/head"), 200)["head"], timeout=30)
        head = made(shop.owner.edge.post("/api/v1/audit/heads"))["head"]

        [last] = made(shop.owner.edge.get("/api/v1/audit", limit=1), 200)["entries"]
        assert (head["number"], head["hash"]) == (last["number"], last["hash"])
        stated = json.loads(unpadded(head["certificate"].split(".")[1]))
        assert (stated["number"], stated["hash"]) == (head["number"], head["hash"])

    def test_an_act_that_cannot_be_noted_is_not_done(self, stack: Stack, shop: Shop) -> None:
        conversation_id = shop.talk(shop.customer.visitor(), "Hello", is_closed=False)
        stack.supervisor.stop(["accounts"])
        try:
            # The session is believed for some seconds, so it is not that which refuses.
            refused = shop.operator.edge.post(f"/api/v1/conversations/{conversation_id}/close")
        finally:
            stack.up_services()
        assert refused.status_code == 503
        assert eventually(
            lambda: shop.operator.edge.get(f"/api/v1/conversations/{conversation_id}").json()["status"] == "active",
            timeout=60,
        )


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class TestTampering:
    """Written to the database directly, as somebody who has its password would."""

    @pytest.fixture
    def victim(self, customers: Callable[[], Customer], accounts: Any) -> Any:
        customer = customers()
        owner = customer.operator("owner")
        for number in range(4):
            made(owner.edge.post("/api/v1/tokens", {"name": str(number), "scopes": ["transcripts"]}))
        owner.head = made(owner.edge.post("/api/v1/audit/heads"))["head"]  # type: ignore[attr-defined]
        owner.customer_id = customer.customer_id  # type: ignore[attr-defined]
        return owner

    @pytest.fixture
    def verify(self, stack: Stack) -> Callable[..., subprocess.CompletedProcess[str]]:
        def run(*arguments: Any) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "services.accounts", "verify-audit", *map(str, arguments)]
            variables = os.environ | environment(stack.instance, "accounts")
            return subprocess.run(command, cwd=REPOSITORY, env=variables, capture_output=True, text=True, timeout=120)

        return run

    def test_what_nobody_touched_is_whole(self, victim: Any, verify: Any, shop: Shop) -> None:
        every = verify()
        assert every.returncode == 0, every.stdout
        for chain in (victim.customer_id, shop.customer.customer_id, "staff"):
            assert f"{chain}: whole" in every.stdout

    def test_an_edit_is_found(self, victim: Any, verify: Any, accounts: Any) -> None:
        which = {"chain": victim.customer_id, "number": 3}
        was = accounts["audit_entries"].find_one(which)
        accounts["audit_entries"].update_one(which, {"$set": {"actor.id": "somebody else"}})
        found = verify("--customer", victim.customer_id)
        accounts["audit_entries"].replace_one(which, was)

        assert found.returncode == 1
        assert "edited at 3" in found.stdout
        assert verify("--customer", victim.customer_id).returncode == 0

    def test_a_deletion_is_found(self, victim: Any, verify: Any, accounts: Any) -> None:
        accounts["audit_entries"].delete_one({"chain": victim.customer_id, "number": 3})
        found = verify("--customer", victim.customer_id)

        assert found.returncode == 1
        assert "missing at 3" in found.stdout
        accounts["audit_entries"].delete_many({"chain": victim.customer_id})
        accounts["audit_heads"].delete_many({"chain": victim.customer_id})

    def test_two_that_changed_places_are_found(self, victim: Any, verify: Any, accounts: Any) -> None:
        for number, place in ((2, 1000), (3, 2), (1000, 3)):
            which = {"chain": victim.customer_id, "number": number}
            accounts["audit_entries"].update_one(which, {"$set": {"number": place}})
        found = verify("--customer", victim.customer_id)

        assert found.returncode == 1
        assert "edited at 2" in found.stdout
        assert "edited at 3" in found.stdout
        accounts["audit_entries"].delete_many({"chain": victim.customer_id})
        accounts["audit_heads"].delete_many({"chain": victim.customer_id})

    def test_an_end_that_was_cut_off_is_found_with_its_heads_or_the_customers_copy(
        self, victim: Any, verify: Any, accounts: Any, tmp_path: Path
    ) -> None:
        end = {"chain": victim.customer_id, "number": {"$gte": victim.head["number"] - 1}}
        accounts["audit_entries"].delete_many(end)
        assert "truncated at" in verify("--customer", victim.customer_id).stdout

        accounts["audit_heads"].delete_many(end)
        assert verify("--customer", victim.customer_id).returncode == 0
        kept = tmp_path / "head.jws"
        kept.write_text(victim.head["certificate"])
        found = verify("--customer", victim.customer_id, "--head", kept)

        assert found.returncode == 1
        assert f"truncated at {victim.head['number']}" in found.stdout
        accounts["audit_entries"].delete_many({"chain": victim.customer_id})
        accounts["audit_heads"].delete_many({"chain": victim.customer_id})


class TestScreens:
    def test_it_is_asked_for_approved_and_read_on_the_screens(
        self, stack: Stack, browser: Browser, demo_site: dict[str, Any], shop: Shop, key: X25519PrivateKey, legal: Staff
    ) -> None:
        base = stack.instance.base_url
        people = {one["role"]: one for one in demo_site["staff"]}

        def signed_in(address: str, person: dict[str, str]) -> Any:
            page = browser.new_context().new_page()
            screens.sign_in(page, address, person)
            return page

        desk = signed_in(f"{base}/desk#/disclosures", people["legal"])
        desk.get_by_test_id("request").locator("summary").click()
        explanation = f"Order {uuid4().hex}"
        for field, text in {
            "customer": shop.customer.customer_id,
            "explanation": explanation,
            "conversations": shop.sealed,
            "recipient": "The district court",
            "key": public_pem(key),
        }.items():
            desk.get_by_test_id(field).fill(text)
        desk.get_by_test_id("send-request").click()
        line = desk.get_by_test_id("disclosure").filter(has_text=explanation)
        expect(line).to_have_attribute("data-state", "requested")
        expect(line.get_by_test_id("approve")).to_have_count(0)
        shot(desk, "disclosure-requested")

        other = signed_in(f"{base}/desk#/disclosures", people["admin"])
        line = other.get_by_test_id("disclosure").filter(has_text=explanation)
        line.get_by_test_id("reason").fill("I read the order.")
        line.get_by_test_id("approve").click()
        expect(line).to_have_attribute("data-state", "executed", timeout=60_000)
        expect(line.get_by_test_id("bundle")).to_be_visible()
        shot(other, "disclosure-executed")

        owner = next(person for person in shop.customer.people if person["role"] == "owner")
        console = signed_in(f"{base}/console", owner)
        console.get_by_test_id("privacy").click()
        expect(console.get_by_test_id("disclosure").filter(has_text=explanation)).to_be_visible(timeout=30_000)
        expect(console.get_by_test_id("entry").first).to_be_visible()
        console.get_by_test_id("sign-head").click()
        expect(console.get_by_test_id("head")).to_be_visible()
        expect(console.get_by_test_id("keep-head")).to_be_visible()
        shot(console, "privacy-record")

    def test_an_operator_has_no_such_page(self, stack: Stack, browser: Browser, shop: Shop) -> None:
        person = next(person for person in shop.customer.people if person["role"] == "operator")
        page = browser.new_context().new_page()
        screens.sign_in(page, f"{stack.instance.base_url}/console", person)

        expect(page.get_by_test_id("operator")).to_be_visible()
        expect(page.get_by_test_id("privacy")).to_have_count(0)
