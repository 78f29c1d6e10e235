import pytest
from pydantic import ValidationError

from tests.gateway.builders import some_settings


def test_the_session_cookie_has_the_guarded_name_where_there_is_tls():
    assert some_settings(public_url="https://chat.example.com/").session_cookie == "__Host-session"
    assert some_settings(public_url="http://localhost:8080").session_cookie == "session"


def test_an_address_is_cut_to_its_origin():
    assert some_settings(public_url="https://chat.example.com/").public_url == "https://chat.example.com"


@pytest.mark.parametrize("url", ["http://chat.example.com", "chat.example.com", "https://x.example/path", "ftp://x"])
def test_an_address_without_tls_or_with_more_than_an_origin_is_refused(url):
    with pytest.raises(ValidationError):
        some_settings(public_url=url)


def test_answers_may_not_be_kept_for_too_long():
    with pytest.raises(ValidationError):
        some_settings(introspection_cache=11)
    with pytest.raises(ValidationError):
        some_settings(site_cache=31)
