"""What the gateway asks the other services, one class each; what they may answer for a short while is kept."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

import msgspec

from chassis.auth import Caller, Role
from chassis.http import RemoteProblem, ServiceClient, ServiceUnavailable
from contracts.chat import ErasureReason
from services.gateway import frames
from services.gateway.captures import Choices
from services.gateway.together import Together

Status = Literal["queued", "active", "closed", "erased"]
V = TypeVar("V")
T = TypeVar("T")

GATEWAY = Caller(service="gateway", role="service")
"""The gateway asking for itself, where nobody is known yet."""

REPORT_SECONDS = 25.0
DOCUMENT_SECONDS = 45.0
HISTORY_PAGE = 200
CONVERSATIONS_PAGE = 200
MOST_AT_ONCE = 100
LONGEST_TOKEN = 256


class Credential(msgspec.Struct, frozen=True):
    """What accounts knows of a session or an API token."""

    kind: Literal["session", "token"]
    session_id: str
    operator_id: str
    customer_id: str
    role: Role
    name: str = ""
    scopes: list[str] | None = None
    expires_at: str | None = None


class Operator(msgspec.Struct, frozen=True):
    """Somebody who works for a customer."""

    operator_id: str
    customer_id: str
    name: str
    email: str
    role: Role


class StaffCredential(msgspec.Struct, frozen=True):
    """What accounts knows of a session of staff."""

    session_id: str
    staff_id: str
    role: Role
    name: str
    email: str
    expires_at: datetime


class StaffSignIn(StaffCredential, frozen=True, kw_only=True):
    """A new session of staff; ``token`` is its secret."""

    token: str


class SignIn(msgspec.Struct, frozen=True):
    """A new session; ``token`` is its secret."""

    token: str
    session_id: str
    expires_at: datetime
    operator: Operator


class Visitor(msgspec.Struct, frozen=True):
    """What chat knows of a visitor's token."""

    visitor_id: str
    visit_id: str
    customer_id: str
    site_id: str
    name: str = ""


class Visit(msgspec.Struct, frozen=True):
    """A visit that was begun; the token is there for who did not bring it: a new visitor, or one with a cookie."""

    visitor_id: str
    visit_id: str
    visitor_token: str | None = None
    page_count: int = 1
    is_known: bool = False


class NewCookie(msgspec.Struct, frozen=True):
    """The secret of a visitor's cookie, and until when it is good."""

    secret: str
    expires_at: datetime


class Admission(msgspec.Struct, frozen=True):
    """Somebody whom a ticket admits."""

    standings: list[frames.Standing]


class Site(msgspec.Struct, frozen=True):
    """One website of a customer, and what its owner chose."""

    site_id: str
    customer_id: str
    site_key: str
    name: str = ""
    origins: list[str] = []
    departments: list[Any] = []
    texts: dict[str, Any] = {}
    theme: dict[str, Any] = {}
    choices: Choices = Choices()


class PolicyVersion(msgspec.Struct, frozen=True):
    """One version of the privacy policy."""

    version: str
    effective_at: str
    posted_at: str | None = None
    summary: str = ""
    text: str = ""


class Policy(msgspec.Struct, frozen=True):
    """The policy in force, and the one that will be."""

    in_force: PolicyVersion
    upcoming: PolicyVersion | None = None


class ConversationState(msgspec.Struct, frozen=True):
    """What the sockets need of chat's answer about a conversation."""

    conversation_id: str
    status: Status
    last_seq: int = 0
    operator: frames.Person | None = None
    position: int | None = None
    is_sealed: bool = False
    visitor_id: str = ""
    visitor_name: str = ""
    site_id: str = ""


class StoredMessage(msgspec.Struct, frozen=True):
    """A message with its place in the conversation."""

    seq: int
    message_id: str
    client_id: str
    sender: frames.Party
    text: str
    sent_at: datetime


class History(msgspec.Struct, frozen=True):
    """Messages in order, and how far the conversation has got."""

    messages: list[StoredMessage]
    last_seq: int
    status: Status
    is_sealed: bool = False


