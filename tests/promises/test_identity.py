"""Promise 10: a government-issued ID may be required; it is sealed, seen by a reviewer alone, and destroyed."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psutil
import pytest
import requests
from playwright.sync_api import Browser, expect

from chassis.testing import eventually
from deploy.local import demo
from deploy.local.stack import Stack
from tests.accounts.identity.files import a_pdf, a_picture, a_png_that_claims, opened
from tests.edge import screens
from tests.edge.browser import shot
from tests.edge.customers import Customer, new_customer
from tests.edge.http import Edge, made
from tests.edge.mails import Mails
from tests.edge.people import Operator, Staff
from tests.edge.traces import Traces
from tests.promises.accounts import ELSEWHERE, Books, Stranger, addresses, letters
from tests.promises.test_current_details import ACCOUNT, details, put

VERIFICATIONS = "/api/v1/identity/verifications"
REVIEWS = "/api/v1/staff/identity/verifications"
HOUR = timedelta(hours=1)
WEEK = timedelta(days=7)
ROLES = ("owner", "admin", "operator")
FILE = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def books(stack: Stack) -> Iterator[Books]:
    with Books.of(stack.instance) as opened:
        yield opened


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
def reviewer(staff: Callable[[str], Staff]) -> Staff:
    return staff("reviewer")


@pytest.fixture
def shop(stack: Stack) -> Customer:
    seed = partial(demo.seed_customer, stack.instance)
    customer = new_customer(stack.instance.base_url, seed, roles=ROLES)
    # From where they sign in first is home.
    customer.operator("admin")
    return customer


def stranger(shop: Customer, role: str = "owner") -> Stranger:
    """A session of the operator at a device that is not theirs."""
    one = next(person for person in shop.people if person["role"] == role)
    return Stranger(shop.base_url, one["email"], one["password"])


def upload(person: Operator, action: str = "change-billing", content: bytes = b"", **headers: str) -> Any:
    return person.edge.call(
        "POST", f"{VERIFICATIONS}?action={action}", data=content or a_picture(), headers=FILE | headers
    )


def decide(reviewer: Staff, verification: Any, decision: str = "approved", reason: str = "It is them.") -> Any:
    path = f"{REVIEWS}/{verification['verification_id']}/decision"
    return made(reviewer.edge.post(path, {"decision": decision, "reason": reason}))


def document(reviewer: Staff, verification: Any) -> requests.Response:
    return reviewer.edge.get(f"{REVIEWS}/{verification['verification_id']}/document")


def own(person: Operator, action: str = "change-billing") -> Any:
    """What became of the operator's last document for this."""
    found = made(person.edge.get("/api/v1/identity"), 200)["verifications"]
    return next(each for each in found if each["action"] == action)


def change_billing(person: Operator, email: str = "elsewhere@demo.example") -> Any:
    known = person.edge.get(ACCOUNT).json()["billing"]["revision"]
    return put(person, "billing", details("billing", email=email) | {"revision": known})


def is_demanded(answer: Any) -> bool:
    return (answer.status_code, answer.json().get("code")) == (403, "identity-required")


def test_a_usual_session_goes_on_and_an_unusual_one_has_to_show_who_it_is(shop: Customer) -> None:
    assert change_billing(shop.operator("owner")).status_code == 200
    other = stranger(shop)
    assert is_demanded(change_billing(other))
    assert is_demanded(put(other, "contact", details("contact") | {"revision": 1}))
    # To look is a smaller risk than to change; a new device alone is not enough.
    assert other.edge.get(f"{ACCOUNT}/billing").status_code == 200
    assert shop.operator("owner").edge.get(f"{ACCOUNT}/billing").json()["email"] == "elsewhere@demo.example"


