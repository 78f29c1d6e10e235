import pytest

from services.accounts.sites.model import ColorNotValid, OriginNotValid, SiteKeyNotValid, new_site_key, origin
from tests.accounts.builders import a_site


@pytest.mark.parametrize(
    ("written", "origin_"),
    [
        ("https://Shop.Example", "https://shop.example"),
        ("https://shop.example/", "https://shop.example"),
        ("https://shop.example:443", "https://shop.example"),
        ("http://localhost:9000", "http://localhost:9000"),
        ("http://[::1]:9000", "http://[::1]:9000"),
    ],
)
def test_an_origin_is_spelt_as_browsers_spell_it(written, origin_):
    assert origin(written) == origin_


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "shop.example",
        "ftp://shop.example",
        "javascript:alert(1)",
        "https://",
        "https://shop.example/path",
        "https://shop.example?x",
        "https://user@shop.example",
        "https://*.example",
        "https://shop.example; script-src *",
        "https://shop.example https://evil.example",
        "https://shop.example:port",
        "https://[::1",
    ],
)
def test_what_is_more_or_less_than_an_origin_is_refused(wrong):
    with pytest.raises(OriginNotValid):
        origin(wrong)


def test_a_site_cannot_have_a_key_or_color_that_would_not_fit_a_page():
    with pytest.raises(SiteKeyNotValid):
        a_site(site_key='"><script>')
    with pytest.raises(ColorNotValid):
        a_site(color="red; }")


def test_fresh_keys_differ():
    assert new_site_key() != new_site_key()
