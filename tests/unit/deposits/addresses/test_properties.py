"""What holds for any address and any text, judged by a second implementation where one is."""

import base64
import binascii
from collections.abc import Callable

import base58
import pytest
from embit import base58 as other_base58
from embit import bech32 as other_bech32
from hypothesis import assume, given
from hypothesis import strategies as st

from payops.deposits.addresses import evm, fivebits, segwit
from payops.deposits.addresses.networks import NETWORKS, validate
from payops.deposits.addresses.verdicts import Flaw

BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
BASE58 = base58.BITCOIN_ALPHABET.decode()
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

HASHES = st.binary(min_size=20, max_size=20)
KEYS = st.binary(min_size=32, max_size=32)


def base58_address(version: int, alphabet: bytes = base58.BITCOIN_ALPHABET) -> Callable[..., str]:
    def address(content: bytes) -> str:
        return base58.b58encode_check(bytes([version]) + content, alphabet).decode()

    return address


def segwit_address(prefix: str, version: int) -> Callable[[bytes], str]:
    def address(program: bytes) -> str:
        encoded = other_bech32.encode(prefix, version, program)
        assert isinstance(encoded, str)
        return encoded

    return address


def stellar_address(key: bytes) -> str:
    content = bytes([6 << 3]) + key
    return base64.b32encode(content + binascii.crc_hqx(content, 0).to_bytes(2, "little")).decode()


def ton_address(key: bytes) -> str:
    content = b"\x51\x00" + key
    return base64.urlsafe_b64encode(
        content + binascii.crc_hqx(content, 0).to_bytes(2, "big")
    ).decode()