def test_a_password_that_was_just_changed_makes_even_looking_a_risk(stack: Stack, shop: Customer) -> None:
    one = next(person for person in shop.people if person["role"] == "owner")
    customer = shop.operator("owner").me["operator"]["customer_id"]
    assert customer == shop.customer_id
    name = f"Customer {one['email'].partition('-')[2].partition('@')[0]}"
    site = {"name": name.replace("Customer", "Site"), "origins": [stack.instance.base_url]}
    new = one | {"password": "a new password, just so"}
    demo.seed_customer(stack.instance, {"customer": {"name": name}, "site": site, "operators": [new]})

    at_home = Operator(shop.base_url, new["email"], new["password"])
    other = Stranger(shop.base_url, new["email"], new["password"])
    assert is_demanded(change_billing(at_home))
    for path in ("/billing", "/history"):
        assert at_home.edge.get(f"{ACCOUNT}{path}").status_code == 200
        assert is_demanded(other.edge.get(f"{ACCOUNT}{path}"))


def test_an_approved_document_opens_exactly_that_for_an_hour_and_is_gone(
    shop: Customer, reviewer: Staff, books: Books, mails: Mails
) -> None:
    person = stranger(shop)
    waiting = made(upload(person))
    assert (waiting["state"], is_demanded(change_billing(person))) == ("waiting", True)
    assert upload(person).json()["code"] == "verification-open"
    [listed] = [each for each in reviews(reviewer) if each["verification_id"] == waiting["verification_id"]]
    assert (listed["action"], listed["customer_id"]) == ("change-billing", shop.customer_id)
    shown = document(reviewer, waiting)
    assert opened(shown.content).size == (320, 200)
    assert "no-store" in shown.headers["Cache-Control"]
    assert shown.headers["Content-Security-Policy"].startswith("sandbox;")
    assert shown.headers["X-Content-Type-Options"] == "nosniff"

    decided = decide(reviewer, waiting)

    assert {each: decided["receipt"][each] for each in ("keys", "files", "chunks")} == {
        "keys": 0,
        "files": 0,
        "chunks": 0,
    }
    assert document(reviewer, waiting).status_code == 404
    assert change_billing(person).status_code == 200
    assert is_demanded(put(person, "contact", details("contact") | {"revision": 1}))
    assert is_demanded(change_billing(stranger(shop, "admin")))
    told = eventually(lambda: letters(mails, "identity-approved.", "") and said_to(mails, shop), timeout=30)
    assert told == 1
    which = {"_id": waiting["verification_id"]}
    books.age("identity_verifications", which, HOUR - timedelta(seconds=30), "granted_until")
    assert change_billing(person, "once-more@demo.example").status_code == 200
    books.age("identity_verifications", which, timedelta(seconds=31), "granted_until")
    assert is_demanded(change_billing(person, "too-late@demo.example"))


def reviews(reviewer: Staff) -> list[Any]:
    return list(made(reviewer.edge.get(REVIEWS), 200)["verifications"])


def said_to(mails: Mails, shop: Customer) -> int:
    owner = next(person["email"] for person in shop.people if person["role"] == "owner")
    return addresses(letters(mails, "identity-"))[owner]


def test_a_refusal_says_why_and_opens_nothing(shop: Customer, reviewer: Staff, mails: Mails) -> None:
    person = stranger(shop)
    decide(reviewer, made(upload(person)), "refused", "The picture cannot be read.")

    assert (own(person)["state"], own(person)["reason"]) == ("refused", "The picture cannot be read.")
    assert is_demanded(change_billing(person))
    eventually(lambda: said_to(mails, shop) == 1, timeout=30)
    again = made(upload(person))
    assert decide(reviewer, again)["state"] == "approved"
    other = {"decision": "refused", "reason": "On second thoughts."}
    changed = reviewer.edge.post(f"{REVIEWS}/{again['verification_id']}/decision", other)
    assert (changed.status_code, changed.json()["code"]) == (409, "already-decided")