class Recent(Generic[V]):
    """Answers, for ``seconds``; the oldest go when there are more than ``size``."""

    def __init__(self, seconds: float, *, size: int = 10_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._size = size
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, V]] = OrderedDict()

    def get(self, key: str) -> V | None:
        """The answer, if it is recent."""
        expires_at, value = self._kept.get(key, (0.0, None))
        return value if self._clock() < expires_at else None

    def put(self, key: str, value: V) -> None:
        """Keep an answer, and none that is not recent any more: answers expire in the order in which they came."""
        now = self._clock()
        self._kept[key] = (now + self._seconds, value)
        self._kept.move_to_end(key)
        while len(self._kept) > self._size or next(iter(self._kept.values()))[0] < now:
            self._kept.popitem(last=False)

    def __len__(self) -> int:
        return len(self._kept)

    def drop(self, is_stale: Callable[[V], bool]) -> None:
        """Forget the answers that are known to be true no more."""
        for key in [key for key, (_, value) in self._kept.items() if is_stale(value)]:
            del self._kept[key]


def fingerprint(secret: str) -> str:
    """What a cache knows a secret by, so that it holds none."""
    return hashlib.blake2b(secret.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def found_or_none(ask: Callable[[], Any]) -> Any:
    """The answer, or None where the other service knows of no such thing."""
    try:
        return ask()
    except RemoteProblem as problem:
        if problem.status in {404, 422}:
            return None
        raise


class PolicyClient:
    """The privacy policy. Which version is in force is asked at intervals, and never on the way of a message."""

    def __init__(self, service: ServiceClient) -> None:
        self._service = service
        self._known: Policy | None = None

    def refresh(self) -> Policy:
        """The policy as it is now; what it is now is what is known from here on."""
        self._known = msgspec.convert(self._service.get("/internal/v1/policy", caller=GATEWAY), Policy)
        return self._known

    def recent(self) -> Policy:
        """The policy as it was when last asked."""
        return self._known or self.refresh()

    def version_in_force(self) -> str:
        """The version that visitors must have acknowledged."""
        return self.recent().in_force.version

    def versions(self) -> Any:
        return self._service.get("/internal/v1/policy/versions", caller=GATEWAY)

    def version(self, version: str) -> Any:
        return self._service.get(f"/internal/v1/policy/versions/{version}", caller=GATEWAY)

    def draft(self, caller: Caller) -> Any:
        return self._service.get("/internal/v1/policy/draft", caller=caller)

    def save_draft(self, caller: Caller, body: dict[str, Any]) -> Any:
        return self._service.put("/internal/v1/policy/draft", caller=caller, json=body)

    def drop_draft(self, caller: Caller, params: dict[str, Any]) -> None:
        self._service.delete("/internal/v1/policy/draft", caller=caller, params=params)

    def post(self, caller: Caller, body: dict[str, Any]) -> Any:
        return self._service.post("/internal/v1/policy/versions", caller=caller, json=body)

    def notices(self, caller: Caller, version: str) -> Any:
        return self._service.get(f"/internal/v1/policy/versions/{version}/notices", caller=caller)


class StaffClient:
    """Who of us is signed in."""

    def __init__(self, service: ServiceClient, *, introspection_cache: float) -> None:
        self._service = service
        self._credentials: Recent[StaffCredential] = Recent(introspection_cache)

    def sign_in(self, *, email: str, password: str, ip: str, user_agent: str) -> StaffSignIn:
        body = {"email": email, "password": password, "ip": ip, "user_agent": user_agent}
        made = self._service.post("/internal/v1/staff/sessions", caller=GATEWAY, json=body)
        return msgspec.convert(made, StaffSignIn)

    def introspect(self, token: str) -> StaffCredential | None:
        """Whose session this is; None if nobody's."""
        key = fingerprint(token)
        if known := self._credentials.get(key):
            return known
        asked = {"token": token}
        found = found_or_none(
            lambda: self._service.post("/internal/v1/staff/introspections", caller=GATEWAY, json=asked)
        )
        if found is None:
            return None
        credential = msgspec.convert(found, StaffCredential)
        self._credentials.put(key, credential)
        return credential

    def sign_out(self, caller: Caller) -> None:
        self._service.delete("/internal/v1/staff/sessions/current", caller=caller)
        self._credentials.drop(lambda credential: credential.session_id == caller.session_id)


class AuditClient:
    """What was done, as accounts keeps it."""

    def __init__(self, service: ServiceClient) -> None:
        self._service = service

    def note(
        self, caller: Caller, *, act_id: str, act: str, subject: dict[str, str], outcome: str | None = None
    ) -> None:
        """Note an act; what is noted already under this id is not noted again. Raises ``ServiceUnavailable``."""
        body = {"act_id": act_id, "act": act, "subject": subject, **({"outcome": outcome} if outcome else {})}
        try:
            self._service.post("/internal/v1/audit/acts", caller=caller, json=body)
        except ServiceUnavailable:
            # Once more, as with a question: under its id it counts once.
            self._service.post("/internal/v1/audit/acts", caller=caller, json=body)

    def entries(self, caller: Caller, params: dict[str, Any]) -> Any:
        return self._service.get("/internal/v1/audit/entries", caller=caller, params=params)

    def head(self, caller: Caller) -> Any:
        return self._service.get("/internal/v1/audit/head", caller=caller)

    def sign_head(self, caller: Caller) -> Any:
        return self._service.post("/internal/v1/audit/heads", caller=caller)


class DisclosuresClient:
    """What was disclosed, and how that was decided."""

    def __init__(self, service: ServiceClient) -> None:
        self._service = service

    def request(self, caller: Caller, body: dict[str, Any]) -> Any:
        return self._service.post("/internal/v1/disclosures", caller=caller, json=body)

    def register(self, caller: Caller, params: dict[str, Any]) -> Any:
        return self._service.get("/internal/v1/disclosures", caller=caller, params=params)

    def disclosure(self, caller: Caller, disclosure_id: str) -> Any:
        return self._service.get(f"/internal/v1/disclosures/{disclosure_id}", caller=caller)

    def decide(self, caller: Caller, disclosure_id: str, body: dict[str, Any]) -> Any:
        return self._service.post(f"/internal/v1/disclosures/{disclosure_id}/decision", caller=caller, json=body)

    def review(self, caller: Caller, disclosure_id: str, body: dict[str, Any]) -> Any:
        return self._service.post(f"/internal/v1/disclosures/{disclosure_id}/review", caller=caller, json=body)

    def part(self, caller: Caller, disclosure_id: str, number: int) -> Any:
        path = f"/internal/v1/disclosures/{disclosure_id}/bundle"
        return self._service.get(path, caller=caller, params={"part": number})

    def told(self, caller: Caller, params: dict[str, Any]) -> Any:
        return self._service.get("/internal/v1/told-disclosures", caller=caller, params=params)


class Confirmation(msgspec.Struct, frozen=True):
    """What a mailed link is for, and what came of it."""

    email: str
    wish: Literal["question", "copy", "erasure"]
    customer_id: str
    site_name: str
    is_done: bool = False
    erasures: list[str] = []


class InquiriesClient:
    """Questions to us."""

    def __init__(self, service: ServiceClient) -> None:
        self._service = service

    def ask(self, body: dict[str, Any]) -> int:
        """Take down what was sent with the form; its number."""
        return int(self._service.post("/internal/v1/inquiries", caller=GATEWAY, json=body)["number"])

    def confirmation(self, token: str) -> Confirmation | None:
        """What the link is for; None if it does not count."""
        asked = {"token": token}
        found = found_or_none(lambda: self._service.post("/internal/v1/confirmations", caller=GATEWAY, json=asked))
        return None if found is None else msgspec.convert(found, Confirmation)

    def set_done(self, token: str, erasures: list[str]) -> Confirmation:
        body = {"token": token, "erasures": erasures}
        done = self._service.post("/internal/v1/confirmations/done", caller=GATEWAY, json=body)
        return msgspec.convert(done, Confirmation)

    def inquiries(self, caller: Caller, params: dict[str, Any]) -> Any:
        return self._service.get("/internal/v1/staff/inquiries", caller=caller, params=params)

    def inquiry(self, caller: Caller, inquiry_id: str) -> Any:
        return self._service.get(f"/internal/v1/staff/inquiries/{inquiry_id}", caller=caller)

    def answer(self, caller: Caller, inquiry_id: str, body: dict[str, Any]) -> Any:
        return self._service.post(f"/internal/v1/staff/inquiries/{inquiry_id}/answers", caller=caller, json=body)

    def close(self, caller: Caller, inquiry_id: str) -> Any:
        return self._service.post(f"/internal/v1/staff/inquiries/{inquiry_id}/close", caller=caller, json={})


class AccountsClient:
    """Operators, sites and sessions."""

    def __init__(self, service: ServiceClient, *, introspection_cache: float, site_cache: float) -> None:
        self._service = service
        self._credentials: Recent[Credential] = Recent(introspection_cache)
        self._sites: Recent[Site] = Recent(site_cache)

    def sign_in(
        self, *, email: str, password: str, ip: str, user_agent: str, remembered_days: int | None = None
    ) -> SignIn:
        body: dict[str, Any] = {"email": email, "password": password, "ip": ip, "user_agent": user_agent}
        if remembered_days is not None:
            body["remembered_days"] = remembered_days
        return msgspec.convert(self._service.post("/internal/v1/sessions", caller=GATEWAY, json=body), SignIn)

    def introspect(self, token: str) -> Credential | None:
        """Whose session or API token this is; None if nobody's."""
        key = fingerprint(token)
        if known := self._credentials.get(key):
            return known
        asked = {"token": token}
        found = found_or_none(lambda: self._service.post("/internal/v1/introspections", caller=GATEWAY, json=asked))
        if found is None:
            return None
        credential = msgspec.convert(found, Credential)
        self._credentials.put(key, credential)
        return credential

    def forget_session(self, session_id: str) -> None:
        """The session or token ended: ask again the next time."""
        self._credentials.drop(lambda credential: credential.session_id == session_id)

    def sign_out(self, caller: Caller) -> None:
        self._service.delete("/internal/v1/sessions/current", caller=caller)
        self.forget_session(caller.session_id or "")

    def is_live(self, caller: Caller) -> bool:
        """Whether the caller's session or token is still good."""
        return found_or_none(lambda: self._service.get("/internal/v1/sessions/current", caller=caller)) is not None

    def operator(self, caller: Caller) -> Any:
        return self._service.get("/internal/v1/operators/me", caller=caller)

    def create_token(self, caller: Caller, body: dict[str, Any]) -> Any:
        return self._service.post("/internal/v1/tokens", caller=caller, json=body)

    def tokens(self, caller: Caller) -> Any:
        return self._service.get("/internal/v1/tokens", caller=caller)

    def revoke_token(self, caller: Caller, token_id: str) -> None:
        self._service.delete(f"/internal/v1/tokens/{token_id}", caller=caller)
        self.forget_session(token_id)

    def site(self, site_key: str) -> Site | None:
        if known := self._sites.get(site_key):
            return known
        found = found_or_none(lambda: self._service.get(f"/internal/v1/sites/by-key/{site_key}", caller=GATEWAY))
        if found is None:
            return None
        site = msgspec.convert(found, Site)
        self._sites.put(site_key, site)
        return site

    def sites(self, caller: Caller) -> Any:
        return self._service.get("/internal/v1/sites", caller=caller)

    def add_site(self, caller: Caller, body: dict[str, Any]) -> Any:
        return self._service.post("/internal/v1/sites", caller=caller, json=body)

    def choose(self, caller: Caller, site_id: str, body: dict[str, Any]) -> Any:
        """What is captured of a site's visitors, and done with them; other processes know when they ask again."""
        site = self._service.put(f"/internal/v1/sites/{site_id}/choices", caller=caller, json=body)
        self._sites.drop(lambda known: known.site_id == site_id)
        return site


class AccountClient:
    """Contact and billing details of a customer, at accounts."""

    def __init__(self, service: ServiceClient) -> None:
        self._service = service

    def state(self, caller: Caller) -> Any:
        return self._service.get("/internal/v1/account", caller=caller)

    def part(self, caller: Caller, part: str) -> Any:
        return self._service.get(f"/internal/v1/account/{part}", caller=caller)

    def change(self, caller: Caller, part: str, body: dict[str, Any]) -> Any:
        return self._service.put(f"/internal/v1/account/{part}", caller=caller, json=body)

    def confirm(self, caller: Caller, body: dict[str, Any]) -> Any:
        return self._service.post("/internal/v1/account/confirmations", caller=caller, json=body)

    def history(self, caller: Caller, params: dict[str, Any]) -> Any:
        return self._service.get("/internal/v1/account/history", caller=caller, params=params)


class IdentityClient:
    """Identity documents, at accounts: they pass through here, and stay nowhere."""

    def __init__(self, service: ServiceClient) -> None:
        self._service = service

    def state(self, caller: Caller) -> Any:
        return self._service.get("/internal/v1/identity", caller=caller)

    def upload(self, caller: Caller, action: str, content: bytes) -> Any:
        path = "/internal/v1/identity/verifications"
        return self._service.send(path, content, caller=caller, params={"action": action}, timeout=DOCUMENT_SECONDS)

    def set_strictness(self, caller: Caller, body: dict[str, Any]) -> Any:
        return self._service.put("/internal/v1/identity/strictness", caller=caller, json=body)

    def transfer_ownership(self, caller: Caller, body: dict[str, Any]) -> Any:
        return self._service.post("/internal/v1/ownership", caller=caller, json=body)

    def verifications(self, caller: Caller) -> Any:
        return self._service.get("/internal/v1/staff/identity/verifications", caller=caller)

    def document(self, caller: Caller, verification_id: str) -> tuple[bytes, str]:
        path = f"/internal/v1/staff/identity/verifications/{verification_id}/document"
        return self._service.fetch(path, caller=caller, timeout=DOCUMENT_SECONDS)

    def decide(self, caller: Caller, verification_id: str, body: dict[str, Any]) -> Any:
        path = f"/internal/v1/staff/identity/verifications/{verification_id}/decision"
        return self._service.post(path, caller=caller, json=body, timeout=DOCUMENT_SECONDS)


class ChatClient:
    """Visits and live conversations."""

    def __init__(self, service: ServiceClient, *, introspection_cache: float) -> None:
        self._service = service
        self._introspections = Together(self._introspect, most=MOST_AT_ONCE)
        self._admissions = Together(self._admit, most=MOST_AT_ONCE)
        self._visitors: Recent[Visitor] = Recent(introspection_cache)
        self._presence: Recent[dict[str, bool]] = Recent(introspection_cache)

    def is_online(self, caller: Caller) -> bool:
        """Whether somebody was there a moment ago to answer the customer's visitors."""
        key = caller.customer_id or ""
        known = self._presence.get(key)
        if known is None:
            known = self._service.get("/internal/v1/presence", caller=caller)
            self._presence.put(key, known)
        return known["is_online"]

    def leave(self, caller: Caller) -> None:
        """The caller's session is not there for visitors any more."""
        self._service.delete("/internal/v1/presence", caller=caller)

    def begin_visit(self, caller: Caller, body: dict[str, Any]) -> Visit:
        return msgspec.convert(self._service.post("/internal/v1/visits", caller=caller, json=body), Visit)

    def give_consent(self, caller: Caller, body: dict[str, Any]) -> NewCookie:
        """A new cookie for the visitor whose token is in the body."""
        return msgspec.convert(self._service.post("/internal/v1/cookie-consents", caller=caller, json=body), NewCookie)

    def withdraw_consent(self, caller: Caller, body: dict[str, Any]) -> None:
        self._service.post("/internal/v1/cookie-withdrawals", caller=caller, json=body)

    def invite(self, caller: Caller, every_hours: int) -> bool:
        """Whether the visitor may be invited now; if so, they count as invited."""
        asked = {"every_hours": every_hours}
        return bool(self._service.post("/internal/v1/invitations", caller=caller, json=asked)["is_due"])

    def visit(self, caller: Caller, conversation_id: str) -> Any:
        """What is known of the visitor of a conversation that is not sealed."""
        return self._service.get(f"/internal/v1/conversations/{conversation_id}/visit", caller=caller)

    def introspect(self, token: str) -> Visitor | None:
        """Whose visitor token this is; None if nobody's."""
        key = fingerprint(token)
        if known := self._visitors.get(key):
            return known
        found = self._introspections(token) if len(token) <= LONGEST_TOKEN else None
        if found is not None:
            self._visitors.put(key, found)
        return found

    def _introspect(self, tokens: list[str]) -> list[Visitor | None]:
        asked = {"tokens": tokens}
        found = self._service.post("/internal/v1/visitor-introspections", caller=GATEWAY, json=asked)
        return msgspec.convert(found["visitors"], list[Visitor | None])

    def admit(self, ticket: str) -> list[frames.Standing] | None:
        """Use up a ticket: how the conversations stand of whom it admits; None if it was used, or they are erased."""
        return self._admissions(ticket)

    def _admit(self, tickets: list[str]) -> list[list[frames.Standing] | None]:
        found = self._service.post("/internal/v1/admissions", caller=GATEWAY, json={"tickets": tickets})
        admissions = msgspec.convert(found["admissions"], list[Admission | None])
        return [one.standings if one else None for one in admissions]

    def partitions(self) -> int:
        """How many partitions are in force."""
        return int(self._service.get("/internal/v1/partitions", caller=GATEWAY)["count"])

    def forget_visitor(self, visitor_id: str) -> None:
        """The visitor is erased: ask again the next time."""
        self._visitors.drop(lambda visitor: visitor.visitor_id == visitor_id)

    def own_data(self, caller: Caller) -> Any:
        return self._service.get("/internal/v1/own-data", caller=caller)

    def ask_erasure(self, caller: Caller, reason: ErasureReason) -> Any:
        """Begin to erase the visitor who asks; from here on their token is good for ``erasure`` alone."""
        begun = self._service.post("/internal/v1/erasures", caller=caller, json={"reason": reason})
        self.forget_visitor(caller.subject or "")
        return begun

    def erasure(self, token: str) -> Any:
        """How the erasure stands of the visitor whose token this was; None if it was nobody's."""
        asked = {"token": token}
        return found_or_none(
            lambda: self._service.post("/internal/v1/erasure-introspections", caller=GATEWAY, json=asked)
        )

    def erasure_known(self, customer_id: str, erasure_id: str) -> Any:
        """How an erasure stands; None if it was long ago."""
        caller = Caller(service="gateway", role="service", customer_id=customer_id)
        return found_or_none(lambda: self._service.get(f"/internal/v1/erasures/{erasure_id}", caller=caller))

    def erased_counts(self, caller: Caller, *, before: str | None, limit: int) -> Any:
        params = {"before": before, "limit": limit}
        return self._service.get("/internal/v1/erased-counts", caller=caller, params=params)

    def conversations(
        self, caller: Caller, *, status: str | None = None, after: str | None = None, limit: int | None = None
    ) -> Any:
        params = {"status": status, "after": after, "limit": limit}
        return self._service.get("/internal/v1/conversations", caller=caller, params=params)

    def conversation(self, caller: Caller, conversation_id: str) -> Any:
        return self._service.get(f"/internal/v1/conversations/{conversation_id}", caller=caller)

    def state(self, caller: Caller, conversation_id: str) -> ConversationState | None:
        """How a conversation stands; None if there is none, or not for this caller."""
        found = found_or_none(lambda: self.conversation(caller, conversation_id))
        return None if found is None else msgspec.convert(found, ConversationState)

    def queued(self, customer_id: str) -> list[ConversationState]:
        """Who waits in a customer's queue, and where; those who wait longest, if there are very many."""
        caller = Caller(service="gateway", role="service", customer_id=customer_id)
        found = self.conversations(caller, status="queued", limit=CONVERSATIONS_PAGE)
        return msgspec.convert(found["conversations"], list[ConversationState])

    def messages(self, caller: Caller, conversation_id: str, *, after: int, limit: int) -> History:
        path = f"/internal/v1/conversations/{conversation_id}/messages"
        return msgspec.convert(self._service.get(path, caller=caller, params={"after": after, "limit": limit}), History)


class TranscriptsClient:
    """The record of closed conversations."""

    def __init__(self, service: ServiceClient) -> None:
        self._service = service

    def transcripts(self, caller: Caller, params: dict[str, Any]) -> Any:
        return self._service.get("/internal/v1/transcripts", caller=caller, params=params)

    def transcript(self, caller: Caller, transcript_id: str) -> Any:
        return self._service.get(f"/internal/v1/transcripts/{transcript_id}", caller=caller)

    def messages(self, caller: Caller, transcript_id: str, *, after: int, limit: int) -> History:
        path = f"/internal/v1/transcripts/{transcript_id}/messages"
        return msgspec.convert(self._service.get(path, caller=caller, params={"after": after, "limit": limit}), History)


class SurveysClient:
    """What sites ask, and the answers."""

    def __init__(self, service: ServiceClient, *, site_cache: float) -> None:
        self._service = service
        self._surveys: Recent[dict[str, Any]] = Recent(site_cache)

    def survey(self, caller: Caller, site_id: str, placement: str) -> Any:
        """What the site asks there now; None if it never asked anything."""
        return found_or_none(lambda: self._service.get(_survey_path(site_id, placement), caller=caller))

    def recent_survey(self, caller: Caller, site_id: str, placement: str) -> Any:
        """What the site asked there a moment ago; None if it had nothing to ask."""
        key = f"{caller.customer_id}/{site_id}/{placement}"
        known = self._surveys.get(key)
        if known is None:
            known = {"survey": self.survey(caller, site_id, placement)}
            self._surveys.put(key, known)
        survey = known["survey"]
        return survey if survey and survey["questions"] else None

    def publish(self, caller: Caller, site_id: str, placement: str, questions: list[dict[str, Any]]) -> Any:
        survey = self._service.put(_survey_path(site_id, placement), caller=caller, json={"questions": questions})
        self._surveys.put(f"{caller.customer_id}/{site_id}/{placement}", {"survey": survey})
        return survey

    def versions(self, caller: Caller, site_id: str, placement: str, params: dict[str, Any]) -> Any:
        return self._service.get(f"{_survey_path(site_id, placement)}/versions", caller=caller, params=params)

    def version(self, caller: Caller, site_id: str, placement: str, number: int) -> Any:
        return self._service.get(f"{_survey_path(site_id, placement)}/versions/{number}", caller=caller)

    def draft(self, caller: Caller, site_id: str, placement: str) -> Any:
        return self._service.get(f"{_survey_path(site_id, placement)}/draft", caller=caller)

    def save_draft(self, caller: Caller, site_id: str, placement: str, questions: list[dict[str, Any]]) -> Any:
        path = f"{_survey_path(site_id, placement)}/draft"
        return self._service.put(path, caller=caller, json={"questions": questions})

    def drop_draft(self, caller: Caller, site_id: str, placement: str) -> None:
        self._service.delete(f"{_survey_path(site_id, placement)}/draft", caller=caller)

    def responses(self, caller: Caller, site_id: str, placement: str, params: dict[str, Any]) -> Any:
        return self._service.get(f"{_survey_path(site_id, placement)}/responses", caller=caller, params=params)

    def report(self, caller: Caller, site_id: str, placement: str, params: dict[str, Any]) -> Any:
        path = f"{_survey_path(site_id, placement)}/report"
        return self._service.get(path, caller=caller, params=params, timeout=REPORT_SECONDS)

    def service_report(self, caller: Caller) -> Any:
        """What is said about our own service, for staff."""
        return self._service.get("/internal/v1/staff/survey-report", caller=caller)

    def answers(self, customer_id: str, conversation_id: str) -> Any:
        """What was answered for a conversation."""
        caller = Caller(service="gateway", role="service", customer_id=customer_id)
        params = {"conversation_id": conversation_id}
        return self._service.get("/internal/v1/responses", caller=caller, params=params)["responses"]

    def visitors_of_address(self, customer_id: str, email: str) -> list[str]:
        """The visitors who have given this address, which has been confirmed."""
        caller = Caller(service="gateway", role="service", customer_id=customer_id)
        found = self._service.post("/internal/v1/visitors-of-address", caller=caller, json={"email": email})
        return list(found["visitor_ids"])

    def record(self, caller: Caller, body: dict[str, Any]) -> Any:
        """Keep answers; None if nothing was answered."""
        return self._service.post("/internal/v1/responses", caller=caller, json=body)


def _survey_path(site_id: str, placement: str) -> str:
    return f"/internal/v1/surveys/{site_id}/{placement}"


class HistoryReader:
    """What was said, wherever it is kept: with chat until the transcript is sealed, with transcripts from then on."""

    def __init__(self, *, chat: ChatClient, transcripts: TranscriptsClient) -> None:
        self._chat = chat
        self._transcripts = transcripts

    def after(self, caller: Caller, conversation_id: str, after: int, *, limit: int = HISTORY_PAGE) -> History:
        history = self._chat.messages(caller, conversation_id, after=after, limit=limit)
        if not history.is_sealed:
            return history
        return self._transcripts.messages(caller, conversation_id, after=after, limit=limit)
