"""Promise 11: changes become effective 15 days after notice of them is posted, and every customer is told once."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests
from playwright.sync_api import Browser, expect
from pymongo import MongoClient
from pymongo.errors import OperationFailure, WriteError

from chassis.testing import eventually
from deploy.local.stack import Stack
from tests.edge import screens
from tests.edge.browser import shot
from tests.edge.customers import Customer
from tests.edge.http import made
from tests.edge.mails import Mails
from tests.edge.people import Staff
from tests.promises.policy import FIFTEEN_DAYS, Versions, wrong_clock

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def versions(stack: Stack) -> Iterator[Versions]:
    opened = Versions(stack.instance)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def mails(stack: Stack) -> Mails:
    return Mails(stack.instance.mails)


@pytest.fixture(scope="module")
def staff(stack: Stack, demo_site: dict[str, Any]) -> Callable[[str], Staff]:
    def of(role: str) -> Staff:
        [one] = [one for one in demo_site["staff"] if one["role"] == role]
        return Staff(stack.instance.base_url, one["email"], one["password"])

    return of


@pytest.fixture(scope="module")
def legal(staff: Callable[[str], Staff]) -> Staff:
    return staff("legal")


def owner_of(customer: Customer) -> str:
    return str(next(person["email"] for person in customer.people if person["role"] == "owner"))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def test_a_version_is_drafted_posted_and_told_to_every_owner_once(
    stack: Stack, customer: Customer, neighbour: Customer, legal: Staff, mails: Mails
) -> None:
    draft = legal.draft("# A new policy\n\nWe keep *less*.\n\n<script>alert(1)</script>", "We keep less.")
    which = {"draft_id": draft["draft_id"], "revision": draft["revision"]}
    early = {**which, "effective_at": (datetime.now(UTC) + 15 * DAY - timedelta(minutes=1)).isoformat()}
    refused = legal.edge.post("/api/v1/staff/policy/versions", early)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "effective_at")

    posted = made(legal.edge.post("/api/v1/staff/policy/versions", which))

    version = posted["version"]
    assert moment(posted["effective_at"]) - moment(posted["posted_at"]) == FIFTEEN_DAYS
    assert abs(moment(posted["posted_at"]) - datetime.now(UTC)) < timedelta(seconds=30)
    assert legal.edge.post("/api/v1/staff/policy/versions", which).json()["version"] == version
    done = eventually(lambda: is_done(legal, version), timeout=60)
    copies = mails.copies(version, "notice")
    assert copies[owner_of(customer)] == copies[owner_of(neighbour)] == 1
    assert set(copies.values()) == {1}
    assert (done["sent"], done["repeated"]) == (done["customers"], 0)
    operators = {person["email"] for person in customer.people if person["role"] != "owner"}
    assert not operators & set(copies)


def is_done(legal: Staff, version: str, kind: str = "notice") -> Any:
    found = legal.notices(version).get(kind)
    return found if found and found["is_planned"] and found["waiting"] == 0 else None


def test_it_is_public_and_announced_while_the_present_one_stays_in_force(
    stack: Stack, customer: Customer, versions: Versions
) -> None:
    before = versions.in_force()
    [upcoming] = [version for version, state in versions.states().items() if state == "upcoming"]
    page = requests.get(f"{stack.instance.base_url}/policy/{upcoming}", timeout=10)
    widget = eventually(lambda: customer.visitor().config()["policy"]["upcoming"], timeout=10)

    assert "<em>less</em>" in page.text
    assert "<script" not in page.text
    assert all(f'data-version="{version}"' in page.text for version in versions.states())
    assert widget["version"] == upcoming
    assert versions.in_force() == before != upcoming
    assert requests.get(f"{stack.instance.base_url}/policy", timeout=10).text.count("In force since".lower()) == 1
    assert requests.get(f"{stack.instance.base_url}/policy/999", timeout=10).status_code == 404


@pytest.mark.parametrize("role", ["support", "reviewer"])
def test_of_staff_only_legal_and_admin_write_it(staff: Callable[[str], Staff], role: str) -> None:
    person = staff(role)
    for method, path in (("GET", "draft"), ("PUT", "draft"), ("POST", "versions")):
        body = {"summary": "x", "text": "x"} if method == "PUT" else {"draft_id": "x", "revision": 1}
        answer = person.edge.call(method, f"/api/v1/staff/policy/{path}", None if method == "GET" else body)
        assert answer.status_code == 403


def test_nobody_else_writes_it(customer: Customer) -> None:
    for person in (customer.operator("owner"), customer.visitor()):
        answer = person.edge.call("PUT", "/api/v1/staff/policy/draft", {"summary": "x", "text": "x"})
        assert answer.status_code == 401


def test_an_update_through_the_services_own_database_user_makes_nothing_effective_earlier(
    stack: Stack, versions: Versions
) -> None:
    before = list(versions.collection.find().sort("_id"))
    [upcoming] = [version for version, state in versions.states().items() if state == "upcoming"]
    which = {"_id.number": int(upcoming)}
    past = datetime.now(UTC) - 20 * DAY
    attempts: list[Any] = [
        {"$set": {"effective_at": past}},
        {"$set": {"effective_at": past, "activated_at": past}},
        {"$set": {"activated_at": past}},
        {"$set": {"_id.posted_at": past}},
        {"$inc": {"_id.number": -1}},
        {"$unset": {"effective_at": ""}},
        [{"$set": {"effective_at": "$$NOW", "activated_at": "$$NOW"}}],
        [{"$set": {"effective_at": {"$subtract": ["$effective_at", 1]}}}],
    ]
    client: MongoClient[Any]
    with MongoClient(stack.instance.mongo_url("accounts", "accounts")) as client:
        own = client.get_default_database()["policy_versions"]
        for attempt in attempts:
            with pytest.raises(WriteError):
                own.update_one(which, attempt)
        with pytest.raises(OperationFailure, match="not authorized"):
            own.database.command("collMod", "policy_versions", validator={})
        # This much is allowed, and does not help: the time is asked as well.
        own.update_one(which, {"$set": {"activated_at": datetime.now(UTC) + 400 * DAY}})
        assert versions.states()[upcoming] == "upcoming"
        own.update_one(which, {"$unset": {"activated_at": ""}})

    assert list(versions.collection.find().sort("_id")) == before


def test_a_day_of_23_hours_makes_the_period_no_shorter(stack: Stack) -> None:
    """In Berlin clocks go forward on 28 March 2027: fifteen days on the calendar are then an hour too short."""
    berlin = ZoneInfo("Europe/Berlin")
    posted_at = datetime(2027, 3, 20, 12, tzinfo=berlin)
    on_the_calendar = posted_at + FIFTEEN_DAYS
    document = {
        "_id": {"number": 900_000, "posted_at": posted_at.astimezone(UTC)},
        "effective_at": on_the_calendar.astimezone(UTC),
        "summary": "",
        "text": "x",
    }
    client: MongoClient[Any]
    with MongoClient(stack.instance.mongo_url("accounts", "accounts")) as client:
        own = client.get_default_database()["policy_versions"]
        with pytest.raises(WriteError):
            own.insert_one(document)
        own.insert_one({**document, "effective_at": on_the_calendar.astimezone(UTC) + timedelta(hours=1)})
        own.delete_one({"_id.number": 900_000})


def test_clocks_that_are_a_day_off_and_several_beats_change_nothing(
    stack: Stack, versions: Versions, legal: Staff, mails: Mails, tmp_path: Path
) -> None:
    """By a clock that is a day ahead the first of these has taken effect; by one that is a day behind, neither has."""
    stack.supervisor.stop(["accounts-worker", "accounts-beat"])
    log = tmp_path / "worker.log"
    try:
        with (
            wrong_clock(stack.instance, "worker", log, by=DAY),
            wrong_clock(stack.instance, "worker", log, by=-DAY),
            wrong_clock(stack.instance, "beat", tmp_path / "ahead.log", by=DAY),
            wrong_clock(stack.instance, "beat", tmp_path / "behind.log", by=-DAY),
        ):
            not_yet = versions.post(ago=14 * DAY + timedelta(hours=1))
            reminded = eventually(lambda: is_done(legal, not_yet, "reminder"), timeout=90)
            swept = log.read_text().count("accounts.sweep-policy")
            eventually(lambda: log.read_text().count("accounts.sweep-policy") >= swept + 6, timeout=60)
            assert versions.states()[not_yet] == "upcoming"
            assert versions.in_force() != not_yet

            now_due = versions.post(ago=FIFTEEN_DAYS + timedelta(seconds=1))
            versions.await_in_force(now_due)
    finally:
        for name in ("accounts-worker", "accounts-beat"):
            stack.supervisor.run(name)

    copies = mails.copies(not_yet, "reminder")
    assert set(copies.values()) == {1}
    assert len(copies) == reminded["customers"]
    assert set(mails.copies(not_yet, "notice").values()) == {1}


def test_a_worker_killed_again_and_again_tells_everybody(
    stack: Stack, versions: Versions, legal: Staff, mails: Mails
) -> None:
    names = [f"crowd-{number:03}" for number in range(150)]
    when = datetime.now(UTC)
    versions.database["customers"].insert_many([{"_id": name, "name": name, "created_at": when} for name in names])
    versions.database["operators"].insert_many([an_owner(name, when) for name in names])
    try:
        version = versions.post(ago=timedelta(seconds=1))
        for goal in (1, 40, 80, 120):
            eventually(lambda goal=goal: sent(legal, version) >= goal, timeout=90, every=0.01)
            # With its children, one of which is in the middle of sending.
            os.killpg(eventually(lambda: stack.supervisor.pid_of("accounts-worker"), timeout=30), signal.SIGKILL)
        done = eventually(lambda: is_done(legal, version), timeout=120)
    finally:
        versions.database["customers"].delete_many({"_id": {"$in": names}})
        versions.database["operators"].delete_many({"customer_id": {"$in": names}})

    copies = mails.copies(version, "notice")
    assert {f"owner@{name}.example" for name in names} <= set(copies)
    assert (done["sent"], done["failed"]) == (done["customers"], 0)
    # A mail more than once only where the worker died between the server's answer and the mark, and never unnoticed.
    assert sum(copies.values()) - len(copies) <= done["repeated"] <= 4


def test_legal_posts_it_at_the_desk_and_sees_who_has_been_told(
    browser: Browser, stack: Stack, demo_site: dict[str, Any]
) -> None:
    [one] = [one for one in demo_site["staff"] if one["role"] == "legal"]
    context = browser.new_context()
    page = context.new_page()
    screens.sign_in(page, f"{stack.instance.base_url}/desk", one)
    page.get_by_test_id("summary").fill("We keep nothing.")
    page.get_by_test_id("text").fill("# Privacy\n\nWe keep *nothing*.")
    expect(page.get_by_test_id("preview").locator("em")).to_have_text("nothing")
    page.get_by_test_id("save-draft").click()
    expect(page.get_by_test_id("draft-revision")).to_contain_text("Saved")
    upcoming = page.locator('[data-testid=version][data-state="upcoming"]')
    before = upcoming.count()
    page.get_by_test_id("post").click()

    expect(upcoming).to_have_count(before + 1)
    version = upcoming.first.get_attribute("data-version")
    told = page.locator(f'[data-testid=notices][data-version="{version}"]')
    expect(told).to_contain_text(re.compile(r"Notice: (\d+) of \1 customers"), timeout=30_000)
    shot(page, "staff-desk")
    page.goto(f"{stack.instance.base_url}/policy/{version}")
    expect(page.locator("article em")).to_have_text("nothing")
    shot(page, "policy-page")
    context.close()


def an_owner(customer_id: str, when: datetime) -> dict[str, Any]:
    return {
        "_id": f"owner-of-{customer_id}",
        "customer_id": customer_id,
        "email": f"owner@{customer_id}.example",
        "name": "Somebody",
        "role": "owner",
        "password_hash": "",
        "is_active": True,
        "created_at": when,
    }


def sent(legal: Staff, version: str) -> int:
    return int(legal.notices(version).get("notice", {"sent": 0})["sent"])
