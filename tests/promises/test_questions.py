"""Promise 12: questions by mail and by the form become tracked inquiries; a visitor gets a copy of their own data, and
its erasure with a certificate, with their token or with the address that they gave.
"""

import html
import json
import re
import smtplib
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from email.message import EmailMessage, Message
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from playwright.sync_api import Browser, expect

from chassis.certificates import NotGenuine, verified
from chassis.testing import eventually
from deploy.local.stack import Stack
from services.chat.model import CERTIFICATE
from tests.edge import screens
from tests.edge.browser import shot
from tests.edge.customers import Customer
from tests.edge.http import Edge, made
from tests.edge.mails import Mails
from tests.edge.people import ANSWERS, WIDGET, Operator, Staff, Visitor
from tests.edge.traces import Traces


@pytest.fixture
def operator(customer: Customer) -> Operator:
    return customer.operator()


@pytest.fixture
def traces(stack: Stack) -> Traces:
    return Traces(stack.instance)


def sealed_conversation(visitor: Visitor, operator: Operator, text: str) -> str:
    conversation_id = visitor.open(text)
    operator.accept(conversation_id)
    operator.say(conversation_id, f"About {text}")
    operator.close(conversation_id)
    eventually(lambda: operator.transcript(conversation_id), timeout=30)
    return conversation_id


def keys(customer: Customer) -> str:
    """What is published for anybody to check certificates with."""
    return json.dumps(made(Edge(customer.base_url).get("/api/v1/certificate-keys"), 200))


def test_a_copy_has_everything_there_is_of_the_visitor_and_of_nobody_else(
    customer: Customer, operator: Operator, address: str
) -> None:
    visitor, other = customer.visitor(), customer.visitor()
    closed, live = sealed_conversation(visitor, operator, "an old order"), visitor.open("a new order")
    strange = sealed_conversation(other, operator, "a stranger's order")

    copy = visitor.copy()

    by_id = {each["conversation_id"]: each for each in copy["conversations"]}
    assert set(by_id) == {closed, live}
    assert strange not in json.dumps(copy)
    assert [message["text"] for message in by_id[closed]["messages"]] == ["an old order", "About an old order"]
    assert [message["text"] for message in by_id[live]["messages"]] == ["a new order"]
    for each in by_id.values():
        answers = {answer["question_id"]: answer["value"] for answer in each["responses"][0]["answers"]}
        assert (answers["name"], answers["email"]) == (ANSWERS["name"], ANSWERS["email"])
        assert "Firefox" in each["captured"]["user_agent"]
        assert each["captured"]["page"]["url"] == "https://shop.example/tools"
    [visit] = copy["visits"]
    assert visit["pages"][0]["referrer"] == "https://search.example/"
    assert visit["ip"]
    assert copy["visitor"]["visitor_id"]


def test_a_copy_has_what_was_left_while_nobody_was_there(customer: Customer) -> None:
    questions = {"questions": [{"question_id": "mail", "kind": "email", "label": "Your e-mail"}]}
    path = f"/api/v1/sites/{customer.site_id}/surveys/offline"
    made(customer.operator("owner").edge.call("PUT", path, questions), 200)
    visitor, email = customer.visitor(), address()
    version = visitor.config()["policy"]["version"]
    body = {"client_id": str(uuid4()), "answers": {"mail": email}, "acknowledged_policy_version": version}
    made(visitor.edge.post(f"{WIDGET}/offline-responses", body))

    copy = visitor.copy()

    [left] = copy["responses"]
    assert (left["placement"], left["conversation_id"], left["answers"][0]["value"]) == ("offline", None, email)
    assert copy["conversations"] == []
    assert customer.visitor().copy()["responses"] == []


