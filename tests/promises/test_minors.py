"""Promise 5: whoever turns out to be under 18 is forgotten, everywhere and for good, whatever dies meanwhile.

We do not knowingly collect any information from anyone under 18.
"""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import msgspec
import pika
import pytest
from playwright.sync_api import Browser, FrameLocator, expect
from playwright.sync_api import Page as Tab

from chassis.bus import Bus
from chassis.clock import now
from chassis.ids import new_id
from chassis.testing import eventually
from contracts.chat import (
    Capture,
    ConversationClosed,
    ConversationOpened,
    MessagePosted,
    Page,
    PostMessage,
    Sender,
)
from contracts.partitions import command_key, partition_queue
from contracts.surveys import Answer, ResponseRecorded
from deploy.local.stack import Stack
from deploy.secrets import BUS_VHOST
from tests.edge import screens
from tests.edge.browser import shot
from tests.edge.customers import Customer
from tests.edge.http import made
from tests.edge.people import ANSWERS, WIDGET, Operator, Visitor
from tests.edge.socket import Socket
from tests.edge.traces import Traces, lengths_in, resting_in

WORKERS = ("chat-consumer", "chat-relay", "transcripts-consumer", "surveys-consumer", "transcripts-worker")
PARTITIONS = 8


class Minor:
    """A visitor who plants a marker wherever a visitor can: in words, answers, their name, and where they are."""

    def __init__(self, customer: Customer) -> None:
        self.marker = f"heron{uuid4().hex}"
        self.email = f"{self.marker}@example.org"
        self.visitor = Visitor(customer.base_url, customer.site_key)
        self.visitor.edge._session.headers["User-Agent"] = f"Mozilla/5.0 {self.marker}"
        page = {"url": f"https://shop.example/{self.marker}", "title": self.marker}
        visit = {"site_key": customer.site_key, "page": page, "cookies_consent": False}
        self.token = made(self.visitor.edge.post(f"{WIDGET}/visits", visit))["visitor_token"]
        self.visitor.edge.bear(self.token)

    def open(self) -> str:
        return self.visitor.open(f"I am {self.marker}", ANSWERS | {"name": self.marker, "email": self.email})

    def talk(self, operator: Operator) -> str:
        """A conversation in which both say the marker."""
        conversation_id = self.open()
        operator.accept(conversation_id)
        operator.say(conversation_id, f"Hello {self.marker}")
        self.visitor.say(conversation_id, f"My e-mail address is {self.email}")
        return conversation_id


@pytest.fixture
def traces(stack: Stack) -> Traces:
    return Traces(stack.instance)


@pytest.fixture
def own_customer(customers: Callable[[], Customer]) -> Customer:
    """Nobody else has erased anybody here."""
    return customers()


@pytest.fixture
def operator(own_customer: Customer) -> Operator:
    return own_customer.operator()


@pytest.fixture
def minor(own_customer: Customer) -> Minor:
    return Minor(own_customer)


@pytest.fixture
def bus(stack: Stack) -> Iterator[Bus]:
    one = Bus(stack.instance.amqp_url("admin", BUS_VHOST), service="chat")
    one.start()
    assert one.wait_until_up()
    yield one
    one.close()


def archived(operator: Operator, conversation_id: str) -> bool:
    transcript = operator.transcript(conversation_id)
    return transcript is not None and transcript["storage"] == "archived"


def plant_dead_letters(stack: Stack, bodies: list[dict]) -> None:
    """Puts these among what every service has given up on."""
    names = ["transcripts.record-messages.dead", "surveys.attach-responses.dead", "chat.drop-logs.dead"]
    names += [f"{partition_queue(each)}.dead" for each in range(PARTITIONS)]
    with pika.BlockingConnection(pika.URLParameters(stack.instance.amqp_url("admin", BUS_VHOST))) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for name in names:
            for body in bodies:
                channel.basic_publish("", name, json.dumps(body).encode(), mandatory=True)


def forget_dead_letters(stack: Stack) -> None:
    """What a test planted for comparison must not fill the queues of the next."""
    with pika.BlockingConnection(pika.URLParameters(stack.instance.amqp_url("admin", BUS_VHOST))) as connection:
        for name in {name for name, _ in resting_in(stack.instance, BUS_VHOST)}:
            connection.channel().queue_purge(name)


@contextmanager
def asleep(stack: Stack, name: str) -> Iterator[None]:
    pid = stack.supervisor.pid_of(name)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def wait_until_queues_are_empty(stack: Stack) -> None:
    def is_done() -> bool:
        lengths = lengths_in(stack.instance, BUS_VHOST)
        return not any(length for name, length in lengths.items() if not name.endswith(".dead"))

    eventually(is_done, timeout=60, every=0.5)


