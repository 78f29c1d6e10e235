"""The people of a conversation, each through the calls of the public edge."""

from typing import Any
from uuid import uuid4

from tests.edge.http import Edge, made
from tests.edge.socket import Socket

WIDGET = "/api/v1/widget"
ANSWERS = {"name": "Vera", "email": "vera@example.org", "topic": "An order", "orders": 3}
PAGE = {"url": "https://shop.example/tools", "title": "Tools", "referrer": "https://search.example/"}
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


class Visitor:
    """A person on a customer's site."""

    def __init__(self, base_url: str, site_key: str) -> None:
        self.edge = Edge(base_url)
        self.edge._session.headers["User-Agent"] = BROWSER
        self.site_key = site_key

    def arrive(self) -> "Visitor":
        self.edge.bear(self.visit(PAGE)["visitor_token"])
        return self

    def visit(self, page: dict[str, str], *, consents: bool = False) -> Any:
        """Loads a page of the site."""
        body = {"site_key": self.site_key, "page": page, "cookies_consent": consents}
        return made(self.edge.post(f"{WIDGET}/visits", body))

    def config(self) -> Any:
        return made(self.edge.get(f"{WIDGET}/config", site=self.site_key), 200)

    def open(self, text: str | None = None, answers: dict[str, Any] | None = ANSWERS) -> str:
        """Acknowledges the policy in force, answers the survey and opens a conversation."""
        body: dict[str, Any] = {"acknowledged_policy_version": self.config()["policy"]["version"]}
        body |= ({"answers": answers} if answers else {}) | ({"text": text} if text else {})
        return str(made(self.edge.post(f"{WIDGET}/conversations", body))["conversation_id"])

    def say(self, conversation_id: str, text: str, client_id: str | None = None) -> Any:
        body = {"client_id": client_id or str(uuid4()), "text": text}
        return made(self.edge.post(f"{WIDGET}/conversations/{conversation_id}/messages", body))

    def history(self, conversation_id: str, after: int = 0, wait: int = 0) -> Any:
        return made(self.edge.get(f"{WIDGET}/conversations/{conversation_id}/messages", after=after, wait=wait), 200)

    def copy(self) -> Any:
        """Everything there is of this visitor."""
        return made(self.edge.get(f"{WIDGET}/copy"), 200)

    def ask_erasure(self) -> Any:
        return made(self.edge.post(f"{WIDGET}/erasure"), 202)

    def erasure(self) -> Any:
        """How the visitor's erasure stands, asked with the token that is good for nothing else by now."""
        return made(self.edge.get(f"{WIDGET}/erasure"), 200)

    def erased(self) -> Any:
        """The same, when it is completed; None while it is not."""
        found = self.erasure()
        return found if found["status"] == "completed" else None

    def socket(self) -> Socket:
        return Socket(self.edge.websocket_url, lambda: made(self.edge.post(f"{WIDGET}/tickets"))["ticket"])


class Staff:
    """A person who works for us, signed in at the staff desk."""

    def __init__(self, base_url: str, email: str, password: str) -> None:
        self.edge = Edge(base_url)
        self.me = made(self.edge.post("/api/v1/staff/sessions", {"email": email, "password": password}))

    def draft(self, text: str, summary: str) -> Any:
        """A new draft of the policy, in place of the one there is."""
        known = self.edge.get("/api/v1/staff/policy/draft")
        which = {name: known.json()[name] for name in ("draft_id", "revision")} if known.status_code == 200 else {}
        body = {"summary": summary, "text": text, **which}
        return made(self.edge.call("PUT", "/api/v1/staff/policy/draft", body), 200)

    def notices(self, version: str) -> dict[str, Any]:
        """How far the notices of a version are, by their kind."""
        found = made(self.edge.get(f"/api/v1/staff/policy/versions/{version}/notices"), 200)
        return {each["kind"]: each for each in found["notices"]}


class Operator:
    """A person who works for a customer, signed in at the console."""

    def __init__(self, base_url: str, email: str, password: str) -> None:
        self.edge = Edge(base_url)
        self.me = made(self.edge.post("/api/v1/sessions", {"email": email, "password": password}))

    def choices(self, site_id: str) -> dict[str, Any]:
        """What is captured of the site's visitors, and done with them."""
        sites = made(self.edge.get("/api/v1/sites"), 200)["sites"]
        return next(dict(site["choices"]) for site in sites if site["site_id"] == site_id)

    def choose(self, site_id: str, **changes: Any) -> None:
        """Decides that anew. A gateway that has been asked about the site before knows it a little later."""
        choices = self.choices(site_id) | changes
        made(self.edge.call("PUT", f"/api/v1/sites/{site_id}/choices", choices), 200)

    def visit_of(self, conversation_id: str) -> Any:
        """What is known of the visitor of a conversation that is not sealed."""
        return made(self.edge.get(f"/api/v1/conversations/{conversation_id}/visit"), 200)

    def queued(self) -> list[Any]:
        return list(made(self.edge.get("/api/v1/conversations", status="queued"), 200)["conversations"])

    def accept(self, conversation_id: str) -> None:
        answer = self.edge.post(f"/api/v1/conversations/{conversation_id}/accept")
        assert answer.status_code in (200, 201), answer.text

    def say(self, conversation_id: str, text: str, client_id: str | None = None) -> Any:
        body = {"client_id": client_id or str(uuid4()), "text": text}
        return made(self.edge.post(f"/api/v1/conversations/{conversation_id}/messages", body))

    def close(self, conversation_id: str) -> None:
        answer = self.edge.post(f"/api/v1/conversations/{conversation_id}/close")
        assert answer.status_code in (200, 201), answer.text

    def flag_minor(self, conversation_id: str) -> Any:
        return made(self.edge.post(f"/api/v1/conversations/{conversation_id}/flag-minor"), 200)

    def erasures(self) -> Any:
        """How many were erased, by day."""
        return made(self.edge.get("/api/v1/erasures"), 200)["days"]

    def transcript(self, conversation_id: str) -> Any:
        """The sealed transcript, or None while there is none."""
        answer = self.edge.get(f"/api/v1/transcripts/{conversation_id}")
        assert answer.status_code in (200, 404), answer.text
        return answer.json() if answer.status_code == 200 else None

    def socket(self) -> Socket:
        return Socket(self.edge.websocket_url, lambda: made(self.edge.post("/api/v1/tickets"))["ticket"])