def test_an_erasure_leaves_nothing_and_gives_a_certificate_that_anybody_can_check(
    customer: Customer, operator: Operator, traces: Traces
) -> None:
    marker = f"egret{uuid4().hex}"
    visitor, bystander = customer.visitor(), customer.visitor()
    sealed_conversation(visitor, operator, marker)
    visitor.open(marker)
    kept = bystander.open("I stay")

    asked = visitor.ask_erasure()

    assert (asked["status"], asked["reason"], asked["certificate"]) == ("running", "asked", "")
    done = eventually(visitor.erased, timeout=60)
    statement = verified(done["certificate"], kind=CERTIFICATE, service="chat", jwks=keys(customer))
    assert statement["erasure_id"] == asked["erasure_id"]
    assert statement["customer_id"] == customer.customer_id
    assert (statement["reason"], statement["left"]) == ("asked", 0)
    assert statement["removed"] == done["removed"]
    assert done["removed"] | {"visitors": 1, "conversations": 2, "visits": 1, "responses": 2} == done["removed"]
    assert statement["looks"] >= 2
    assert traces.of(marker) == []
    assert bystander.history(kept)["messages"][0]["text"] == "I stay"


def test_a_certificate_that_was_touched_is_not_genuine(customer: Customer) -> None:
    visitor = customer.visitor()
    visitor.ask_erasure()
    certificate = eventually(visitor.erased, timeout=60)["certificate"]
    head, statement, signature = certificate.split(".")
    other = customer.visitor()
    other.ask_erasure()
    _, other_statement, _ = eventually(other.erased, timeout=60)["certificate"].split(".")

    for forged in (f"{head}.{other_statement}.{signature}", f"{head}.{statement}.{signature[:-4]}AAAA", "", "a.b.c"):
        with pytest.raises(NotGenuine):
            verified(forged, kind=CERTIFICATE, service="chat", jwks=keys(customer))


def test_asking_again_with_the_dead_token_shows_the_same_erasure(customer: Customer) -> None:
    visitor = customer.visitor()
    first = visitor.ask_erasure()

    assert visitor.ask_erasure()["erasure_id"] == first["erasure_id"]
    done = eventually(visitor.erased, timeout=60)
    assert visitor.ask_erasure() == done
    assert visitor.edge.get(f"{WIDGET}/copy").status_code == 401


def test_nobody_sees_or_causes_the_erasure_of_another(customer: Customer, neighbour: Customer) -> None:
    visitor = customer.visitor()
    visitor.open("mine")
    for stranger in (customer.visitor(), neighbour.visitor()):
        stranger.ask_erasure()
        eventually(stranger.erased, timeout=60)
    nobody = Edge(customer.base_url)
    for method, path in (("GET", "erasure"), ("POST", "erasure"), ("GET", "copy")):
        assert nobody.call(method, f"{WIDGET}/{path}").status_code == 401
        nobody.bear("no-such-token")
    assert visitor.edge.get(f"{WIDGET}/erasure").status_code == 404
    assert [each["messages"][0]["text"] for each in visitor.copy()["conversations"]] == ["mine"]


def test_a_visitor_whose_erasure_was_asked_for_may_come_again_as_somebody_new(customer: Customer) -> None:
    visitor = customer.visitor()
    before = visitor.copy()["visitor"]["visitor_id"]
    visitor.ask_erasure()

    visitor.arrive()

    assert visitor.copy()["visitor"]["visitor_id"] != before
    assert visitor.copy()["conversations"] == []


