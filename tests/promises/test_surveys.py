"""Promise 3: a survey that each customer makes their own, on the real stack, through the public edge."""

import csv
import io
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from chassis.testing import eventually
from deploy.local.stack import Stack
from tests.edge import screens
from tests.edge.browser import shot
from tests.edge.customers import Customer
from tests.edge.http import made
from tests.edge.people import ANSWERS, WIDGET, Operator, Staff, Visitor

CONTACT = [
    {"question_id": "name", "kind": "text", "label": "Your name", "is_required": True},
    {"question_id": "email", "kind": "email", "label": "Your e-mail", "is_required": True},
    {"question_id": "phone", "kind": "phone", "label": "Your telephone"},
    {"question_id": "born", "kind": "birth-date", "label": "Date of birth"},
    {"question_id": "postcode", "kind": "postcode", "label": "Postcode"},
    {"question_id": "income", "kind": "income-band", "label": "Income", "choices": ["up to 20,000", "more"]},
    {"question_id": "order", "kind": "text", "label": "Order", "pattern": "[A-Z]{2}-\\d{4}", "pattern_hint": "AB-1234"},
    {"question_id": "topic", "kind": "choice", "label": "About", "choices": ["Order", "Other"], "is_required": True},
    {"question_id": "other", "kind": "long-text", "label": "Namely", "is_required": True,
     "shown_if": {"question_id": "topic", "values": ["Other"]}},
    {"question_id": "agree", "kind": "consent", "label": "You may write to me"},
]  # fmt: skip
FEEDBACK = [
    {"question_id": "stars", "kind": "rating", "label": "How was our answer?", "is_required": True},
    {"question_id": "chat", "kind": "rating", "label": "And this chat?", "about_service": "overall"},
    {
        "question_id": "liked",
        "kind": "choices",
        "label": "What did you like?",
        "choices": ["Speed", "Manners", "Result"],
    },
]
GIVEN = {"name": "Ada", "email": "ada@example.org", "born": "1985-06-01", "order": "AB-1234", "topic": "Order"}


@pytest.fixture
def business(customers) -> Customer:
    """A customer of this test's own."""
    made: Customer = customers()
    return made


@pytest.fixture
def owner(business: Customer) -> Operator:
    return business.operator("owner")


def path_of(business: Customer, placement: str, end: str = "") -> str:
    return f"/api/v1/sites/{business.site_id}/surveys/{placement}{end}"


def publish(owner: Operator, business: Customer, placement: str, questions: list[dict[str, Any]]) -> Any:
    return made(owner.edge.call("PUT", path_of(business, placement), {"questions": questions}), 200)


def report(owner: Operator, business: Customer, placement: str, **period: str) -> Any:
    return made(owner.edge.get(path_of(business, placement, "/report"), **period), 200)


def bars(found: Any, question_id: str) -> dict[str, int]:
    [question] = [one for one in found["questions"] if one["question_id"] == question_id]
    return {bar["label"]: bar["count"] for bar in question["bars"]}


def try_opening(visitor: Visitor, answers: dict[str, Any], **more: Any) -> Any:
    version = visitor.config()["policy"]["version"]
    body = {"acknowledged_policy_version": version, "answers": answers, "text": "Hello"} | more
    return visitor.edge.post(f"{WIDGET}/conversations", body)


def closed_conversation(business: Customer, operator: Operator, answers: dict[str, Any]) -> tuple[Visitor, str]:
    visitor = business.visitor()
    conversation_id = visitor.open("Hello", answers)
    operator.accept(conversation_id)
    operator.close(conversation_id)
    return visitor, conversation_id


