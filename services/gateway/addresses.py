"""Where a request comes from, and how much of that a site wants to know."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

_V4_KEPT = 24
_V6_KEPT = 48
_V6_HOUSEHOLD = 64


def client_address(environ: Mapping[str, Any], trusted_proxies: int) -> str:
    """The peer, or what the outermost of exactly ``trusted_proxies`` proxies says its peer was.

    Each proxy appends the address it saw, so only the last ``trusted_proxies`` entries were written
    by ours; whatever stands before them was written by the client. A request with fewer entries
    did not come through all the proxies, and is then from whoever sent it.
    """
    peer = _clean(str(environ.get("REMOTE_ADDR", "")))
    if trusted_proxies == 0:
        return peer
    hops = str(environ.get("HTTP_X_FORWARDED_FOR", "")).split(",")
    return (_clean(hops[-trusted_proxies]) or peer) if len(hops) >= trusted_proxies else peer


def reduced(address: str, ip_capture: str) -> str:
    """What the site lets us keep of an address; unless it says ``full`` that is not the whole."""
    if not address or ip_capture not in {"full", "truncated"}:
        return ""
    return address if ip_capture == "full" else _network(address, _V4_KEPT, _V6_KEPT).partition("/")[0]


def limit_key(address: str) -> str:
    """Who counts as one client: an IPv4 address, or the /64 that one IPv6 household gets."""
    return _network(address, 32, _V6_HOUSEHOLD) if address else "unknown"


def _network(address: str, v4: int, v6: int) -> str:
    length = v4 if ip_address(address).version == 4 else v6
    return str(ip_network(f"{address}/{length}", strict=False))


def _clean(text: str) -> str:
    """The address alone: no port, no brackets, no zone, IPv4 where it is IPv4; empty if it is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address: IPv4Address | IPv6Address = ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address)