def test_in_the_browser_a_visitor_downloads_a_copy_and_has_everything_erased(browser: Browser, demo_site: dict) -> None:
    shop = browser.new_context(viewport={"width": 1100, "height": 760}).new_page()
    marker = f"egret{uuid4().hex[:12]}"
    widget = screens.start_chat(shop, demo_site, marker)
    screens.say(widget, f"A word of {marker}")
    expect(widget.get_by_test_id("message").filter(has_text=marker)).to_have_attribute("data-state", "sent")

    widget.get_by_test_id("own-data").click()
    shot(shop, "widget-own-data")
    with shop.expect_download() as download:
        widget.get_by_test_id("copy").click()
    copy = json.loads(Path(download.value.path()).read_text())
    assert [message["text"] for message in copy["conversations"][0]["messages"]] == [f"A word of {marker}"]

    widget.get_by_test_id("erase").click()
    widget.get_by_test_id("erase-confirm").click()
    told = widget.get_by_test_id("erased")
    expect(told).to_have_attribute("data-reason", "asked")
    expect(told).to_have_attribute("data-status", "completed", timeout=60_000)
    with shop.expect_download() as download:
        widget.get_by_test_id("certificate").click()
    shot(shop, "widget-erased")
    certificate = Path(download.value.path()).read_text()
    keys_of_all = json.dumps(made(Edge(demo_site["base_url"]).get("/api/v1/certificate-keys"), 200))
    assert verified(certificate, kind=CERTIFICATE, service="chat", jwks=keys_of_all)["left"] == 0


SUPPORT = "support@velaro.example"
DESK = "/api/v1/staff/inquiries"


class Post:
    """The post of everybody outside: what they send to us, and what of ours reaches them."""

    def __init__(self, stack: Stack) -> None:
        self._port = stack.instance.ports.inbox
        self.mails = Mails(stack.instance.mails)

    def write(self, sender: str, subject: str, text: str = "How long do you keep it?", **headers: str) -> EmailMessage:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = sender, SUPPORT, subject
        mail["Message-ID"] = f"<{uuid4().hex}@post.example>"
        for name, value in headers.items():
            mail[name.replace("_", "-")] = value
        mail.set_content(text)
        return mail

    def send(self, mail: EmailMessage, *, mail_from: str | None = None, to: tuple[str, ...] = (SUPPORT,)) -> None:
        with smtplib.SMTP("127.0.0.1", self._port, timeout=20) as line:
            line.send_message(mail, from_addr=str(mail["From"]) if mail_from is None else mail_from, to_addrs=list(to))

    def to(self, address: str) -> list[Message]:
        """What was sent to this address by us."""
        return [mail for mail in self.mails.all() if address in str(mail["X-RcptTo"])]


def address() -> str:
    return f"vera-{uuid4().hex[:12]}@post.example"


def body_of(mail: Message) -> str:
    content = mail.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode()


@pytest.fixture
def post(stack: Stack) -> Post:
    return Post(stack)


@pytest.fixture(scope="module")
def staff(demo_site: dict[str, Any]) -> dict[str, Staff]:
    people = {one["role"]: one for one in demo_site["staff"]}
    return {role: Staff(demo_site["base_url"], one["email"], one["password"]) for role, one in people.items()}


@pytest.fixture(scope="module")
def support(staff: dict[str, Staff]) -> Staff:
    return staff["support"]


def inquiries_of(staff: Staff, sender: str) -> list[Any]:
    """Every inquiry of this sender, whole."""
    found, after = [], None
    while True:
        page = made(staff.edge.get(DESK, limit=200, **({"after": after} if after else {})), 200)
        found += [each for each in page["inquiries"] if each["sender"] == sender]
        after = page["next"]
        if after is None:
            return [made(staff.edge.get(f"{DESK}/{each['inquiry_id']}"), 200) for each in found]


def form_of(base_url: str, site_key: str = "") -> dict[str, str]:
    """The fields of the form as a browser without scripts finds them."""
    page = requests.get(f"{base_url}/privacy/questions", params={"site": site_key} if site_key else {}, timeout=10)
    assert page.status_code == 200
    assert "<script" not in page.text
    assert "script-src" not in page.headers["Content-Security-Policy"]
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text)
    return {name: html.unescape(value) for name, value in hidden}


def submit(base_url: str, fields: dict[str, str], **headers: str) -> requests.Response:
    said = {"Origin": base_url, **headers}
    return requests.post(f"{base_url}/privacy/questions", data=fields, headers=said, timeout=10)


