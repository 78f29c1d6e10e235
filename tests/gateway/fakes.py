"""Stand-ins for what the gateway talks to, kept as simple as the answers it needs."""

import base64
from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from typing import Any

import msgspec

from chassis.auth import Caller, TokenVerifier
from chassis.clock import now
from chassis.http import RemoteProblem
from chassis.testing import RecordingBus
from contracts.payload import Command, Event
from services.gateway import frames
from services.gateway.captures import Choices
from services.gateway.clients import (
    Confirmation,
    ConversationState,
    Credential,
    History,
    NewCookie,
    Operator,
    Policy,
    PolicyVersion,
    SignIn,
    Site,
    StaffCredential,
    StaffSignIn,
    StoredMessage,
    Visit,
    Visitor,
)
from services.gateway.fanout import Fanout

NOT_FOUND = RemoteProblem(404, {"code": "not-found", "detail": "No."})


def settled() -> "Future[None]":
    future: Future[None] = Future()
    future.set_result(None)
    return future


class FakeListener:
    """Remembers who is bound; says yes at once unless ``is_up`` is taken away."""

    def __init__(self) -> None:
        self.bound: list[str] = []
        self.is_up = True

    def bind(self, customer_id: str) -> "Future[None]":
        self.bound.append(customer_id)
        return settled() if self.is_up else Future()

    def unbind(self, customer_id: str) -> None:
        self.bound.remove(customer_id)


class AnsweringBus(RecordingBus):
    """A bus with a relay at its other end: each command is answered by the event that ``answer`` makes of it."""

    def __init__(self, answer: Callable[[Any], Event | None] | None = None) -> None:
        super().__init__()
        self.answer = answer
        self.fanout: Fanout | None = None

    def send(self, command: Command, *, queue: str, correlation_id: str | None = None) -> "Future[None]":
        sending = super().send(command, queue=queue, correlation_id=correlation_id)
        event = self.answer(command) if self.answer and self.failure is None else None
        if event is not None and self.fanout is not None:
            self.fanout.hear(event)
        return sending


SOME_CHOICES = Choices(ip_capture="truncated", has_browser=True, has_language=True, page_capture="full", has_trail=True)


def a_site(**changes: Any) -> Site:
    values: dict[str, Any] = {
        "site_id": "site-1",
        "customer_id": "customer-1",
        "site_key": "key-1",
        "name": "Shop",
        "origins": ["https://shop.example"],
        "texts": {"greeting": "Hello"},
        "theme": {"color": "#123456"},
        "choices": SOME_CHOICES,
    }
    return Site(**(values | changes))


class FakeAccounts:
    def __init__(self) -> None:
        self.sites_by_key = {"key-1": a_site()}
        self.credentials: dict[str, Credential] = {}
        self.signed_in: list[dict[str, Any]] = []
        self.signed_out: list[Caller] = []
        self.live = True
        self.is_distrustful = False
        self.forgotten: list[str] = []

    def add_operator(self, secret: str, kind: Any = "session", role: Any = "operator", **changes: Any) -> Credential:
        values: dict[str, Any] = {
            "kind": kind,
            "session_id": f"session-of-{secret}",
            "operator_id": "operator-1",
            "customer_id": "customer-1",
            "role": role,
            "name": "Olga",
            "scopes": ["conversations", "transcripts", "surveys"],
            "expires_at": now() + timedelta(days=1000),
        }
        self.credentials[secret] = Credential(**(values | changes))
        return self.credentials[secret]

    def sign_in(self, **asked: Any) -> SignIn:
        if self.is_distrustful:
            raise RemoteProblem(401, {"code": "not-authenticated"})
        if asked["password"] != "right":
            raise RemoteProblem(401, {"code": "wrong-credentials"})
        self.signed_in.append(asked)
        person = Operator(
            operator_id="operator-1", customer_id="customer-1", name="Olga", email=asked["email"], role="operator"
        )
        return SignIn(token="secret-session", session_id="session-1", expires_at=now(), operator=person)

    def introspect(self, token: str) -> Credential | None:
        return self.credentials.get(token)

    def forget_session(self, session_id: str) -> None:
        self.forgotten.append(session_id)

    def current(self, caller: Caller) -> Credential | None:
        """That of the credential under whose id the caller comes; for who has none here, a session like any other."""
        known = {one.session_id: one for one in self.credentials.values()}
        return known.get(caller.session_id or "", a_session(caller)) if self.live else None

    def sign_out(self, caller: Caller) -> None:
        self.signed_out.append(caller)

    def operator(self, caller: Caller) -> Any:
        return {
            "operator_id": caller.subject,
            "customer_id": caller.customer_id,
            "name": caller.name,
            "email": "olga@shop.example",
            "role": caller.role,
        }

    def create_token(self, caller: Caller, body: dict[str, Any]) -> Any:
        return body | {"token_id": "token-1", "token": "secret-token"}

    def tokens(self, caller: Caller) -> Any:
        return {"tokens": []}

    def revoke_token(self, caller: Caller, token_id: str) -> None:
        if token_id != "token-1":
            raise NOT_FOUND

    def site(self, site_key: str) -> Site | None:
        return self.sites_by_key.get(site_key)

    def add_site(self, caller: Caller, body: dict[str, Any]) -> Any:
        asked = dict(body)
        choices = msgspec.structs.replace(SOME_CHOICES, ip_capture=asked.pop("ip_capture"))
        made = a_site(site_id="site-2", site_key="key-2", choices=choices, **asked)
        self.sites_by_key[made.site_key] = made
        return shown(made)

    def sites(self, caller: Caller) -> Any:
        mine = [site for site in self.sites_by_key.values() if site.customer_id == caller.customer_id]
        return {"sites": [shown(site) for site in mine]}

    def choose(self, caller: Caller, site_id: str, body: dict[str, Any]) -> Any:
        for key, site in self.sites_by_key.items():
            if (site.customer_id, site.site_id) == (caller.customer_id, site_id):
                self.sites_by_key[key] = msgspec.structs.replace(site, choices=msgspec.convert(body, Choices))
                return shown(self.sites_by_key[key])
        raise NOT_FOUND


