"""Which coins live on which network, and the test of known answers at start."""

import binascii
import hashlib
from typing import Any

import base58
import pytest
from Crypto.Hash import keccak

from payops.deposits.addresses import networks, selftest
from payops.deposits.addresses.networks import NETWORKS, for_currency, validate
from payops.deposits.addresses.selftest import SelfTestFailed, self_test
from payops.deposits.addresses.verdicts import Flaw, Verdict

COINS = {
    "BTC": "bitcoin",
    "btc": "bitcoin",
    "ETH": "ethereum",
    "USDC": "ethereum",
    "DAI": "ethereum",
    "USDTERC20": "ethereum",
    "usdttrc20": "tron",
    "TRX": "tron",
    "LTC": "litecoin",
    "DOGE": "dogecoin",
    "BCH": "bitcoin-cash",
    "SOL": "solana",
    "USDCSOL": "solana",
    "USDTTON": "ton",
    "XRP": "xrp",
    "XLM": "stellar",
    # Two that shops are known to label wrongly.
    "USDTARC20": "avalanche-c",
    "MATIC": "ethereum",
    "MATICMAINNET": "polygon",
}


@pytest.mark.parametrize(("code", "network"), COINS.items())
def test_a_coin_lives_on_one_network(code: str, network: str) -> None:
    """In either case of its code."""
    assert network == for_currency(code)


@pytest.mark.parametrize("code", ["USDT", "", "XMR", "BTC ", "ＢＴＣ", "ß", "\ud800"])
def test_a_coin_that_leaves_its_network_open_is_not_known(code: str) -> None:
    """A bare ``USDT`` could be on any of ten networks, and nine of them lose the money."""
    assert for_currency(code) is None


def test_every_coin_has_a_network_and_every_network_a_coin() -> None:
    """The two tables are of one mind."""
    assert NETWORKS == set(networks._NETWORK_OF_CODE.values())


@pytest.mark.parametrize("network", [None, "", "bitcoin ", "Bitcoin", "monero"])
def test_a_network_that_is_not_known_is_said_to_be_so(network: str | None) -> None:
    """Also when there was no network for a coin."""
    assert Verdict(is_valid=False, network=None, reason=Flaw.NETWORK_UNKNOWN) == validate(
        network, "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"
    )


@pytest.mark.parametrize("network", sorted(NETWORKS))
@pytest.mark.parametrize("text", ["", "1" * 129, "0x" + "0" * 100_000])
def test_a_text_of_no_length_or_too_much_is_not_looked_at(network: str, text: str) -> None:
    """Base 58 costs the square of the length, so it has an end."""
    assert Flaw.LENGTH == validate(network, text).reason


def test_the_known_answers_are_given() -> None:
    """The program may start."""
    self_test()


def test_every_network_has_a_known_answer() -> None:
    """One that has none could be wrong without anybody noticing."""
    assert NETWORKS == {network for network, _ in selftest._VALID}


def sha3(*, digest_bits: int, data: bytes) -> Any:
    """The mistake that is usually made: the standard's hash, which pads otherwise."""
    return hashlib.sha3_256(data)


def test_the_standard_hash_in_place_of_keccak_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """It refuses to start rather than pass wrong addresses or refuse right ones."""
    monkeypatch.setattr(keccak, "new", sha3)

    with pytest.raises(SelfTestFailed, match="Keccak"):
        self_test()


def test_a_hash_that_is_wrong_now_and_then_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Being right about nothing at all is not enough."""
    real = keccak.new

    def new(*, digest_bits: int, data: bytes) -> Any:
        return (sha3 if data else real)(digest_bits=digest_bits, data=data)

    monkeypatch.setattr(keccak, "new", new)

    with pytest.raises(SelfTestFailed, match="0x5aAeb"):
        self_test()


@pytest.mark.parametrize(
    ("library", "name", "wrong", "judged"),
    [
        (base58, "b58decode", lambda text, alphabet: bytes(25), "1BvBM"),
        (binascii, "crc_hqx", lambda content, start: 0, "GA7QY"),
    ],
)
def test_a_library_that_computes_something_else_is_found_out(
    monkeypatch: pytest.MonkeyPatch, library: object, name: str, wrong: object, judged: str
) -> None:
    """Whichever of them it is, the addresses that are judged wrongly are named."""
    monkeypatch.setattr(library, name, wrong)

    with pytest.raises(SelfTestFailed, match=judged):
        self_test()