class TestInquiries:
    def test_a_mail_becomes_an_inquiry_that_is_due_in_a_month_and_is_acknowledged_once(
        self, post: Post, support: Staff
    ) -> None:
        sender = address()
        mail = post.write(sender, "What do you keep of me?")
        post.send(mail)
        for _ in range(3):
            post.send(mail)

        [inquiry] = inquiries_of(support, sender)
        assert (inquiry["state"], inquiry["source"], inquiry["subject"]) == ("open", "mail", "What do you keep of me?")
        assert [each["text"] for each in inquiry["entries"]] == ["How long do you keep it?"]
        due, received = (datetime.fromisoformat(inquiry[name]) for name in ("due_at", "received_at"))
        assert due - received == timedelta(days=30)
        eventually(lambda: inquiries_of(support, sender)[0]["mails"]["sent"] == 1, timeout=30)
        [acknowledgement] = post.to(sender)
        assert str(inquiry["number"]) in str(acknowledgement["Subject"])
        assert acknowledgement["Auto-Submitted"] == "auto-replied"
        assert acknowledgement["In-Reply-To"] == mail["Message-ID"]
        # Whoever forges a sender must not have us deliver what they wrote.
        assert "How long" not in body_of(acknowledgement)

    def test_two_deliveries_at_the_same_time_are_one_inquiry(self, post: Post, support: Staff) -> None:
        sender = address()
        mail = post.write(sender, "Twice?")
        with ThreadPoolExecutor(8) as senders:
            list(senders.map(lambda _: post.send(mail), range(8)))

        assert len(inquiries_of(support, sender)) == 1
        eventually(lambda: post.to(sender), timeout=30)

    @pytest.mark.parametrize(
        "headers",
        [
            {"Auto_Submitted": "auto-replied"},
            {"Auto_Submitted": "auto-generated (vacation)"},
            {"Precedence": "bulk"},
            {"List_Id": "<news.shop.example>"},
            {"X_Auto_Response_Suppress": "All"},
        ],
    )
    def test_machines_are_heard_and_never_answered(self, post: Post, support: Staff, headers: dict[str, str]) -> None:
        sender = address()
        post.send(post.write(sender, "I am on holiday", **headers))
        after = address()
        post.send(post.write(after, "I am not"))

        [inquiry] = inquiries_of(support, sender)
        assert inquiry["is_automatic"]
        eventually(lambda: post.to(after), timeout=30)
        assert post.to(sender) == []
        assert inquiries_of(support, sender)[0]["mails"] == {"waiting": 0, "sent": 0, "failed": 0}

    def test_a_report_from_nobody_and_a_mail_of_ours_start_no_loop(self, post: Post, support: Staff) -> None:
        sender = address()
        post.send(post.write(sender, "Undelivered Mail Returned to Sender"), mail_from="")
        daemon = f"MAILER-DAEMON@{uuid4().hex[:8]}.example"
        post.send(post.write(daemon, "Undelivered"))
        after = address()
        post.send(post.write(after, "I am a person"))

        eventually(lambda: post.to(after), timeout=30)
        assert post.to(sender) == post.to(daemon.lower()) == []

    def test_one_address_is_acknowledged_a_few_times_a_day_however_much_comes(self, post: Post, support: Staff) -> None:
        victim = address()
        for number in range(8):
            post.send(post.write(victim, f"Flood {number}"))
        eventually(lambda: len(inquiries_of(support, victim)) == 8, timeout=30)
        after = address()
        post.send(post.write(after, "After the flood"))

        eventually(lambda: post.to(after), timeout=30)
        assert len(post.to(victim)) == 5

    def test_the_inbox_takes_what_is_ours_and_of_a_sensible_size(self, post: Post, support: Staff) -> None:
        sender = address()
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            post.send(post.write(sender, "Relay"), to=("somebody@elsewhere.example",))
        with pytest.raises(smtplib.SMTPResponseException):
            post.send(post.write(sender, "Large", "x" * (2 << 20)))
        assert inquiries_of(support, sender) == []

    def test_an_answer_goes_out_in_the_thread_and_what_comes_back_is_part_of_it(
        self, post: Post, support: Staff
    ) -> None:
        sender = address()
        question = post.write(sender, "Which data?")
        post.send(question)
        [inquiry] = inquiries_of(support, sender)
        body = {"client_id": f"answer-{uuid4().hex}", "text": "The transcript, and nothing else."}

        for _ in range(3):
            answered = made(support.edge.post(f"{DESK}/{inquiry['inquiry_id']}/answers", body))

        assert answered["state"] == "answered"
        assert [each["kind"] for each in answered["entries"]] == ["question", "answer"]
        [answer] = eventually(lambda: [mail for mail in post.to(sender) if "nothing else" in body_of(mail)], timeout=30)
        assert answer["In-Reply-To"] == question["Message-ID"]
        assert str(answer["From"]).endswith(f"<{SUPPORT}>")

        post.send(post.write(sender, "Re: Which data?", "Thank you!", In_Reply_To=str(answer["Message-ID"]).strip()))
        stranger = address()
        forged = post.write(stranger, "Re: Which data?", "Me too", In_Reply_To=str(answer["Message-ID"]).strip())
        post.send(forged)

        [again] = inquiries_of(support, sender)
        assert (again["state"], [each["text"] for each in again["entries"]][-1]) == ("open", "Thank you!")
        [own] = inquiries_of(support, stranger)
        assert own["number"] != again["number"]
        closed = made(support.edge.post(f"{DESK}/{inquiry['inquiry_id']}/close"), 200)
        assert closed["state"] == "closed"
        refused = support.edge.post(f"{DESK}/{inquiry['inquiry_id']}/answers", body | {"client_id": "another-one"})
        assert (refused.status_code, refused.json()["code"]) == (409, "closed")

    def test_only_support_and_legal_see_them(self, staff: dict[str, Staff], customer: Customer, post: Post) -> None:
        sender = address()
        post.send(post.write(sender, "Confidential"))
        [inquiry] = inquiries_of(staff["legal"], sender)

        for edge in (staff["reviewer"].edge, staff["admin"].edge):
            assert edge.get(DESK).status_code == 403
            assert edge.get(f"{DESK}/{inquiry['inquiry_id']}").status_code == 403
        for edge in (customer.operator("owner").edge, customer.visitor().edge):
            assert edge.get(f"{DESK}/{inquiry['inquiry_id']}").status_code == 401
        assert staff["support"].edge.get(f"{DESK}/{uuid4()}").status_code == 404

    def test_broken_mail_is_heard_too(self, post: Post, stack: Stack, support: Staff) -> None:
        sender = address()
        broken = (
            f"From: =?utf-8?q?broken=ZZ?= <{sender}>\r\nSubject: =?nonsense?b?!!!?=\r\n"
            "Content-Type: text/plain; charset=no-such-thing\r\n\r\nCaf\u00e9 \x00 \r\n"
        ).encode("latin-1")
        with smtplib.SMTP("127.0.0.1", stack.instance.ports.inbox, timeout=20) as line:
            line.sendmail(sender, [SUPPORT], broken)
            line.sendmail(sender, [SUPPORT], broken)

        [inquiry] = inquiries_of(support, sender)
        assert inquiry["entries"][0]["text"].startswith("Caf")

    def test_the_form_works_without_scripts_and_sent_twice_is_one_inquiry(
        self, customer: Customer, post: Post, support: Staff
    ) -> None:
        sender = address()
        fields = form_of(customer.base_url) | {
            "email": f" {sender.upper()} ",
            "subject": "A form",
            "text": "Who reads it?",
        }

        answers = [submit(customer.base_url, fields) for _ in range(2)]

        numbers = {re.search(r"<strong data-number>(\d+)</strong>", answer.text).group(1) for answer in answers}  # type: ignore[union-attr]
        [inquiry] = inquiries_of(support, sender)
        assert numbers == {str(inquiry["number"])}
        assert (inquiry["source"], inquiry["entries"][0]["text"]) == ("form", "Who reads it?")
        eventually(lambda: post.to(sender), timeout=30)
        assert len(post.to(sender)) == 1

    def test_the_form_is_taken_from_our_own_pages_alone_and_not_from_machines(
        self, customer: Customer, support: Staff
    ) -> None:
        sender = address()
        fields = form_of(customer.base_url) | {"email": sender, "text": "Spam"}
        silent = requests.post(f"{customer.base_url}/privacy/questions", data=fields, timeout=10)
        evil = submit(customer.base_url, fields, Origin="https://evil.example")
        framed = submit(customer.base_url, fields, **{"Sec-Fetch-Site": "cross-site"})
        trapped = submit(customer.base_url, fields | {"website": "https://spam.example"})

        assert [answer.status_code for answer in (silent, evil, framed, trapped)] == [403, 403, 403, 200]
        assert inquiries_of(support, sender) == []
        for wrong in ({"email": "nobody"}, {"text": ""}, {"email": f"a@b.example\r\nBcc: {sender}"}, {"wish": "gold"}):
            answer = submit(customer.base_url, fields | wrong)
            assert answer.status_code == 422
            assert "data-problem" in answer.text
        assert inquiries_of(support, sender) == []

    def test_at_the_desk_an_inquiry_is_answered_and_an_overdue_one_is_seen(
        self, browser: Browser, demo_site: dict[str, Any], stack: Stack, post: Post, support: Staff
    ) -> None:
        sender, late = address(), address()
        post.send(post.write(late, "Forgotten?"))
        post.send(post.write(sender, "Seen at the desk"))
        [forgotten], [inquiry] = inquiries_of(support, late), inquiries_of(support, sender)
        with Traces(stack.instance).databases() as client:
            overdue = {"$set": {"due_at": datetime.fromisoformat("2026-01-01T00:00:00+00:00")}}
            client["accounts"]["inquiries"].update_one({"number": forgotten["number"]}, overdue)
        [one] = [each for each in demo_site["staff"] if each["role"] == "support"]
        page = browser.new_context(viewport={"width": 1200, "height": 860}).new_page()
        screens.sign_in(page, f"{demo_site['base_url']}/desk", one)
        page.get_by_test_id("page-inquiries").click()
        first = page.get_by_test_id("inquiry").first
        expect(first).to_have_attribute("data-overdue", "true")
        expect(first).to_contain_text("overdue")
        shot(page, "desk-inquiries")
        while page.locator(f'[data-number="{inquiry["number"]}"]').count() == 0:
            page.get_by_role("button", name="Show more").click()
        page.locator(f'[data-number="{inquiry["number"]}"] button').click()
        page.get_by_test_id("answer-text").fill("Answered at the desk.")
        shot(page, "desk-inquiry")
        page.get_by_test_id("answer").click()
        expect(page.get_by_test_id("inquiry-standing")).to_have_attribute("data-state", "answered")
        eventually(lambda: [mail for mail in post.to(sender) if "at the desk" in body_of(mail)], timeout=30)
        page.get_by_test_id("close-inquiry").click()
        expect(page.get_by_test_id("inquiry-standing")).to_have_attribute("data-state", "closed")


