"""What the owner of a site lets us keep of its visitors. The rest does not leave this process, written or not."""

import re
from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from services.gateway.addresses import reduced

HIDDEN = "hidden"
TITLE_LENGTH = 300
LANGUAGE_LENGTH = 35
USER_AGENT_LENGTH = 512

_secret_name = re.compile(
    r"pass|pwd|token|secret|session|sid$|auth|code|key|sig|otp|mail|phone|user|login|state|nonce", re.IGNORECASE
)
"""Names of parameters that carry what is nobody's business, however the site is set."""


class Invitation(msgspec.Struct, frozen=True):
    """What the widget says by itself, when, and how often at most."""

    text: str
    after_seconds: int
    after_pages: int
    every_hours: int


class Choices(msgspec.Struct, frozen=True):
    """What the owner has chosen; as far as it is not known, nothing."""

    ip_capture: Literal["full", "truncated", "off"] = "off"
    has_browser: bool = False
    has_language: bool = False
    page_capture: Literal["full", "path", "off"] = "off"
    has_trail: bool = False
    has_cookies: bool = False
    invitation: Invitation | None = None


def captured(choices: Choices, *, address: str, user_agent: str, language: str, page: dict[str, str]) -> dict[str, Any]:
    """Of all that a browser tells, what may be kept."""
    return {
        "ip": reduced(address, choices.ip_capture),
        "user_agent": user_agent[:USER_AGENT_LENGTH] if choices.has_browser else "",
        "language": _first(language) if choices.has_language else "",
        "has_trail": choices.has_trail,
        **_page(choices, page),
    }


def _first(languages: str) -> str:
    return languages.partition(",")[0].partition(";")[0].strip()[:LANGUAGE_LENGTH]


def _page(choices: Choices, page: dict[str, str]) -> dict[str, Any]:
    if choices.page_capture == "off":
        return {}
    shown: Callable[[str], str] = with_secrets_hidden if choices.page_capture == "full" else without_query
    url, referrer = shown(page["url"]), shown(page["referrer"])
    return {"page": {"url": url, "title": page["title"][:TITLE_LENGTH], "referrer": referrer}} if url else {}


def without_query(url: str) -> str:
    """The address of a page up to its ``?``; empty if it is none."""
    return _rewritten(url, lambda query: "")


def with_secrets_hidden(url: str) -> str:
    """The address of a page with its query, the values hidden that look like secrets."""
    return _rewritten(url, _hidden)


def _rewritten(url: str, query: Callable[[str], str]) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not host:
        return ""
    # What stands before an @ is a name and a password; what follows a # stays in the browser.
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query(parts.query), ""))


def _hidden(query: str) -> str:
    given = parse_qsl(query, keep_blank_values=True)
    if not any(_secret_name.search(name) for name, _ in given):
        return query
    return urlencode([(name, HIDDEN if _secret_name.search(name) else value) for name, value in given])
