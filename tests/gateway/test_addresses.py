import pytest

from services.gateway.addresses import client_address, limit_key, reduced


@pytest.mark.parametrize(
    ("forwarded", "proxies", "expected"),
    [
        ("", 0, "198.51.100.7"),
        ("203.0.113.9", 0, "198.51.100.7"),
        ("203.0.113.9", 1, "203.0.113.9"),
        ("1.2.3.4, 203.0.113.9", 1, "203.0.113.9"),
        ("1.2.3.4, 203.0.113.9, 10.0.0.1", 2, "203.0.113.9"),
        ("203.0.113.9", 2, "198.51.100.7"),
        ("nonsense", 1, "198.51.100.7"),
        ("203.0.113.9:4711", 1, "203.0.113.9"),
        ("[2001:db8::1]:443", 1, "2001:db8::1"),
        ("::ffff:203.0.113.9", 1, "203.0.113.9"),
        ("fe80::1%eth0", 1, "fe80::1"),
    ],
)
def test_only_what_our_own_proxies_wrote_is_believed(forwarded, proxies, expected):
    environ = {"REMOTE_ADDR": "198.51.100.7", "HTTP_X_FORWARDED_FOR": forwarded}
    assert client_address(environ, proxies) == expected


@pytest.mark.parametrize(
    ("address", "capture", "kept"),
    [
        ("203.0.113.9", "full", "203.0.113.9"),
        ("203.0.113.9", "truncated", "203.0.113.0"),
        ("2001:db8:1:2::9", "truncated", "2001:db8:1::"),
        ("203.0.113.9", "off", ""),
        ("203.0.113.9", "unheard-of", ""),
        ("", "full", ""),
    ],
)
def test_a_site_gets_no_more_of_an_address_than_it_wants(address, capture, kept):
    assert reduced(address, capture) == kept


def test_an_ipv6_household_counts_as_one_client():
    assert limit_key("2001:db8::1") == limit_key("2001:db8::ffff")
    assert limit_key("203.0.113.9") != limit_key("203.0.113.8")
    assert limit_key("") == "unknown"