def test_nobody_but_a_reviewer_ever_gets_a_document(
    shop: Customer, neighbour: Customer, staff: Callable[[str], Staff], reviewer: Staff
) -> None:
    person = stranger(shop)
    waiting = made(upload(person))
    paths = [REVIEWS, f"{REVIEWS}/{waiting['verification_id']}/document"]
    decision = {"decision": "approved", "reason": "Mine."}
    for role in ("support", "legal", "admin"):
        for path in paths:
            assert staff(role).edge.get(path).status_code == 403
        assert staff(role).edge.post(f"{REVIEWS}/{waiting['verification_id']}/decision", decision).status_code == 403
    for anybody in (person, shop.operator("owner"), neighbour.operator("owner"), shop.visitor()):
        for path in paths:
            assert anybody.edge.get(path).status_code == 401
        answer = anybody.edge.post(f"{REVIEWS}/{waiting['verification_id']}/decision", decision)
        assert answer.status_code == 401
    # What there is for its own operator tells of it, and is not it; and no other way leads to it.
    for edge in (person.edge, neighbour.operator("owner").edge):
        for path, methods in made(edge.get("/api/v1/openapi.json"), 200)["paths"].items():
            if "get" in methods and not path.startswith("/api/v1/staff"):
                answer = edge.get(path.replace("{", "").replace("}", ""))
                assert b"\xff\xd8\xff" not in answer.content, path
    assert waiting["verification_id"] not in neighbour.operator("owner").edge.get("/api/v1/identity").text
    assert shop.operator("operator").edge.get("/api/v1/identity").status_code == 403
    assert document(reviewer, waiting).status_code == 200
    decide(reviewer, waiting, "refused")