def test_a_survey_from_its_first_draft_to_the_report(business: Customer, owner: Operator) -> None:
    operator = business.operator()

    # a draft is seen by those who make surveys and by nobody else
    made(owner.edge.call("PUT", path_of(business, "post-chat", "/draft"), {"questions": FEEDBACK}), 200)
    assert business.visitor().config()["surveys"]["post_chat"] is None
    first = publish(owner, business, "post-chat", FEEDBACK)
    assert first["version"] == 1
    assert owner.edge.get(path_of(business, "post-chat", "/draft")).status_code == 404
    publish(owner, business, "pre-chat", CONTACT)

    # the visitor answers before and after; the answers stand on the transcript
    visitor, conversation_id = closed_conversation(business, operator, GIVEN)
    responses = f"{WIDGET}/conversations/{conversation_id}/responses"
    given = {"answers": {"stars": 5, "chat": 4, "liked": ["Speed", "Result"]}, "survey_version": 1}
    kept = made(visitor.edge.post(responses, given))
    assert made(visitor.edge.post(responses, given)) == kept
    assert visitor.edge.post(responses, {"answers": {"stars": 1}}).json()["code"] == "already-answered"
    transcript = eventually(lambda: with_both(operator.transcript(conversation_id)), timeout=20)
    said = {one["placement"]: {a["question_id"]: a["value"] for a in one["answers"]} for one in transcript["responses"]}
    assert said == {"pre-chat": GIVEN, "post-chat": {"stars": "5", "chat": "4", "liked": "Speed; Result"}}

    # a new version changes nothing of what was answered to the old one
    second = publish(owner, business, "post-chat", [FEEDBACK[0] | {"label": "How were we?"}])
    assert (second["version"], second["survey_id"]) == (2, first["survey_id"])
    [answered] = made(owner.edge.get(path_of(business, "post-chat", "/responses")), 200)["responses"]
    assert (answered["survey_version"], answered["answers"][0]["label"]) == (1, "How was our answer?")
    assert made(owner.edge.get(path_of(business, "post-chat", "/versions/1")), 200) == first
    listed = made(owner.edge.get(path_of(business, "post-chat", "/versions")), 200)["versions"]
    assert [one["version"] for one in listed] == [2, 1]

    # and the report counts both
    found = report(owner, business, "post-chat")
    assert (found["responses"], bars(found, "stars")["5"]) == (1, 1)
    assert bars(found, "liked") == {"Result": 1, "Speed": 1}
    assert [one["is_current"] for one in found["questions"]] == [True, False, False]


def with_both(transcript: Any) -> Any:
    return transcript if transcript and len(transcript["responses"]) == 2 else None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": None}, "name"),
        ({"email": "nobody"}, "email"),
        ({"phone": "call me"}, "phone"),
        ({"born": "1985-02-30"}, "born"),
        ({"postcode": "!"}, "postcode"),
        ({"income": "a lot"}, "income"),
        ({"order": "ab-1"}, "order"),
        ({"topic": "Other"}, "other"),
        ({"other": "unasked"}, "other"),
        ({"agree": "yes"}, "agree"),
        ({"surprise": "x"}, "surprise"),
    ],
)
def test_answers_that_do_not_fit_open_nothing(customer_with_contact, change: dict[str, Any], field: str) -> None:
    business, owner = customer_with_contact
    answers = {key: value for key, value in (GIVEN | change).items() if value is not None}
    visitor = business.visitor()
    refused = try_opening(visitor, answers)
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == [f"answers.{field}"]
    assert made(visitor.edge.get(f"{WIDGET}/conversations"), 200)["conversations"] == []
    assert report(owner, business, "pre-chat")["responses"] == 0


@pytest.fixture(scope="module")
def customer_with_contact(customers) -> tuple[Customer, Operator]:
    business = customers()
    owner = business.operator("owner")
    publish(owner, business, "pre-chat", CONTACT)
    return business, owner


def test_an_age_under_eighteen_opens_nothing_and_keeps_nothing(
    business: Customer, owner: Operator, stack: Stack
) -> None:
    publish(owner, business, "pre-chat", CONTACT)
    visitor, marker = business.visitor(), f"child-{uuid4().hex}"
    refused = try_opening(visitor, GIVEN | {"name": marker, "born": "2015-01-01"})
    assert (refused.status_code, refused.json()["code"]) == (409, "minor")
    assert "18" in refused.json()["detail"]
    assert marker not in refused.text
    assert report(owner, business, "pre-chat")["responses"] == 0
    with MongoClient(stack.instance.mongo_url("surveys", "surveys"), tz_aware=True) as client:
        database = client.get_default_database()
        for name in database.list_collection_names():
            assert marker not in str(list(database[name].find())), name


def test_when_nobody_is_there_words_can_be_left(business: Customer, owner: Operator) -> None:
    publish(
        owner,
        business,
        "offline",
        [CONTACT[0], CONTACT[1], {"question_id": "words", "kind": "long-text", "label": "Words"}],
    )
    visitor = business.visitor()
    config = eventually(lambda: (found := visitor.config())["surveys"]["offline"] and found, timeout=40)
    assert config["online"] is False
    body = {
        "client_id": "form-1",
        "acknowledged_policy_version": config["policy"]["version"],
        "survey_version": config["surveys"]["offline"]["version"],
        "answers": {"name": "Ada", "email": "ada@example.org", "words": "Call me."},
    }
    unread = body | {"acknowledged_policy_version": "none"}
    assert visitor.edge.post(f"{WIDGET}/offline-responses", unread).json()["code"] == "policy-not-acknowledged"
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: visitor.edge.post(f"{WIDGET}/offline-responses", body), range(4)))
    assert [answer.status_code for answer in answers] == [201] * 4
    [left] = made(owner.edge.get(path_of(business, "offline", "/responses")), 200)["responses"]
    assert {one["question_id"]: one["value"] for one in left["answers"]} == body["answers"]
    assert (left["conversation_id"], left["acknowledged_policy_version"]) == (None, config["policy"]["version"])

    # somebody opens the console, and leaves
    operator = business.operator()
    operator.queued()
    eventually(lambda: visitor.config()["online"], timeout=15)
    assert operator.edge.call("DELETE", "/api/v1/sessions/current").status_code == 204
    eventually(lambda: not visitor.config()["online"], timeout=15)


