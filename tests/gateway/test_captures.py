import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.captures import Choices, captured, with_secrets_hidden, without_query

ALL = Choices(ip_capture="full", has_browser=True, has_language=True, page_capture="full", has_trail=True)
TOLD = {
    "address": "203.0.113.9",
    "user_agent": "Firefox",
    "language": "de-AT,de;q=0.9",
    "page": {"url": "https://shop.example/a?q=1#x", "title": "A", "referrer": "https://search.example/?q=2"},
}


def test_what_is_wanted_is_passed_on():
    assert captured(ALL, **TOLD) == {
        "ip": "203.0.113.9",
        "user_agent": "Firefox",
        "language": "de-AT",
        "has_trail": True,
        "page": {"url": "https://shop.example/a?q=1", "title": "A", "referrer": "https://search.example/?q=2"},
    }


def test_what_is_not_known_to_be_wanted_is_not():
    assert captured(Choices(), **TOLD) == {"ip": "", "user_agent": "", "language": "", "has_trail": False}


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        ({"ip_capture": "off"}, "203.0.113"),
        ({"ip_capture": "truncated"}, "203.0.113.9"),
        ({"has_browser": False}, "Firefox"),
        ({"has_language": False}, "de"),
        ({"page_capture": "path"}, "q="),
        ({"page_capture": "off"}, "shop.example"),
    ],
)
def test_each_choice_takes_its_own_away(change, gone):
    assert gone in str(captured(ALL, **TOLD))
    assert gone not in str(captured(msgspec.structs.replace(ALL, **change), **TOLD)).replace("'title'", "")


@pytest.mark.parametrize(
    ("url", "path", "full"),
    [
        ("https://u:p@x.example/a?b=c#d", "https://x.example/a", "https://x.example/a?b=c"),
        ("https://x.example?token=1&b=2", "https://x.example", "https://x.example?token=hidden&b=2"),
        ("https://x.example/?access_TOKEN=1;b", "https://x.example/", "https://x.example/?access_TOKEN=hidden"),
        ("https://x.example/?E-Mail=a@b", "https://x.example/", "https://x.example/?E-Mail=hidden"),
        ("https://[::1]:8080/a", "https://[::1]:8080/a", "https://[::1]:8080/a"),
        ("javascript:alert(1)", "", ""),
        ("https://", "", ""),
        ("https://[::1", "", ""),
        ("", "", ""),
    ],
)
def test_addresses_of_pages_lose_what_is_nobodys_business(url, path, full):
    assert (without_query(url), with_secrets_hidden(url)) == (path, full)


@given(st.text(max_size=60))
def test_whatever_follows_a_question_mark_is_gone_without_the_query(tail):
    assert without_query(f"https://x.example/a?{tail}") in ("https://x.example/a", "")
    assert without_query(f"https://x.example/a?secret={tail}").count("secret") == 0
    assert with_secrets_hidden(f"https://x.example/?password=hush{tail.replace('&', '')}").count("hush") == 0