@pytest.mark.timeout(300)
def test_an_operators_flag_leaves_no_trace_anywhere(
    stack: Stack, own_customer: Customer, operator: Operator, minor: Minor, traces: Traces
) -> None:
    old, sealed, live = minor.talk(operator), minor.talk(operator), minor.talk(operator)
    for conversation_id in (old, sealed):
        operator.close(conversation_id)
    eventually(lambda: archived(operator, old), timeout=60)
    bystander = own_customer.visitor()
    kept = bystander.open("I am somebody else")
    other = {"conversation_id": kept, "text": "somebody else"}
    plant_dead_letters(stack, [{"conversation_id": old, "text": minor.marker}, other])
    before = traces.of(minor.marker, minor.email)
    for place in (
        "database chat.messages",
        "database chat.visits",
        "database chat.conversations",
        "database transcripts.archives",
        "database transcripts.transcripts",
        "database surveys.responses",
        "queue chat.drop-logs.dead of velaro",
        "queue transcripts.record-messages.dead of velaro",
    ):
        assert place in before

    answer = operator.flag_minor(live)

    assert answer["status"] == "erased"
    eventually(minor.visitor.erased, timeout=60)
    wait_until_queues_are_empty(stack)
    assert traces.of(minor.marker, minor.email) == []
    assert [made(operator.edge.get(f"/api/v1/conversations/{each}"), 404)["code"] for each in (old, sealed, live)]
    assert operator.transcript(old) is None
    assert bystander.history(kept)["messages"][0]["text"] == "I am somebody else"
    letters = [body for name, body in resting_in(stack.instance, BUS_VHOST) if b"somebody else" in body]
    assert len(letters) == 3 + PARTITIONS
    forget_dead_letters(stack)


def test_only_an_anonymous_count_of_the_day_remains(
    stack: Stack, own_customer: Customer, operator: Operator, minor: Minor, traces: Traces
) -> None:
    conversations = [minor.talk(operator), minor.open()]
    visitor_id = operator.edge.get(f"/api/v1/conversations/{conversations[0]}").json()["visitor_id"]

    operator.flag_minor(conversations[0])
    eventually(minor.visitor.erased, timeout=60)

    day = now().strftime("%Y-%m-%d")
    assert operator.erasures() == [{"day": day, "reason": "minor", "visitors": 1, "conversations": 2}]
    with traces.databases() as client:
        tombstone = {"_id", "customer_id", "token_hash", "erased_at", "reason"}
        assert set(client["chat"]["visitors"].find_one({"_id": visitor_id})) == tombstone
        for conversation_id in conversations:
            [place, *_] = client["chat"]["messages"].find({"conversation_id": conversation_id})
            assert set(place) == {"_id", "customer_id", "conversation_id", "seq", "client_id", "dropped_at"}
            transcript = client["transcripts"]["transcripts"].find_one({"_id": conversation_id})
            assert set(transcript) == {"_id", "customer_id", "erased_at"}


def test_the_visitor_is_told_kindly_and_their_token_is_dead(
    own_customer: Customer, operator: Operator, minor: Minor
) -> None:
    live, other = minor.talk(operator), minor.open()
    with minor.visitor.socket() as socket, operator.socket() as watching:
        watching.send(type="sync", conversation_id=live, after=0)
        operator.flag_minor(live)

        assert Socket.close_code(socket.connection) == 4403
        watching.until("conversation", conversation_id=live, status="erased")
        watching.send(type="message", conversation_id=live, client_id="late", text="Hello?")
        assert watching.until("rejected", client_id="late")["code"] == "not-found"

    for method, path, body in (
        ("POST", f"conversations/{live}/messages", {"client_id": "late", "text": "Hello?"}),
        ("POST", f"conversations/{other}/messages", {"client_id": "late", "text": "Hello?"}),
        ("GET", f"conversations/{live}/messages", None),
        ("GET", "conversations", None),
        ("GET", "copy", None),
        ("POST", "tickets", {}),
        ("POST", "conversations", {"acknowledged_policy_version": "1"}),
    ):
        answer = minor.visitor.edge.call(method, f"{WIDGET}/{path}", body)
        assert (path, answer.status_code) == (path, 401)
    page = {"url": "https://shop.example/"}
    again = minor.visitor.edge.post(f"{WIDGET}/visits", {"site_key": own_customer.site_key, "page": page})
    assert (again.status_code, again.json()["code"]) == (409, "minor")
    assert minor.visitor.erasure()["reason"] == "minor"