def test_a_report_is_of_its_period_and_its_table_runs_no_formula(business: Customer, owner: Operator) -> None:
    publish(owner, business, "pre-chat", CONTACT[:1])
    publish(owner, business, "post-chat", FEEDBACK)
    operator = business.operator()
    for name, stars in (("=HYPERLINK(1)", 5), ("@cmd", 5), ('Ada, "Countess"', 2)):
        visitor, conversation_id = closed_conversation(business, operator, {"name": name})
        made(visitor.edge.post(f"{WIDGET}/conversations/{conversation_id}/responses", {"answers": {"stars": stars}}))
    eventually(lambda: report(owner, business, "pre-chat")["responses"] == 3)

    found = report(owner, business, "post-chat")
    assert bars(found, "stars") == {"1": 0, "2": 1, "3": 0, "4": 0, "5": 2}
    assert found["questions"][0]["mean"] == 4
    long_ago = {"from": "2001-01-01T00:00:00Z", "to": "2002-01-01T00:00:00Z"}
    assert report(owner, business, "post-chat", **long_ago)["responses"] == 0
    table = owner.edge.get(path_of(business, "pre-chat", "/responses.csv"))
    header, *rows = csv.reader(io.StringIO(table.content.decode("utf-8-sig")))
    assert header[3:] == ["Your name"]
    assert sorted(row[3] for row in rows) == ["'=HYPERLINK(1)", "'@cmd", 'Ada, "Countess"']
    empty = owner.edge.get(path_of(business, "pre-chat", "/responses.csv"), **long_ago)
    assert len(empty.text.splitlines()) == 1


def test_what_is_published_cannot_be_changed_by_the_service_s_own_database_user(
    business: Customer, owner: Operator, stack: Stack
) -> None:
    published = publish(owner, business, "pre-chat", CONTACT)
    with MongoClient(stack.instance.mongo_url("surveys", "surveys")) as client:
        versions = client.get_default_database()["versions"]
        of_ours = {"_id.customer_id": business.customer_id}
        attempts = [
            lambda: versions.update_many(of_ours, {"$set": {"_id.questions": []}}),
            lambda: versions.update_many(of_ours, {"$set": {"questions": []}}),
            lambda: versions.update_many(of_ours, [{"$set": {"_id": {"$mergeObjects": ["$_id", {"version": 9}]}}}]),
            lambda: versions.replace_one(of_ours, {"_id": {"customer_id": business.customer_id}}),
            lambda: versions.insert_one({"_id": versions.find_one(of_ours)["_id"] | {"questions": []}}),  # type: ignore[index]
            lambda: client.get_default_database().command("collMod", "versions", validator={}),
        ]
        for attempt in attempts:
            with pytest.raises(PyMongoError):
                attempt()
    assert made(owner.edge.get(path_of(business, "pre-chat", f"/versions/{published['version']}")), 200) == published


def test_another_customer_and_a_stranger_find_nothing(business: Customer, owner: Operator, neighbour: Customer) -> None:
    publish(owner, business, "post-chat", FEEDBACK)
    visitor, conversation_id = closed_conversation(business, business.operator(), ANSWERS)
    stranger, intruder = business.visitor(), neighbour.operator("owner")
    answer = {"answers": {"stars": 1}}
    assert stranger.edge.post(f"{WIDGET}/conversations/{conversation_id}/responses", answer).status_code == 404
    for end in ("", "/versions", "/versions/1", "/draft", "/responses", "/responses.csv", "/report"):
        assert intruder.edge.get(path_of(business, "post-chat", end)).status_code == 404
    made(visitor.edge.post(f"{WIDGET}/conversations/{conversation_id}/responses", answer))
    assert report(owner, business, "post-chat")["responses"] == 1