def a_session(caller: Caller) -> Credential:
    return Credential(
        kind="session",
        session_id=caller.session_id or "",
        operator_id=caller.subject or "",
        customer_id=caller.customer_id or "",
        role=caller.role,
    )


def shown(site: Site) -> Any:
    """A site as accounts tells of it."""
    choices = site.choices
    told = {"ip_capture": choices.ip_capture, "cookies": {"enabled": choices.has_cookies}}
    return msgspec.to_builtins(site) | told


class FakeAccount:
    """Remembers what it was asked, by whom; answers with ``answer``, or raises ``refusal``."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Caller, Any]] = []
        self.answer: Any = None
        self.refusal: RemoteProblem | None = None

    def state(self, caller: Caller) -> Any:
        return self._answer("state", caller)

    def part(self, caller: Caller, part: str) -> Any:
        return self._answer(part, caller)

    def change(self, caller: Caller, part: str, body: dict[str, Any]) -> Any:
        return self._answer(f"change {part}", caller, body)

    def confirm(self, caller: Caller, body: dict[str, Any]) -> Any:
        return self._answer("confirm", caller, body)

    def history(self, caller: Caller, params: dict[str, Any]) -> Any:
        return self._answer("history", caller, params)

    def _answer(self, what: str, caller: Caller, body: Any = None) -> Any:
        self.asked.append((what, caller, body))
        if self.refusal:
            raise self.refusal
        return self.answer


class FakeIdentity(FakeAccount):
    """The same, for identity documents."""

    def upload(self, caller: Caller, action: str, content: bytes) -> Any:
        return self._answer(action, caller, content)

    def set_strictness(self, caller: Caller, body: dict[str, Any]) -> Any:
        return self._answer("strictness", caller, body)

    def transfer_ownership(self, caller: Caller, body: dict[str, Any]) -> Any:
        return self._answer("ownership", caller, body)

    def verifications(self, caller: Caller) -> Any:
        return self._answer("verifications", caller)

    def document(self, caller: Caller, verification_id: str) -> Any:
        return self._answer(verification_id, caller)

    def decide(self, caller: Caller, verification_id: str, body: dict[str, Any]) -> Any:
        return self._answer(verification_id, caller, body)


class FakePolicy:
    """Version 3 is in force, until somebody says otherwise; what is known of it is as old as the last question."""

    def __init__(self) -> None:
        self.in_force = "3"
        self.saved: list[tuple[Caller, Any]] = []
        self._known = self._now()

    def _now(self) -> Policy:
        return Policy(
            in_force=PolicyVersion(version=self.in_force, effective_at="2026-01-01T00:00:00Z", text="We promise.")
        )

    def refresh(self) -> Policy:
        self._known = self._now()
        return self._known

    def recent(self) -> Policy:
        return self._known

    def version_in_force(self) -> str:
        return self._known.in_force.version

    def versions(self) -> Any:
        return {"versions": [self._version(state="in-force") for _ in range(1)]}

    def version(self, version: str) -> Any:
        if version != self.in_force:
            raise NOT_FOUND
        return self._version(state="in-force", text="# We *promise*.\n\n<script>alert(1)</script>")

    def draft(self, caller: Caller) -> Any:
        raise NOT_FOUND

    def save_draft(self, caller: Caller, body: dict[str, Any]) -> Any:
        self.saved.append((caller, body))
        return {"draft_id": "draft-1", "revision": 1, "saved_at": now(), **body}

    def drop_draft(self, caller: Caller, params: dict[str, Any]) -> None:
        self.saved.append((caller, params))

    def post(self, caller: Caller, body: dict[str, Any]) -> Any:
        self.saved.append((caller, body))
        return self._version(version="4", text="More.")

    def notices(self, caller: Caller, version: str) -> Any:
        return {"version": version, "notices": []}

    def _version(self, **changes: Any) -> dict[str, Any]:
        values = {
            "version": self.in_force,
            "effective_at": "2026-01-16T00:00:00Z",
            "posted_at": "2026-01-01T00:00:00Z",
            "summary": "Less.",
        }
        return values | changes


class FakeStaff:
    """Knows who is signed in by the secrets in ``credentials``."""

    def __init__(self) -> None:
        self.credentials: dict[str, StaffCredential] = {}
        self.signed_out: list[Caller] = []

    def add(self, secret: str, role: Any = "staff-legal") -> StaffCredential:
        self.credentials[secret] = StaffCredential(
            session_id=f"session-of-{secret}",
            staff_id="staff-1",
            role=role,
            name="Lea",
            email="lea@velaro.example",
            expires_at=now(),
        )
        return self.credentials[secret]

    def sign_in(self, **asked: str) -> StaffSignIn:
        if asked["password"] != "right":
            raise RemoteProblem(401, {"code": "wrong-credentials"})
        made = self.add("staff-secret")
        return StaffSignIn(token="staff-secret", **msgspec.structs.asdict(made))

    def introspect(self, token: str) -> StaffCredential | None:
        return self.credentials.get(token)

    def sign_out(self, caller: Caller) -> None:
        self.signed_out.append(caller)


class FakeInquiries:
    """Remembers what was asked; ``links`` are those that were mailed."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.links: dict[str, Confirmation] = {}
        self.done: list[str] = []

    def ask(self, body: dict[str, Any]) -> int:
        self.asked.append(body)
        return 1001

    def inquiries(self, caller: Caller, params: dict[str, Any]) -> Any:
        return {"inquiries": [], "next": None}

    def inquiry(self, caller: Caller, inquiry_id: str) -> Any:
        raise NOT_FOUND

    def answer(self, caller: Caller, inquiry_id: str, body: dict[str, Any]) -> Any:
        raise NOT_FOUND

    def close(self, caller: Caller, inquiry_id: str) -> Any:
        raise NOT_FOUND

    def confirmation(self, token: str) -> Confirmation | None:
        return self.links.get(token)

    def set_done(self, token: str, erasures: list[str]) -> Confirmation:
        self.done.append(token)
        self.links[token] = msgspec.structs.replace(self.links[token], is_done=True, erasures=erasures)
        return self.links[token]


