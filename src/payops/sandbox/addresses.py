"""Fresh addresses with right checksums. Nobody has their keys: what is sent there is lost."""

import base64
import binascii
import hashlib
import os

import base58
from Crypto.Hash import keccak

_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def bitcoin() -> str:
    """Pay to witness public key hash, as in BIP-173."""
    return witness("bc", os.urandom(20))


def litecoin() -> str:
    return witness("ltc", os.urandom(20))


def dogecoin() -> str:
    return base58.b58encode_check(b"\x1e" + os.urandom(20)).decode()


def tron() -> str:
    return base58.b58encode_check(b"\x41" + os.urandom(20)).decode()


def solana() -> str:
    """A public key; the network's addresses have no checksum."""
    return base58.b58encode(os.urandom(32)).decode()


def ripple() -> str:
    return base58.b58encode_check(
        b"\x00" + os.urandom(20), alphabet=base58.RIPPLE_ALPHABET
    ).decode()


def stellar() -> str:
    """A public key as in SEP-23: version, key and CRC16-XMODEM in base32."""
    payload = bytes([6 << 3]) + os.urandom(32)
    return base64.b32encode(payload + binascii.crc_hqx(payload, 0).to_bytes(2, "little")).decode()


def ethereum() -> str:
    """With the checksum of EIP-55; the same form on every chain of its kind."""
    return mixed_case(os.urandom(20).hex())


def memo() -> str:
    """What a shared address needs beside it: a destination tag of XRP, a memo id of XLM."""
    return str(1 + int.from_bytes(os.urandom(4), "big") % 0xFFFFFFFF)


def transaction() -> str:
    """The hash of a transaction that never was."""
    return hashlib.sha256(os.urandom(32)).hexdigest()


def cut_off(address: str) -> str:
    """``address`` without its end: no network takes it, with a checksum or without."""
    return address[:-4]


def mixed_case(digits: str) -> str:
    """Forty lower-case hexadecimal digits in the spelling of EIP-55."""
    hashed = keccak.new(digest_bits=256, data=digits.encode()).hexdigest()
    return "0x" + "".join(
        digit.upper() if int(nibble, 16) >= 8 else digit
        for digit, nibble in zip(digits, hashed, strict=False)
    )


def witness(prefix: str, program: bytes) -> str:
    """A program of 20 bytes, version 0, in bech32."""
    number = int.from_bytes(program, "big")
    values = [0, *((number >> shift) & 31 for shift in range(155, -1, -5))]
    expanded = [*(ord(c) >> 5 for c in prefix), 0, *(ord(c) & 31 for c in prefix)]
    rest = _remainder([*expanded, *values, *[0] * 6]) ^ 1
    checksum = [(rest >> shift) & 31 for shift in range(25, -1, -5)]
    return f"{prefix}1{''.join(_BECH32[value] for value in [*values, *checksum])}"


def _remainder(values: list[int]) -> int:
    rest = 1
    for value in values:
        top = rest >> 25
        rest = (rest & 0x1FFFFFF) << 5 ^ value
        for position, generator in enumerate(_GENERATORS):
            if top >> position & 1:
                rest ^= generator
    return rest