def test_staff_learn_what_is_said_of_our_service_and_nothing_of_who_said_it(
    business: Customer, owner: Operator, stack: Stack, demo_site: dict[str, Any]
) -> None:
    publish(owner, business, "offline", [FEEDBACK[1] | {"label": f"Secret label {uuid4().hex}"}])
    visitor = business.visitor()
    version = visitor.config()["policy"]["version"]
    for number in range(12):
        body = {
            "client_id": f"f-{number}",
            "acknowledged_policy_version": version,
            "answers": {"chat": 1 if number else 2},
        }
        made(visitor.edge.post(f"{WIDGET}/offline-responses", body))
    with MongoClient(stack.instance.mongo_url("surveys", "surveys")) as client:
        kept = list(client.get_default_database()["service_ratings"].find())
    assert sum(one["count"] for one in kept if one["_id"]["rating"] == "1") >= 11
    assert {key for one in kept for key in one} == {"_id", "count"}
    assert {key for one in kept for key in one["_id"]} == {"month", "topic", "rating", "part"}
    assert business.customer_id not in str(kept)
    assert "Secret" not in str(kept)

    [one, *_] = demo_site["staff"]
    staff = Staff(stack.instance.base_url, one["email"], one["password"])
    told = made(staff.edge.get("/api/v1/staff/survey-report"), 200)["months"]
    overall = [month["ratings"] for month in told if month["topic"] == "overall"]
    assert overall[0]["1"] >= 10
    assert all(count >= 10 and count % 10 == 0 for month in told for count in month["ratings"].values())
    assert owner.edge.get("/api/v1/staff/survey-report").status_code == 401
    assert staff.edge.get(path_of(business, "offline", "/responses")).status_code == 401


def test_a_survey_in_the_browser_from_the_editor_to_the_bars(
    browser: Browser, business: Customer, owner: Operator
) -> None:
    publish(owner, business, "pre-chat", [])
    person = next(one for one in business.people if one["role"] == "owner")
    console = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    screens.sign_in(console, f"{business.base_url}/console", person)
    console.get_by_test_id("survey").click()
    console.get_by_test_id("placement-post-chat").click()

    console.get_by_test_id("add-question").click()
    console.keyboard.type("How did we do?")
    console.get_by_label("Answered with").first.select_option("rating")
    console.get_by_label("An answer is required").first.check()
    console.get_by_test_id("add-question").click()
    console.keyboard.type("What went wrong?")
    console.get_by_label("Answered with").nth(1).select_option("long-text")
    console.get_by_label("Asked", exact=True).select_option(label="Depending on: How did we do?")
    condition = console.get_by_role("group", name="If the answer is")
    condition.get_by_label("1", exact=True).check()
    condition.get_by_label("2", exact=True).check()
    preview = console.get_by_test_id("preview")
    expect(preview.get_by_text("What went wrong?")).to_have_count(0)
    preview.get_by_label("2", exact=True).check()
    expect(preview.get_by_text("What went wrong?")).to_be_visible()
    shot(console, "console-survey")
    console.get_by_test_id("publish-survey").click()
    expect(console.get_by_test_id("survey-version")).to_have_text("Version 1 is published")

    page = browser.new_context(viewport={"width": 420, "height": 700}).new_page()
    page.add_init_script(
        "for (const name of ['localStorage', 'sessionStorage'])"
        " Object.defineProperty(window, name, { get() { throw new DOMException('refused', 'SecurityError') } })"
    )
    page.goto(f"{business.base_url}/widget/v1/frame?site={business.site_key}")
    screens.begin(page)
    composer = page.get_by_test_id("composer")
    composer.fill("It broke.")
    composer.press("Enter")
    expect(page.get_by_test_id("message")).to_have_attribute("data-state", "sent")
    page.get_by_test_id("close").click()
    page.get_by_test_id("close-confirm").click()
    expect(page.get_by_text("May we ask you something?")).to_be_visible()
    page.get_by_label("2", exact=True).check()
    page.get_by_label("What went wrong?").fill("The handle came off.")
    shot(page, "widget-after")
    page.get_by_test_id("send-answers").click()
    expect(page.get_by_text("Thank you.")).to_be_visible()
    assert page.context.cookies() == []

    console.get_by_test_id("view-report").click()
    expect(console.get_by_test_id("report-count")).to_have_text("1 response")
    stars = console.get_by_test_id("report-question").filter(has_text="How did we do?")
    expect(stars.get_by_role("row", name=re.compile(r"^2 1 100"))).to_be_visible()
    shot(console, "console-report")
    console.get_by_test_id("view-responses").click()
    expect(console.get_by_test_id("response")).to_contain_text("The handle came off.")
    shot(console, "console-responses")