def test_an_operator_cannot_go_on_and_a_second_flag_is_the_first(operator: Operator, minor: Minor) -> None:
    live = minor.talk(operator)
    operator.flag_minor(live)

    path = f"/api/v1/conversations/{live}"
    assert operator.edge.post(f"{path}/messages", {"client_id": "late", "text": "Hello?"}).status_code == 410
    assert operator.edge.post(f"{path}/close").status_code == 410
    assert operator.flag_minor(live)["status"] == "erased"
    assert [each["conversations"] for each in eventually(operator.erasures, timeout=60)] == [1]


def test_messages_that_wait_in_a_queue_are_not_collected(
    stack: Stack, operator: Operator, minor: Minor, traces: Traces, bus: Bus
) -> None:
    live = minor.talk(operator)
    queue = command_key(live, PARTITIONS)
    sender = Sender(kind="visitor", id=operator.edge.get(f"/api/v1/conversations/{live}").json()["visitor_id"], name="")

    def say(customer_id: str) -> None:
        for _ in range(20):
            said = PostMessage(
                customer_id=customer_id,
                command_id=new_id(),
                conversation_id=live,
                client_id=new_id(),
                sender=sender,
                text=minor.marker,
            )
            bus.send(said, queue=queue).result()

    customer_id = operator.me["operator"]["customer_id"]
    with asleep(stack, "chat-relay"):
        say(customer_id)
        answer = operator.edge.post(f"/api/v1/conversations/{live}/flag-minor")
        assert answer.status_code == 202
        say(customer_id)
    eventually(minor.visitor.erased, timeout=60)
    wait_until_queues_are_empty(stack)
    assert traces.of(minor.marker, minor.email) == []


def test_what_is_delivered_again_later_brings_nothing_back(
    stack: Stack, own_customer: Customer, operator: Operator, minor: Minor, traces: Traces, bus: Bus
) -> None:
    live = minor.talk(operator)
    shown = operator.edge.get(f"/api/v1/conversations/{live}").json()
    operator.flag_minor(live)
    eventually(minor.visitor.erased, timeout=60)

    sender = Sender(kind="visitor", id=shown["visitor_id"], name=minor.marker)
    about = {"customer_id": own_customer.customer_id, "conversation_id": live}
    at = {"site_id": own_customer.site_id, "visitor_id": shown["visitor_id"]}
    page = Page(url=f"https://shop.example/{minor.marker}")
    opened = ConversationOpened(
        **about,
        **at,
        caused_by=new_id(),
        visitor_name=minor.marker,
        acknowledged_policy_version="1",
        capture=Capture(user_agent=minor.marker, page=page),
        opened_at=now(),
    )
    said = [
        MessagePosted(
            **about,
            caused_by=new_id(),
            visitor_id=sender.id,
            seq=seq,
            message_id=new_id(),
            client_id=new_id(),
            sender=sender,
            text=minor.marker,
            sent_at=now(),
        )
        for seq in (1, 2, 30)
    ]
    closed = ConversationClosed(
        **about, **at, caused_by=new_id(), closed_by=sender, closed_at=now(), last_seq=3, digest="0"
    )
    answer = Answer(question_id="name", label="Name", kind="text", value=minor.marker)
    answered = ResponseRecorded(
        **about,
        response_id=new_id(),
        survey_id=new_id(),
        survey_version=1,
        site_id=own_customer.site_id,
        answers=(answer,),
        answered_at=now(),
    )
    for event in (opened, *said, answered, closed, said[0]):
        bus.publish(event).result()

    wait_until_queues_are_empty(stack)
    eventually(lambda: traces.of(minor.marker) == [], timeout=20, every=0.5)
    assert operator.transcript(live) is None


@pytest.mark.timeout(300)
def test_a_transcript_is_erased_from_under_the_archive_job(
    stack: Stack, operator: Operator, own_customer: Customer, traces: Traces
) -> None:
    """Twenty are about to be archived, or are being, when they are erased."""
    minors = [Minor(own_customer) for _ in range(20)]
    conversations = [minor.talk(operator) for minor in minors]
    for conversation_id in conversations:
        operator.close(conversation_id)
    eventually(lambda: any(archived(operator, each) for each in conversations), timeout=60, every=0.1)

    for conversation_id in conversations:
        operator.flag_minor(conversation_id)

    for minor in minors:
        eventually(minor.visitor.erased, timeout=60)
    assert traces.of(*(minor.marker for minor in minors)) == []