class TestAConfirmedAddress:
    def ask(self, customer: Customer, email: str, wish: str) -> requests.Response:
        fields = form_of(customer.base_url, customer.site_key)
        return submit(customer.base_url, fields | {"email": email, "wish": wish, "text": ""})

    def link_to(self, post: Post, email: str) -> str:
        [mail] = eventually(lambda: post.to(email), timeout=30)
        return re.search(r"https?://\S+/privacy/confirm/\S+", body_of(mail)).group()  # type: ignore[union-attr]

    def follow(self, link: str, base_url: str, **headers: str) -> requests.Response:
        return requests.post(link, headers={"Origin": base_url, **headers}, timeout=30)

    def visitor_with(self, customer: Customer, email: str) -> tuple[Visitor, str]:
        visitor = customer.visitor()
        return visitor, visitor.open("Mine", ANSWERS | {"email": email})

    def test_a_copy_is_of_those_who_gave_the_address_at_that_customer(
        self, customer: Customer, neighbour: Customer, post: Post
    ) -> None:
        email = address()
        _, first = self.visitor_with(customer, email)
        _, second = self.visitor_with(customer, email.upper().replace("POST.EXAMPLE", "post.example"))
        _, elsewhere = self.visitor_with(neighbour, email)
        _, somebody = self.visitor_with(customer, address())

        self.ask(customer, email, "copy")
        link = self.link_to(post, email)
        assert "my-data" not in requests.get(link, timeout=10).headers.get("Content-Disposition", "")
        assert self.follow(link, customer.base_url, Origin="https://evil.example").status_code == 403
        copy = self.follow(link, customer.base_url)

        assert "my-data.json" in copy.headers["Content-Disposition"]
        ids = {each["conversation_id"] for one in copy.json()["visitors"] for each in one["conversations"]}
        assert ids == {first, second}
        assert elsewhere not in copy.text
        assert somebody not in copy.text
        again = self.follow(link, customer.base_url)
        assert 'data-outcome="done"' in again.text
        assert first not in again.text

    def test_an_erasure_is_the_same_saga_with_the_same_certificate(
        self, customer: Customer, post: Post, traces: Traces
    ) -> None:
        email = address()
        visitor, _ = self.visitor_with(customer, email)
        self.ask(customer, email, "erasure")
        link = self.link_to(post, email)
        requests.get(link, timeout=10)
        assert visitor.copy()["conversations"]

        for _ in range(2):
            begun = self.follow(link, customer.base_url)
            assert 'data-outcome="erasure"' in begun.text

        # A gateway that has just let them in hears of it a moment later; there is nothing left to give then.
        eventually(lambda: visitor.edge.get(f"{WIDGET}/copy").status_code == 401, timeout=20)
        page = eventually(lambda: self.completed(link), timeout=60)
        certificate = html.unescape(re.search(r"data-certificate>([^<]+)<", page).group(1))  # type: ignore[union-attr]
        statement = verified(certificate, kind=CERTIFICATE, service="chat", jwks=keys(customer))
        assert (statement["customer_id"], statement["reason"], statement["left"]) == (customer.customer_id, "asked", 0)
        # What they wrote to us stays with the inquiry, and the address by which it is answered.
        assert {place for place in traces.of(email) if not place.startswith("database accounts.inquir")} == set()

    def completed(self, link: str) -> str | None:
        page = requests.get(link, timeout=10).text
        return page if 'data-status="completed"' in page else None

    def test_nobody_learns_whether_an_address_is_known(self, customer: Customer, post: Post) -> None:
        known, unknown = address(), address()
        self.visitor_with(customer, known)

        pages = [self.ask(customer, email, "copy") for email in (known, unknown)]

        without_numbers = {
            re.sub(r"<strong data-number>\d+</strong>|nonce=\"[^\"]+\"", "", page.text) for page in pages
        }
        assert len(without_numbers) == 1
        links = [self.link_to(post, email) for email in (known, unknown)]
        told = {re.sub(r"\S+/privacy/confirm/\S+|\d+", "", body_of(post.to(each)[0])) for each in (known, unknown)}
        assert len(told) == 1
        assert self.follow(links[1], customer.base_url).json()["visitors"] == []

    @pytest.mark.parametrize("token", ["x" * 43, "%24ne", "..", "x" * 2000])
    def test_a_link_that_was_guessed_counts_for_nothing(self, customer: Customer, token: str) -> None:
        url = f"{customer.base_url}/privacy/confirm/{token}"
        for answer in (requests.get(url, timeout=10), self.follow(url, customer.base_url)):
            assert answer.status_code == 404
