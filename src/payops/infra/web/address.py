"""Where a request came from, as far as that can be believed."""

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

# More hops than any real chain of proxies; the rest of a longer header is not read.
HOPS_MAX: Final = 32


def client_address(peer: str | None, forwarded: Iterable[str], trusted: Sequence[Network]) -> str:
    """The client's address: ``peer``, or what trusted proxies say they were called by.

    ``forwarded`` holds the values of ``X-Forwarded-For`` in order. Each proxy appends whom
    it was called by, so the list is read from the right for as long as the one who wrote
    an entry is trusted; everything further left is the caller's own claim. An entry that
    is no address ends the reading at the proxy that wrote it. "" when ``peer`` is no IP
    address, as on a Unix socket.
    """
    believed = parse_address(peer or "")
    if believed is None:
        return ""
    if not trusted or not _is_in(believed, trusted):
        return str(believed)
    hops = [hop for value in forwarded for hop in value.split(",")]
    for hop in reversed(hops[-HOPS_MAX:]):
        address = parse_address(hop.strip())
        if address is None:
            break
        believed = address
        if not _is_in(believed, trusted):
            break
    return str(believed)


@lru_cache(maxsize=4096)  # callers return; parsing costs more than the rest of the headers
def parse_address(text: str) -> Address | None:
    """An IP address, also with a port or in brackets; IPv4 in IPv6 clothes as IPv4."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def network_of(address: str) -> str:
    """Whom to count for abuse: an IPv4 address, or an IPv6 /64, of which anybody has many."""
    parsed = parse_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address