@pytest.mark.timeout(400)
@pytest.mark.parametrize("victim", WORKERS)
def test_workers_killed_again_and_again_erase_it_completely_and_count_it_once(
    stack: Stack, operator: Operator, own_customer: Customer, traces: Traces, victim: str
) -> None:
    minors = [Minor(own_customer) for _ in range(4)]
    conversations = [[minor.talk(operator) for _ in range(3)] for minor in minors]
    for of_one in conversations:
        operator.close(of_one[0])

    for of_one in conversations:
        operator.edge.post(f"/api/v1/conversations/{of_one[1]}/flag-minor")
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline:
        if pid := stack.supervisor.pid_of(victim):
            os.kill(pid, signal.SIGKILL)
        # A process needs some seconds to be there again: what it gets done of its work until then differs each time.
        time.sleep(0.5 + 2 * (deadline - time.monotonic()) % 1.7)

    for minor in minors:
        eventually(minor.visitor.erased, timeout=120, every=0.5)
    wait_until_queues_are_empty(stack)
    assert traces.of(*(minor.marker for minor in minors)) == []
    assert [(each["visitors"], each["conversations"]) for each in operator.erasures()] == [(4, 12)]


def test_the_certificate_of_a_minors_erasure_names_nobody(operator: Operator, minor: Minor) -> None:
    live = minor.talk(operator)
    visitor_id = operator.edge.get(f"/api/v1/conversations/{live}").json()["visitor_id"]
    operator.flag_minor(live)
    done = eventually(minor.visitor.erased, timeout=60)

    told = msgspec.json.encode(done).decode()
    assert live not in told
    assert visitor_id not in told
    assert done["removed"]["conversations"] == 1


def talk_on_screen(browser: Browser, site: dict, name: str) -> tuple[Tab, FrameLocator, Tab]:
    """The shop, the widget in it, and the console of the operator who is told an age there."""
    shop = browser.new_context(viewport={"width": 1100, "height": 760}).new_page()
    console = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    screens.to_console(console, site)
    widget = screens.start_chat(shop, site, name)
    screens.say(widget, said_by(name))
    console.get_by_test_id("queue-item").filter(has_text=name).first.click()
    console.get_by_test_id("accept").click()
    expect(console.get_by_test_id("message").filter(has_text=said_by(name))).to_be_visible()
    return shop, widget, console


def said_by(name: str) -> str:
    return f"I am twelve, says {name[::-1]}"


def flag_on_screen(console: Tab) -> None:
    console.get_by_test_id("flag-minor").click()
    shot(console, "console-flag-minor")
    console.get_by_test_id("flag-minor-confirm").click()


def shows_nothing_of_it(console: Tab, name: str) -> None:
    expect(console.get_by_text("This conversation was erased.")).to_be_visible(timeout=30_000)
    expect(console.get_by_text(name)).to_have_count(0)
    expect(console.get_by_text(said_by(name))).to_have_count(0)
    expect(console.get_by_test_id("message")).to_have_count(0)
    expect(console.get_by_test_id("queue-item").filter(has_text=name)).to_have_count(0)


def test_in_the_browser_the_operator_confirms_and_the_visitor_is_told_kindly(browser: Browser, demo_site: dict) -> None:
    name = f"heron{uuid4().hex[:12]}"
    shop, widget, console = talk_on_screen(browser, demo_site, name)
    flag_on_screen(console)

    told = widget.get_by_test_id("erased")
    expect(told).to_have_attribute("data-reason", "minor")
    expect(told).to_contain_text("18 or older")
    shot(shop, "widget-minor")
    shows_nothing_of_it(console, name)
    assert said_by(name) not in shop.evaluate("() => JSON.stringify(sessionStorage)")


def test_in_the_browser_nothing_stays_on_a_screen_that_was_offline_meanwhile(browser: Browser, demo_site: dict) -> None:
    name = f"heron{uuid4().hex[:12]}"
    _, widget, console = talk_on_screen(browser, demo_site, name)
    elsewhere = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    screens.to_console(elsewhere, demo_site)
    elsewhere.goto(console.url)
    expect(elsewhere.get_by_test_id("message").filter(has_text=said_by(name))).to_be_visible()
    elsewhere.context.set_offline(True)
    flag_on_screen(console)
    expect(widget.get_by_test_id("erased")).to_be_visible()

    elsewhere.context.set_offline(False)
    shows_nothing_of_it(elsewhere, name)
    shot(elsewhere, "console-erased-meanwhile")
    elsewhere.set_viewport_size({"width": 390, "height": 760})
    shot(elsewhere, "console-erased-narrow")
    elsewhere.get_by_role("link", name="Back to the lists").click()
    expect(elsewhere.get_by_role("heading", name="Waiting")).to_be_visible()