HIDDEN = b"<script>alert('hidden-9c2d')</script>"
BAD = {
    "nothing": b"\n",
    "a web page": b"<html><script>1</script></html>",
    "a drawing with scripts": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "a program": b"MZ" + bytes(1000),
    "another kind of picture": a_picture("GIF"),
    "a web page that begins as a picture": b"\xff\xd8\xff\xe0" + HIDDEN,
    "half a picture": a_picture()[:500],
    "a picture of nine hundred million pixels": a_png_that_claims(30_000, 30_000),
    "a locked PDF": a_pdf(password="secret"),
    "a book": a_pdf(40),
    "a PDF that is none": b"%PDF-1.7\n" + bytes(100_000),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_document_is_refused_whatever_it_calls_itself(shop: Customer, books: Books, name: str) -> None:
    person = stranger(shop)
    refused = upload(person, content=BAD[name], **{"Content-Disposition": 'attachment; filename="passport.jpg"'})

    assert (refused.status_code, refused.json()["code"]) == (422, "document-not-valid"), refused.text
    assert refused.json()["errors"][0]["field"] == "document"
    assert books.database["identity_verifications"].count_documents({"customer_id": shop.customer_id}) == 0


def test_it_has_to_come_as_a_file_of_ten_megabytes_at_most(shop: Customer) -> None:
    person = stranger(shop)
    form = {"files": {"document": ("passport.jpg", a_picture(size=(2000, 2000)), "image/jpeg")}}
    for kind in ("image/jpeg", "text/plain", "application/x-www-form-urlencoded"):
        assert upload(person, **{"Content-Type": kind}).status_code == 415
    for options in (form, {"json": {"document": "x"}}):
        path = f"{VERIFICATIONS}?action=change-billing"
        assert person.edge.call("POST", path, **options).status_code == 415
    assert upload(person, content=a_picture() + bytes(10 << 20)).status_code == 413
    assert upload(person, action="anything").status_code == 422
    evil = upload(person, Origin="https://evil.example")
    assert (evil.status_code, evil.json()["code"]) == (403, "cross-site")
    assert upload(shop.operator("operator")).status_code == 403
    assert requests.post(
        f"{shop.base_url}{VERIFICATIONS}?action=change-billing", data=b"x", timeout=10
    ).status_code in (
        401,
        415,
    )


HIDING = {
    "behind a picture": a_picture() + HIDDEN,
    "in the comment of a picture": a_picture(comment=HIDDEN),
    "in the script of a PDF": a_pdf(script="'hidden-9c2d'"),
    "behind a PDF": a_pdf() + HIDDEN,
}


@pytest.mark.parametrize("content", HIDING.values(), ids=HIDING)
def test_what_hides_in_a_document_is_not_in_what_the_reviewer_gets(
    shop: Customer, reviewer: Staff, content: bytes
) -> None:
    waiting = made(upload(stranger(shop), content=content))
    shown = document(reviewer, waiting)

    assert (shown.status_code, b"hidden-9c2d" in shown.content, b"/JavaScript" in shown.content) == (200, False, False)
    if shown.headers["Content-Type"] == "application/pdf":
        assert shown.headers["Content-Disposition"].startswith("attachment")
    decide(reviewer, waiting, "refused")


WORDS = f"words{uuid4().hex}"


def test_its_words_are_in_clear_in_no_database_queue_log_or_folder_at_any_time(
    stack: Stack, shop: Customer, reviewer: Staff, books: Books
) -> None:
    person = stranger(shop)
    content = a_pdf(words=WORDS.encode() * 40_000)
    half = len(content) // 2
    with Watch(stack) as watch, Slow(person, content) as slow:
        # Three quarters of it are with us, and the gateway waits for the rest.
        slow.send(content[: half + half // 2])
        eventually(lambda: slow.is_read, timeout=20)
        assert watch.look() == []
        slow.send(content[half + half // 2 :])
        waiting = slow.answer()
        assert watch.look() == []
        assert Traces(stack.instance).of(WORDS) == []
        shown = document(reviewer, waiting).content
        assert WORDS.encode() in shown
        sealed = sealed_parts(books, waiting)
        assert in_databases(stack, sealed)

        decide(reviewer, waiting)

        assert watch.look() == []
    assert Traces(stack.instance).of(WORDS) == []
    assert not in_databases(stack, sealed)
    assert files_with(stack.instance.root) == []


class Slow:
    """Uploads as slowly as it is told to, over a connection of its own."""

    def __init__(self, person: Operator, content: bytes) -> None:
        where = urlsplit(person.edge.base_url)
        self._socket = socket.create_connection((where.hostname or "", where.port or 80))
        cookies = "; ".join(f"{each.name}={each.value}" for each in person.edge._session.cookies)
        head = [
            f"POST {VERIFICATIONS}?action=change-billing HTTP/1.1",
            f"Host: {where.netloc}",
            f"Origin: {person.edge.base_url}",
            f"Cookie: {cookies}",
            "Content-Type: application/octet-stream",
            f"Content-Length: {len(content)}",
            "Connection: close",
        ]
        self._person = person
        self._socket.sendall("\r\n".join([*head, "", ""]).encode())

    def __enter__(self) -> "Slow":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, content: bytes) -> None:
        self._socket.sendall(content)

    @property
    def is_read(self) -> bool:
        """Whether everything that was sent has left for the other side."""
        mine = self._socket.getsockname()[1]
        table = Path("/proc/net/tcp").read_text().splitlines() + Path("/proc/net/tcp6").read_text().splitlines()
        rows = [line.split() for line in table[1:] if f":{mine:04X}" in line]
        # Bytes that wait to be sent here, and to be read there.
        return bool(rows) and all(row[4] == "00000000:00000000" for row in rows if len(row) > 4)

    def answer(self) -> Any:
        received = b"".join(iter(lambda: self._socket.recv(65536), b""))
        assert received.startswith(b"HTTP/1.1 201"), received[:2000]
        return own(self._person)


class Watch:
    """Looks for the words in every file that a process of ours has open, deleted or not, and in temporary folders.

    It looks when it is told to, and all the time in between.
    """

    def __init__(self, stack: Stack) -> None:
        self._root = stack.instance.root
        self._supervisor = psutil.Process(stack.supervisor.pid_of("gateway")).parent()
        self._found: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            self._found |= set(self._open_files())

    def look(self) -> list[str]:
        """Every file in which they were seen so far."""
        temporary = files_with(self._root / "tmp") + files_with(Path("/dev/shm"))
        temporary += [str(path) for path in Path("/tmp").glob("*") if _holds(path, WORDS.encode())]
        return sorted({*self._found, *self._open_files(), *temporary})

    def _open_files(self) -> Iterator[str]:
        assert self._supervisor is not None
        ours = [each for each in self._supervisor.children(recursive=True) if "python" in each.name()]
        for process in ours:
            for path in Path(f"/proc/{process.pid}/fd").glob("*"):
                if _holds(path, WORDS.encode()):
                    yield f"{process.pid}: {os.readlink(path)}"


def files_with(folder: Path) -> list[str]:
    """The files below ``folder`` in which the words are."""
    return [str(path) for path in folder.rglob("*") if _holds(path, WORDS.encode())]


def _holds(path: Path, words: bytes) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            before = b""
            while piece := file.read(1 << 20):
                if words in before + piece:
                    return True
                before = piece[-len(words) :]
    except OSError:
        # It is gone, or nobody's to read.
        return False
    return False


def sealed_parts(books: Books, verification: Any) -> list[bytes]:
    """Some bytes of the sealed document and of its wrapped key, as they are kept."""
    which = verification["verification_id"]
    key = books.database["identity_keys"].find_one({"_id": which})
    chunks = list(books.database["identity_documents.chunks"].find({"files_id": which}))
    assert key
    assert chunks
    return [key["wrapped"], *(chunk["data"][100:200] for chunk in chunks)]


def in_databases(stack: Stack, parts: list[bytes]) -> bool:
    with Traces(stack.instance).databases() as client:
        return any(
            part in document.raw
            for collection in client["accounts"].list_collection_names()
            for document in client["accounts"][collection].find({})
            for part in parts
        )


def test_after_seven_days_it_is_destroyed_unseen(shop: Customer, reviewer: Staff, books: Books, mails: Mails) -> None:
    person = stranger(shop)
    waiting = made(upload(person))
    sealed = sealed_parts(books, waiting)
    books.age("identity_verifications", {"_id": waiting["verification_id"]}, WEEK, "uploaded_at")

    assert document(reviewer, waiting).status_code == 404
    eventually(lambda: own(person)["receipt"], timeout=30)
    assert own(person)["state"] == "expired"
    assert sealed
    eventually(lambda: said_to(mails, shop) == 1, timeout=30)
    late = reviewer.edge.post(
        f"{REVIEWS}/{waiting['verification_id']}/decision", {"decision": "approved", "reason": "x"}
    )
    assert (late.status_code, is_demanded(change_billing(person))) == (409, True)


def test_a_worker_that_is_killed_again_and_again_destroys_all_of_them(
    stack: Stack, shop: Customer, books: Books
) -> None:
    person = stranger(shop)
    actions = ["view-billing", "change-contact", "change-billing", "transfer-ownership", "relax-identity"]
    for action in actions:
        made(upload(person, action))
    books.age("identity_verifications", {"customer_id": shop.customer_id}, WEEK, "uploaded_at")
    for _ in range(4):
        os.killpg(eventually(lambda: stack.supervisor.pid_of("accounts-worker"), timeout=30), signal.SIGKILL)

    eventually(lambda: all(own(person, action)["receipt"] for action in actions), timeout=90)
    for name in ("identity_keys", "identity_documents.files", "identity_documents.chunks"):
        ids = [each["verification_id"] for each in person.edge.get("/api/v1/identity").json()["verifications"]]
        field = "files_id" if name.endswith("chunks") else "_id"
        assert books.database[name].count_documents({field: {"$in": ids}}) == 0


def test_the_ownership_is_handed_on_to_a_colleague_and_only_by_who_shows_a_document(
    shop: Customer, neighbour: Customer, reviewer: Staff
) -> None:
    owner, heir = shop.operator("owner"), next(each for each in shop.people if each["role"] == "admin")
    assert is_demanded(owner.edge.post("/api/v1/ownership", {"email": heir["email"]}))
    assert shop.operator("admin").edge.post("/api/v1/ownership", {"email": heir["email"]}).status_code == 403
    decide(reviewer, made(upload(owner, "transfer-ownership")))
    for email in (neighbour.people[0]["email"], "nobody@example.org"):
        assert owner.edge.post("/api/v1/ownership", {"email": email}).status_code == 404

    assert made(owner.edge.post("/api/v1/ownership", {"email": heir["email"]}))["role"] == "owner"

    assert shop.operator("admin").me["operator"]["role"] == "owner"
    assert shop.operator("owner").me["operator"]["role"] == "admin"
    assert owner.edge.post("/api/v1/ownership", {"email": heir["email"]}).status_code == 403


def test_always_is_the_customers_to_choose_and_takes_a_document_to_undo(shop: Customer, reviewer: Staff) -> None:
    owner = shop.operator("owner")
    path = "/api/v1/identity/strictness"
    assert shop.operator("admin").edge.call("PUT", path, {"strictness": "always"}).status_code == 403
    made(owner.edge.call("PUT", path, {"strictness": "always"}), 200)

    assert is_demanded(change_billing(owner))
    assert is_demanded(owner.edge.get(f"{ACCOUNT}/billing"))
    assert is_demanded(owner.edge.call("PUT", path, {"strictness": "high-risk"}))
    decide(reviewer, made(upload(owner, "relax-identity")))
    made(owner.edge.call("PUT", path, {"strictness": "high-risk"}), 200)
    assert change_billing(stranger(shop)).status_code == 200


def test_the_console_leads_to_the_upload_and_the_desk_to_the_decision(
    browser: Browser, stack: Stack, shop: Customer, demo_site: dict[str, Any], tmp_path: Path
) -> None:
    one = next(person for person in shop.people if person["role"] == "owner")
    console, desk = browser.new_context(user_agent=ELSEWHERE).new_page(), browser.new_context().new_page()
    screens.sign_in(console, f"{stack.instance.base_url}/console#/account", one)
    console.get_by_test_id("billing-email").fill("by-hand@demo.example")
    console.get_by_test_id("save-billing").click()
    needed = console.locator('[data-testid="identity-needed"][data-action="change-billing"]')
    expect(needed).to_have_attribute("data-state", "none")
    (tmp_path / "id.png").write_bytes(a_picture("PNG"))
    needed.get_by_test_id("identity-file").set_input_files(tmp_path / "id.png")
    needed.get_by_test_id("identity-upload").click()
    expect(needed).to_have_attribute("data-state", "waiting")
    shot(console, "identity-upload")

    [reviewer] = [each for each in demo_site["staff"] if each["role"] == "reviewer"]
    screens.sign_in(desk, f"{stack.instance.base_url}/desk#/identity", reviewer)
    review = desk.get_by_test_id("review").filter(has_text=one["email"])
    review.get_by_test_id("show-document").click()
    picture = review.get_by_test_id("document")
    eventually(lambda: picture.evaluate("image => image.naturalWidth") == 320)
    shot(desk, "staff-identity")
    review.get_by_test_id("reason").fill("It is her.")
    review.get_by_test_id("approve").click()
    expect(review).to_have_count(0)
    expect(desk.get_by_test_id("decided-review").first).to_have_attribute("data-state", "approved")

    needed.get_by_test_id("identity-go-on").click(timeout=20_000)
    console.get_by_test_id("save-billing").click()
    expect(console.get_by_test_id("billing-saved")).to_contain_text("Saved")
    assert Edge(shop.base_url).get(f"{ACCOUNT}/billing").status_code == 401
    assert shop.operator("owner").edge.get(f"{ACCOUNT}/billing").json()["email"] == "by-hand@demo.example"
    for page in (console, desk):
        page.context.close()