# Every kind that has a checksum which sees any one wrong character, with its alphabet.
CHECKED = st.one_of(
    st.tuples(st.just("bitcoin"), HASHES.map(base58_address(0x00)), st.just(BASE58)),
    st.tuples(st.just("bitcoin"), HASHES.map(base58_address(0x05)), st.just(BASE58)),
    st.tuples(st.just("bitcoin"), HASHES.map(segwit_address("bc", 0)), st.just(BECH32)),
    st.tuples(st.just("bitcoin"), KEYS.map(segwit_address("bc", 0)), st.just(BECH32)),
    st.tuples(st.just("bitcoin"), KEYS.map(segwit_address("bc", 1)), st.just(BECH32)),
    st.tuples(st.just("litecoin"), HASHES.map(base58_address(0x30)), st.just(BASE58)),
    st.tuples(st.just("litecoin"), HASHES.map(base58_address(0x32)), st.just(BASE58)),
    st.tuples(st.just("litecoin"), KEYS.map(segwit_address("ltc", 1)), st.just(BECH32)),
    st.tuples(st.just("dogecoin"), HASHES.map(base58_address(0x1E)), st.just(BASE58)),
    st.tuples(st.just("dogecoin"), HASHES.map(base58_address(0x16)), st.just(BASE58)),
    st.tuples(st.just("tron"), HASHES.map(base58_address(0x41)), st.just(BASE58)),
    st.tuples(
        st.just("xrp"), HASHES.map(base58_address(0x00, base58.XRP_ALPHABET)), st.just(BASE58)
    ),
    st.tuples(
        st.just("stellar"), KEYS.map(stellar_address), st.just("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
    ),
    st.tuples(st.just("ton"), KEYS.map(ton_address), st.just(BASE64)),
    st.tuples(
        st.just("bitcoin-cash"),
        st.sampled_from(
            [
                "qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a",
                "ppm2qsznhks23z7629mms6s4cwef74vcwvn0h829pq",
            ]
        ),
        st.just(BECH32),
    ),
)


@given(CHECKED)
def test_what_a_wallet_makes_is_valid(kind: tuple[str, str, str]) -> None:
    """Whatever the key, its address passes on its network."""
    network, address, _ = kind

    assert validate(network, address).is_valid


@given(CHECKED, st.data())
def test_one_wrong_character_never_passes(kind: tuple[str, str, str], data: st.DataObject) -> None:
    """At any place, by any character of the alphabet."""
    network, address, alphabet = kind
    place = data.draw(st.integers(0, len(address) - 1))
    character = data.draw(st.sampled_from(alphabet))
    assume(character != address[place])

    wrong = address[:place] + character + address[place + 1 :]

    assert not validate(network, wrong).is_valid


@given(CHECKED, st.data())
def test_two_swapped_neighbours_never_pass(kind: tuple[str, str, str], data: st.DataObject) -> None:
    """The other usual typing error."""
    network, address, _ = kind
    place = data.draw(st.integers(0, len(address) - 2))
    assume(address[place] != address[place + 1])

    wrong = address[:place] + address[place + 1] + address[place] + address[place + 2 :]

    assert not validate(network, wrong).is_valid


@given(CHECKED, st.data())
def test_one_character_more_or_less_never_passes(
    kind: tuple[str, str, str], data: st.DataObject
) -> None:
    """Also just before a last ``p``, where bech32 alone would not notice a ``q``."""
    network, address, alphabet = kind
    place = data.draw(st.integers(0, len(address) - 1))
    character = data.draw(st.sampled_from(alphabet))

    assert not validate(network, address[:place] + character + address[place:]).is_valid
    assert not validate(network, address[:place] + address[place + 1 :]).is_valid


@given(HASHES, st.data())
def test_one_letter_in_the_other_case_breaks_an_evm_address(
    content: bytes, data: st.DataObject
) -> None:
    """Unless that leaves one case only, which carries no checksum."""
    address = evm.checksummed(f"0x{content.hex()}")
    letters = [place for place in range(2, 42) if address[place].isalpha()]
    assume(letters)
    place = data.draw(st.sampled_from(letters))
    wrong = address[:place] + address[place].swapcase() + address[place + 1 :]
    assume(wrong[2:] not in {wrong[2:].lower(), wrong[2:].upper()})

    assert Flaw.CHECKSUM == validate("base", wrong).reason


@given(HASHES)
def test_an_evm_address_passes_in_three_spellings(content: bytes) -> None:
    """With its checksum, all small and all capitals; on every such network."""
    small = f"0x{content.hex()}"
    for network in evm.NETWORKS:
        assert validate(network, small).is_valid
        assert validate(network, f"0x{content.hex().upper()}").is_valid
        assert validate(network, evm.checksummed(small)).is_valid


@given(st.integers(0, 16), st.binary(min_size=2, max_size=40))
def test_segwit_agrees_with_a_second_implementation(version: int, program: bytes) -> None:
    """Valid there and of a version and a length that can be owned: valid here."""
    lengths = {0: {20, 32}, 1: {32}}.get(version, set())
    address = other_bech32.encode("bc", version, program)
    assume(address is not None)

    assert (len(program) in lengths) == (segwit.flaw(address, "bc") is None)


@given(
    st.one_of(
        st.text(alphabet=BECH32, max_size=90).map(lambda text: f"bc1{text}"),
        st.text(alphabet=BASE58, max_size=40),
    )
)
def test_nothing_passes_that_a_second_implementation_refuses(address: str) -> None:
    """Ours is the stricter one."""
    if not validate("bitcoin", address).is_valid:
        return
    if address.startswith("bc1"):
        assert other_bech32.decode("bc", address) != (None, None)
    else:
        assert len(other_base58.decode_check(address)) == 21


@pytest.mark.parametrize("network", sorted(NETWORKS))
@given(text=st.text(st.characters(), max_size=200))
def test_no_text_is_too_strange(network: str, text: str) -> None:
    """Half characters, NULs, other scripts, nothing at all: an answer, never an exception."""
    verdict = validate(network, text)

    assert verdict.is_valid == (verdict.reason is None)


@given(CHECKED, st.sampled_from([" ", "\n", "\t", "\0", "\u200b", "\u00a0", "　"]))
def test_an_invisible_character_at_either_end_is_not_overlooked(
    kind: tuple[str, str, str], invisible: str
) -> None:
    """What passes is what will be shown, so nothing is trimmed."""
    network, address, _ = kind

    assert Flaw.ALPHABET == validate(network, address + invisible).reason
    assert Flaw.ALPHABET == validate(network, invisible + address).reason


VERSIONS = {
    "bitcoin": {0x00, 0x05},
    "litecoin": {0x30, 0x32},
    "dogecoin": {0x1E, 0x16},
    "tron": {0x41},
}


@pytest.mark.parametrize(("network", "allowed"), VERSIONS.items())
@given(content=HASHES)
def test_no_other_version_byte_passes(network: str, allowed: set[int], content: bytes) -> None:
    """Some make an address begin with the same letter, so the letter is not enough."""
    valid = {
        version
        for version in range(256)
        if validate(network, base58_address(version)(content)).is_valid
    }

    assert allowed == valid


def test_a_neighbouring_version_is_told_from_a_typing_error() -> None:
    """``M…`` as on Litecoin, with a checksum that fits, of a network that is not."""
    assert Flaw.VERSION == validate("litecoin", base58_address(0x33)(bytes(20))).reason


@given(KEYS, st.integers(1, 15))
def test_a_taproot_address_has_one_spelling(key: bytes, leftover: int) -> None:
    """Bits after the key that are not zero would be a second address for it."""
    values = [1, *other_bech32.convertbits(key, 8, 5)]
    values[-1] |= leftover
    encoded = other_bech32.bech32_encode(other_bech32.Encoding.BECH32M, "bc", values)

    assert Flaw.LENGTH == validate("bitcoin", encoded).reason


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], b""),
        ([0] * 8, bytes(5)),
        ([31] * 8, b"\xff" * 5),
        ([0] * 2, bytes(1)),
        ([0, 4], b"\x01"),
        ([0, 3], None),
        ([0], None),
        ([0] * 3, None),
        ([0] * 6, None),
    ],
)
def test_what_is_left_over_is_under_five_zero_bits(
    values: list[int], expected: bytes | None
) -> None:
    """As both standards ask."""
    assert expected == fivebits.to_bytes(values)