class FakeAudit:
    """Remembers what was noted; with ``failure`` set, notes nothing."""

    def __init__(self) -> None:
        self.noted: list[dict[str, Any]] = []
        self.failure: Exception | None = None

    def note(self, caller: Caller, **told: Any) -> None:
        if self.failure is not None:
            raise self.failure
        self.noted.append({"by": caller.subject, "role": caller.role, **told})

    def entries(self, caller: Caller, params: dict[str, Any]) -> Any:
        return {"entries": [], "next": None}

    def head(self, caller: Caller) -> Any:
        return {"head": None}

    def sign_head(self, caller: Caller) -> Any:
        return {"head": None}


class FakeDisclosures:
    """Knows a bundle of three parts, and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Caller, Any]] = []

    def told(self, caller: Caller, params: dict[str, Any]) -> Any:
        self.asked.append(("told", caller, params))
        return {"disclosures": [], "next": None}

    def register(self, caller: Caller, params: dict[str, Any]) -> Any:
        self.asked.append(("register", caller, params))
        return {"disclosures": [], "next": None}

    def part(self, caller: Caller, disclosure_id: str, number: int) -> Any:
        if disclosure_id != "disclosure-1":
            raise NOT_FOUND
        self.asked.append(("part", caller, number))
        data = base64.b64encode(f"part {number};".encode()).decode()
        return {"data": data, "parts": 3, "size": 21, "sha256": ""}

    def __getattr__(self, name: str) -> Any:
        def refused(caller: Caller, *of: Any) -> Any:
            self.asked.append((name, caller, of))
            raise NOT_FOUND

        return refused


class FakeChat:
    def __init__(self, verifier: TokenVerifier | None = None) -> None:
        self.verifier = verifier
        self.admitted: set[str] = set()
        self.visits: list[tuple[Caller, dict[str, Any]]] = []
        self.visitors: dict[str, Visitor] = {}
        self.conversations_by_id: dict[str, dict[str, Any]] = {}
        self.logs: dict[str, list[StoredMessage]] = {}
        self.asked_after: list[int] = []
        self.forgotten: list[str] = []
        self.erasures: dict[str, dict[str, Any]] = {}
        self.failure: Exception | None = None
        self.online = True
        self.left: list[Caller] = []
        self.cookies: dict[str, str] = {}
        self.consents: list[tuple[Caller, dict[str, Any]]] = []
        self.withdrawals: list[tuple[Caller, dict[str, Any]]] = []
        self.invited: list[int] = []

    def is_online(self, caller: Caller) -> bool:
        self._fail()
        return self.online

    def leave(self, caller: Caller) -> None:
        self._fail()
        self.left.append(caller)

    def add_visitor(self, token: str, visitor_id: str = "visitor-1", customer_id: str = "customer-1") -> Visitor:
        self.visitors[token] = Visitor(
            visitor_id=visitor_id, visit_id="visit-1", customer_id=customer_id, site_id="site-1", name="Visitor 1"
        )
        return self.visitors[token]

    def add_conversation(self, conversation_id: str = "c-1", *, said: int = 0, **changes: Any) -> dict[str, Any]:
        values = {
            "conversation_id": conversation_id,
            "customer_id": "customer-1",
            "site_id": "site-1",
            "visitor_id": "visitor-1",
            "visitor_name": "Visitor 1",
            "status": "queued",
            "operator": None,
            "position": 1,
            "opened_at": "2026-01-01T00:00:00Z",
            "closed_at": None,
            "department": None,
            "is_sealed": False,
        }
        self.conversations_by_id[conversation_id] = values | changes
        self.logs[conversation_id] = [a_message(seq) for seq in range(1, said + 1)]
        return self.conversations_by_id[conversation_id]

    def begin_visit(self, caller: Caller, body: dict[str, Any]) -> Visit:
        self.visits.append((caller, body))
        is_known = body.get("visitor_token") in self.visitors
        behind = self.cookies.get(body.get("cookie_secret", ""))
        return Visit(
            visitor_id="visitor-1",
            visit_id="visit-1",
            visitor_token=None if is_known else behind or "new-token",
            is_known=is_known or behind is not None,
        )

    def give_consent(self, caller: Caller, body: dict[str, Any]) -> NewCookie:
        self.consents.append((caller, body))
        self.cookies["new-secret"] = body["visitor_token"]
        return NewCookie(secret="new-secret", expires_at=now() + timedelta(days=body["lasts_days"]))

    def withdraw_consent(self, caller: Caller, body: dict[str, Any]) -> None:
        self.withdrawals.append((caller, body))
        self.cookies.pop(body["secret"], None)

    def invite(self, caller: Caller, every_hours: int) -> bool:
        self.invited.append(every_hours)
        return len(self.invited) == 1

    def visit(self, caller: Caller, conversation_id: str) -> Any:
        self.conversation(caller, conversation_id)
        return {"captured": {"ip": "203.0.113.0"}, "trail": [{"url": "https://shop.example/a", "title": "A"}]}

    def erasure_known(self, customer_id: str, erasure_id: str) -> Any:
        return next((each for each in self.erasures.values() if each["erasure_id"] == erasure_id), None)

    def introspect(self, token: str) -> Visitor | None:
        return self.visitors.get(token)

    def forget_visitor(self, visitor_id: str) -> None:
        self.forgotten.append(visitor_id)

    def own_data(self, caller: Caller) -> Any:
        return {
            "visitor": {"visitor_id": caller.subject, "name": caller.name, "created_at": "2026-01-01T00:00:00Z"},
            "visits": [],
            "consents": [],
            "captures": {one: {"user_agent": "Firefox"} for one in self.conversations_by_id},
        }

    def ask_erasure(self, caller: Caller, reason: str) -> Any:
        [token] = [token for token, visitor in self.visitors.items() if visitor.visitor_id == caller.subject]
        del self.visitors[token]
        self.erasures[token] = {
            "erasure_id": "erasure-1",
            "reason": reason,
            "status": "running",
            "requested_at": "2026-01-01T00:00:00Z",
            "completed_at": None,
            "removed": {},
            "certificate": "",
        }
        return self.erasures[token]

    def erasure(self, token: str) -> Any:
        return self.erasures.get(token)

    def erased_counts(self, caller: Caller, *, before: str | None, limit: int) -> Any:
        return {"days": [{"day": "2026-01-01", "reason": "minor", "visitors": 1, "conversations": limit}]}

    def conversations(self, caller: Caller, *, status: Any = None, after: Any = None, limit: Any = None) -> Any:
        self._fail()
        found = [one for one in self.conversations_by_id.values() if self._may_see(caller, one)]
        return {
            "conversations": [self._with_last(one) for one in found if status in (None, one["status"])],
            "next": None,
        }

    def conversation(self, caller: Caller, conversation_id: str) -> Any:
        self._fail()
        found = self.conversations_by_id.get(conversation_id)
        if found is None or not self._may_see(caller, found):
            raise NOT_FOUND
        return self._with_last(found)

    def state(self, caller: Caller, conversation_id: str) -> ConversationState | None:
        try:
            return msgspec.convert(self.conversation(caller, conversation_id), ConversationState)
        except RemoteProblem:
            return None

    def queued(self, customer_id: str) -> list[ConversationState]:
        caller = Caller(service="gateway", role="service", customer_id=customer_id)
        return msgspec.convert(self.conversations(caller, status="queued")["conversations"], list[ConversationState])

    def admit(self, ticket: str) -> list[frames.Standing] | None:
        self._fail()
        assert self.verifier is not None
        read = self.verifier.verify_ticket(ticket)
        if read.ticket_id in self.admitted:
            return None
        self.admitted.add(read.ticket_id)
        mine = [one for one in self.conversations_by_id.values() if _takes_part(read.caller, one)]
        return msgspec.convert([self._with_last(one) for one in mine], list[frames.Standing])

    def messages(self, caller: Caller, conversation_id: str, *, after: int, limit: int) -> History:
        self.conversation(caller, conversation_id)
        self.asked_after.append(after)
        one, said = self.conversations_by_id[conversation_id], self.logs[conversation_id]
        if one["is_sealed"]:
            return History(messages=[], last_seq=len(said), status="closed", is_sealed=True)
        return History(messages=said[after : after + limit], last_seq=len(said), status=one["status"])

    def _may_see(self, caller: Caller, one: dict[str, Any]) -> bool:
        is_own = caller.role != "visitor" or one["visitor_id"] == caller.subject
        return one["customer_id"] == caller.customer_id and is_own

    def _with_last(self, one: dict[str, Any]) -> dict[str, Any]:
        return one | {"last_seq": len(self.logs[one["conversation_id"]])}

    def _fail(self) -> None:
        if self.failure:
            raise self.failure


def _takes_part(caller: Caller, one: dict[str, Any]) -> bool:
    if caller.role == "visitor":
        return bool(one["visitor_id"] == caller.subject)
    return one["status"] == "active" and one["operator"]["id"] == caller.subject


class FakeTranscripts:
    def __init__(self) -> None:
        self.by_id: dict[str, dict[str, Any]] = {}
        self.asked: list[dict[str, Any]] = []

    def add(self, transcript_id: str = "t-1", **changes: Any) -> None:
        self.by_id[transcript_id] = {
            "transcript_id": transcript_id,
            "customer_id": "customer-1",
            "site_id": "site-1",
            "visitor_id": "visitor-1",
            "visitor_name": "<b>Vera</b>",
            "operators": ["Olga"],
            "messages": [msgspec.to_builtins(a_message(1, text="<script>alert(1)</script>"))],
            "captured": {"ip": "192.0.2.0", "browser": "Firefox", "os": "Linux"},
            "trail": [{"url": "https://shop.example/<a>", "title": "<i>A</i>", "seen_at": "2026-01-01T00:00:00Z"}],
            "responses": [],
            "acknowledged_policy_version": "3",
            "last_seq": 1,
        } | changes

    def transcripts(self, caller: Caller, params: dict[str, Any]) -> Any:
        self.asked.append(params)
        return {"transcripts": [one for one in self.by_id.values() if one["customer_id"] == caller.customer_id]}

    def transcript(self, caller: Caller, transcript_id: str) -> Any:
        found = self.by_id.get(transcript_id)
        if found is None or found["customer_id"] != caller.customer_id:
            raise NOT_FOUND
        return found

    def messages(self, caller: Caller, transcript_id: str, *, after: int, limit: int) -> History:
        found = self.transcript(caller, transcript_id)
        said = msgspec.convert(found["messages"], list[StoredMessage])
        return History(messages=said[after : after + limit], last_seq=len(said), status="closed")


class FakeSurveys:
    def __init__(self) -> None:
        self.surveys: dict[tuple[str, str], Any] = {}
        self.drafts: dict[tuple[str, str], Any] = {}
        self.recorded: list[dict[str, Any]] = []
        self.answered: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.refusal: RemoteProblem | None = None
        self.by_address: dict[str, list[str]] = {}

    def visitors_of_address(self, customer_id: str, email: str) -> list[str]:
        return self.by_address.get(email, [])

    def survey(self, caller: Caller, site_id: str, placement: str) -> Any:
        return self.surveys.get((site_id, placement))

    recent_survey = survey

    def publish(self, caller: Caller, site_id: str, placement: str, questions: list[dict[str, Any]]) -> Any:
        survey = {"survey_id": "survey-1", "version": 2, "placement": placement, "questions": questions}
        self.surveys[site_id, placement] = survey
        return survey

    def versions(self, caller: Caller, site_id: str, placement: str, params: dict[str, Any]) -> Any:
        one = {"version": 2, "published_at": "2026-01-01T00:00:00Z", "question_count": 1}
        return {"versions": [one], "has_earlier": False}

    def version(self, caller: Caller, site_id: str, placement: str, number: int) -> Any:
        if number != 2 or (site_id, placement) not in self.surveys:
            raise NOT_FOUND
        return self.surveys[site_id, placement]

    def draft(self, caller: Caller, site_id: str, placement: str) -> Any:
        if (site_id, placement) not in self.drafts:
            raise NOT_FOUND
        return self.drafts[site_id, placement]

    def save_draft(self, caller: Caller, site_id: str, placement: str, questions: list[dict[str, Any]]) -> Any:
        self.drafts[site_id, placement] = {"saved_at": "2026-01-01T00:00:00Z", "questions": questions}
        return self.drafts[site_id, placement]

    def drop_draft(self, caller: Caller, site_id: str, placement: str) -> None:
        self.drafts.pop((site_id, placement), None)

    def responses(self, caller: Caller, site_id: str, placement: str, params: dict[str, Any]) -> Any:
        self.asked.append(params)
        start = int(params.get("after") or 0)
        end = start + params["limit"]
        return {
            "responses": self.answered[start:end],
            "next": str(end) if end < len(self.answered) else None,
        }

    def report(self, caller: Caller, site_id: str, placement: str, params: dict[str, Any]) -> Any:
        self.asked.append(params)
        labels = {answer["question_id"]: answer["label"] for one in self.answered for answer in one["answers"]}
        return {
            "responses": len(self.answered),
            "questions": [
                {"question_id": key, "kind": "text", "label": label, "is_current": True, "answered": 1, "bars": []}
                for key, label in labels.items()
            ],
        }

    def service_report(self, caller: Caller) -> Any:
        return {"months": [{"month": "2026-03", "topic": "speed", "ratings": {"5": 20}}]}

    def own_responses(self, caller: Caller, *, after: str | None, limit: int) -> Any:
        return self.responses(caller, "", "", {"after": after, "limit": limit})

    def answers(self, customer_id: str, conversation_id: str) -> Any:
        answer = {"question_id": "q", "label": "Why?", "kind": "text", "value": f"because of {conversation_id}"}
        return [{"survey_id": "s", "survey_version": 1, "answers": [answer]}]

    def record(self, caller: Caller, body: dict[str, Any]) -> Any:
        if self.refusal:
            raise self.refusal
        self.recorded.append(body)
        return {"response_id": "response-1", "survey_version": 1} if body["answers"] else None


def a_message(seq: int, text: str = "", client_id: str = "") -> StoredMessage:
    return msgspec.convert(
        {
            "seq": seq,
            "message_id": f"m-{seq}",
            "client_id": client_id or f"client-{seq}",
            "sender": {"kind": "visitor", "id": "visitor-1", "name": "Visitor 1"},
            "text": text or f"text {seq}",
            "sent_at": now(),
        },
        StoredMessage,
    )
