"""Addresses of the sandbox: right checksums, by published examples and by other people's code."""

import re

import base58
import pytest
from embit import bech32
from embit.script import address_to_scriptpubkey

from payops.deposits.addresses.networks import validate
from payops.sandbox import addresses
from payops.sandbox.nowpayments.coins import COINS

NETWORKS = {
    "btc": "bitcoin",
    "ltc": "litecoin",
    "doge": "dogecoin",
    "eth": "ethereum",
    "bsc": "bsc",
    "matic": "polygon",
    "trx": "tron",
    "sol": "solana",
    "xrp": "xrp",
    "xlm": "stellar",
}


def test_a_witness_address_is_that_of_bip_173() -> None:
    """
    The example of the specification.
    """
    program = bytes.fromhex("751e76e8199196d454941c45d1b3a323f1433bd6")

    expected = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
    assert expected == addresses.witness("bc", program)


@pytest.mark.parametrize(
    "address",
    [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ],
)
def test_letters_are_capitals_where_eip_55_has_them(address: str) -> None:
    """
    The examples of the specification.
    """
    assert address == addresses.mixed_case(address[2:].lower())


def test_bitcoin_and_litecoin_are_read_by_a_wallet_library() -> None:
    """
    Fifty fresh ones of each decode to a program of 20 bytes, version 0.
    """
    for _ in range(50):
        assert address_to_scriptpubkey(addresses.bitcoin()).data[:2] == b"\x00\x14"
        version, program = bech32.decode("ltc", addresses.litecoin())
        assert (0, 20) == (version, len(program))


def test_base58_addresses_have_their_versions() -> None:
    """
    Dogecoin 0x1e, Tron 0x41, XRP 0x00 in its own alphabet, Solana 32 bytes without a checksum.
    """
    doge = base58.b58decode_check(addresses.dogecoin())
    tron = base58.b58decode_check(addresses.tron())
    xrp = base58.b58decode_check(addresses.ripple(), alphabet=base58.RIPPLE_ALPHABET)
    solana = base58.b58decode(addresses.solana())

    assert (0x1E, 21) == (doge[0], len(doge))
    assert (0x41, 21) == (tron[0], len(tron))
    assert (0x00, 21) == (xrp[0], len(xrp))
    assert 32 == len(solana)


@pytest.mark.parametrize("code", COINS)
def test_every_coin_has_addresses_that_the_product_takes(code: str) -> None:
    """
    Written apart from each other, the maker here and the check there agree, also on what is wrong.
    """
    coin = COINS[code]
    for _ in range(20):
        address = coin.new_address()
        assert validate(NETWORKS[coin.network], address).is_valid, address
        assert re.fullmatch(coin.wallet_regex, address)
        assert not validate(NETWORKS[coin.network], addresses.cut_off(address)).is_valid


def test_no_address_comes_twice() -> None:
    """
    Fresh means fresh.
    """
    assert 100 == len({addresses.tron() for _ in range(100)})
