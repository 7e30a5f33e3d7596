"""Addresses of Ethereum and of the networks that took them over: ``0x`` and 40 digits.

An address does not say which of these networks it is for. EIP-55 hides a checksum in the
letters' case, so an address in mixed case must fit it. One in small letters or in capitals
only carries none, which the standard allows and older wallets still write: it passes.
"""

from typing import Final

from Crypto.Hash import keccak  # of pycryptodome

from payops.deposits.addresses.verdicts import Flaw

NETWORKS: Final = ("ethereum", "bsc", "polygon", "arbitrum", "base", "optimism", "avalanche-c")

_PREFIX: Final = "0x"
_DIGITS: Final = 40
_HEXADECIMAL: Final = frozenset("0123456789abcdefABCDEF")
_MAKES_A_CAPITAL: Final = frozenset("89abcdef")


def flaw(address: str) -> Flaw | None:
    if not address.startswith(_PREFIX):
        return Flaw.PREFIX
    digits = address[len(_PREFIX) :]
    if not _HEXADECIMAL.issuperset(digits):
        return Flaw.ALPHABET
    if len(digits) != _DIGITS:
        return Flaw.LENGTH
    if digits in {digits.lower(), digits.upper()}:
        return None
    return None if address == checksummed(address) else Flaw.CHECKSUM


def checksummed(address: str) -> str:
    """``address`` with its letters' case as EIP-55 wants it."""
    digits = address[len(_PREFIX) :].lower()
    capitals = keccak_256(digits.encode()).hex()
    return _PREFIX + "".join(
        digit.upper() if mark in _MAKES_A_CAPITAL else digit
        for digit, mark in zip(digits, capitals, strict=False)
    )


def keccak_256(content: bytes) -> bytes:
    """Keccak as Ethereum took it, before the standard changed: not ``hashlib.sha3_256``."""
    return keccak.new(digest_bits=256, data=content).digest()
