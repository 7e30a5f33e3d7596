"""Whose address is believed."""

import ipaddress
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payops.infra.web.address import client_address, network_of

PROXIES = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))

public_addresses = st.ip_addresses(v=4).filter(lambda a: a not in ip_network("10.0.0.0/8"))
proxies = st.ip_addresses(network="10.0.0.0/8")


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("198.51.100.7", [], "198.51.100.7"),
        ("198.51.100.7", ["203.0.113.9"], "198.51.100.7"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["1.2.3.4, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["1.2.3.4", "203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9, garbage, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["203.0.113.9, garbage"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1", ["[2001:db9::1]:4711"], "2001:db9::1"),
        ("10.0.0.1", ["fe80::1%eth0"], "fe80::1"),
        ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("2001:db8::1", ["2001:db9::1"], "2001:db9::1"),
        (None, ["203.0.113.9"], ""),
        ("unix:", ["203.0.113.9"], ""),
    ],
)
def test_the_right_most_untrusted_hop_is_the_client(
    peer: str | None, forwarded: list[str], expected: str
) -> None:
    """Only what a trusted proxy wrote is believed, and garbage ends the reading."""
    assert expected == client_address(peer, forwarded, PROXIES)


@given(public_addresses, st.lists(st.text(max_size=40), max_size=4))
def test_a_stranger_cannot_choose_its_address(peer: ipaddress.IPv4Address, said: list[str]) -> None:
    """Without a trusted connection the header has no effect at all."""
    assert str(peer) == client_address(str(peer), said, PROXIES)


@given(public_addresses, st.lists(proxies, min_size=1, max_size=5), st.text(max_size=200))
def test_what_the_client_claims_to_the_left_has_no_effect(
    client: ipaddress.IPv4Address, chain: list[ipaddress.IPv4Address], claim: str
) -> None:
    """However the client fills the header, the first proxy appends its real address."""
    header = ", ".join([claim, str(client), *map(str, chain[1:])])

    assert str(client) == client_address(str(chain[0]), [header], PROXIES)


@given(st.text(max_size=60) | st.none(), st.lists(st.text(max_size=80), max_size=5))
def test_the_answer_is_an_address_or_nothing(peer: str | None, said: list[str]) -> None:
    """Garbage never gets through as an address and never raises."""
    found = client_address(peer, said, (ip_network("0.0.0.0/0"), ip_network("::/0")))

    assert found in ("", str(ipaddress.ip_address(found or "::")))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_client_is_counted_by_its_network(address: str, expected: str) -> None:
    """One subscriber has 2**64 IPv6 addresses and one IPv4 address."""
    assert expected == network_of(address)
