"""A site: one website of a customer, known to the public by its key."""

import re
import secrets
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

import msgspec

IpCapture = Literal["full", "truncated", "off"]
PageCapture = Literal["full", "path", "off"]

DEFAULT_TEXTS = {
    "title": "Chat with us",
    "greeting": "Hello! How can we help?",
    "queued": "Thank you. Somebody will be with you shortly.",
    "closed": "This conversation has ended.",
}

_site_key = re.compile(r"[A-Za-z0-9_-]{8,64}")
_unfit = re.compile(r"[\s\"';,*]")  # an origin becomes part of a header
_color = re.compile(r"#[0-9a-fA-F]{6}")


class SiteNotFound(Exception):
    """There is no such site."""


class SiteKeyTaken(Exception):
    """Another site has this key."""


class SiteExists(Exception):
    """There is a site of this name already, and it is another one."""


class TooManySites(Exception):
    """A customer has 200 sites at most."""


class OriginNotValid(ValueError):
    """An origin is a scheme and a host, with a port if it is not the usual one, and nothing else."""


class SiteKeyNotValid(ValueError):
    """A site key is 8 to 64 letters, digits, hyphens and underscores."""


class ColorNotValid(ValueError):
    """A color is # and six hexadecimal digits."""


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """What the widget says by itself to a visitor who has not asked anything: when, and how often at most."""

    text: str
    after_seconds: int
    after_pages: int
    every_hours: int


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """What an owner decides about the visitors of a site: what is captured of them, and what may be done with them.

    ``page_capture`` is about the address of the page and of the one before: with what follows its ``?``, without, or
    not at all; ``has_trail`` about all the pages of a visit. What is off is written nowhere.
    """

    ip_capture: IpCapture = "full"
    has_browser: bool = True
    has_language: bool = True
    page_capture: PageCapture = "path"
    has_trail: bool = True
    has_cookies: bool = False
    invitation: Invitation | None = None


class Site(msgspec.Struct, frozen=True, kw_only=True):
    site_id: str
    customer_id: str
    site_key: str
    name: str
    origins: tuple[str, ...]
    departments: tuple[str, ...] = ()
    texts: dict[str, str] = msgspec.field(default_factory=lambda: dict(DEFAULT_TEXTS))
    color: str = "#1f6feb"
    choices: Choices = Choices()
    created_at: datetime

    def __post_init__(self) -> None:
        if not _site_key.fullmatch(self.site_key):
            raise SiteKeyNotValid
        if not _color.fullmatch(self.color):
            raise ColorNotValid


MOST_SITES = 200


def site_id_of(customer_id: str, name: str) -> str:
    """A customer's site is known by its name, so that adding it twice is adding it once."""
    return str(uuid5(NAMESPACE_URL, f"velaro:site:{customer_id}:{name}"))


def new_site_key() -> str:
    """A fresh key; public, so it is unique rather than secret."""
    return secrets.token_hex(12)


def origin(text: str) -> str:
    """The origin as browsers spell it: ``https://shop.example``, ``http://localhost:9000``."""
    scheme, host, port = _parts(text)
    usual = {"https": 443, "http": 80}[scheme]
    return f"{scheme}://{host}" + (f":{port}" if port and port != usual else "")


def _parts(text: str) -> tuple[str, str, int | None]:
    try:
        split = urlsplit(text)
        port = split.port
    except ValueError as error:
        raise OriginNotValid from error
    is_bare = split.path in ("", "/") and not split.query and not split.fragment and "@" not in split.netloc
    if split.scheme not in ("http", "https") or not split.hostname or not is_bare or _unfit.search(text):
        raise OriginNotValid
    host = f"[{split.hostname}]" if ":" in split.hostname else split.hostname
    return split.scheme, host, port
