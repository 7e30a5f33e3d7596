"""Addresses that name an account by its key or its hash: Solana, Stellar, TON."""

import base64
import binascii
import re
from typing import Final

from payops.deposits.addresses.base58check import decoded
from payops.deposits.addresses.verdicts import Flaw

_SOLANA_BYTES: Final = 32

_STELLAR_CHARACTERS: Final = 56
_BASE_32: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
_STELLAR_ACCOUNT: Final = 6 << 3

_TON_CHARACTERS: Final = 48
_BASE_64: Final = re.compile(r"[0-9A-Za-z+/]+|[0-9A-Za-z_-]+", re.ASCII)
_RAW_TON: Final = re.compile(r"(?:0|-1):[0-9a-fA-F]{64}", re.ASCII)
_TON_FLAGS: Final = frozenset({0x11, 0x51})  # bounces or not; with 0x80 for test networks
_TON_CHAINS: Final = frozenset({0x00, 0xFF})  # the basic chain, the master chain


def solana_flaw(address: str) -> Flaw | None:
    """There is no checksum, so most typing errors pass.

    Nor must the key be a point of the curve: accounts that programs own are not.
    """
    content = decoded(address)
    if content is None:
        return Flaw.ALPHABET
    return None if len(content) == _SOLANA_BYTES else Flaw.LENGTH


def stellar_flaw(address: str) -> Flaw | None:
    """An account, ``G…``. One with the memo inside, ``M…``, is refused: the memo is kept apart
    here, and the two could differ.
    """
    if not address.startswith("G"):
        return Flaw.PREFIX
    if not _BASE_32.issuperset(address):
        return Flaw.ALPHABET
    if len(address) != _STELLAR_CHARACTERS:
        return Flaw.LENGTH
    content = base64.b32decode(address)
    if binascii.crc_hqx(content[:-2], 0) != int.from_bytes(content[-2:], "little"):
        return Flaw.CHECKSUM
    return None if content[0] == _STELLAR_ACCOUNT else Flaw.VERSION


def ton_flaw(address: str) -> Flaw | None:
    """The form for people, with a checksum, or ``chain:hash``, which has none."""
    if _RAW_TON.fullmatch(address):
        return None
    if not _BASE_64.fullmatch(address):
        return Flaw.ALPHABET
    if len(address) != _TON_CHARACTERS:
        return Flaw.LENGTH
    content = base64.b64decode(address, altchars=b"-_" if set(address) & {"-", "_"} else b"+/")
    if binascii.crc_hqx(content[:-2], 0) != int.from_bytes(content[-2:], "big"):
        return Flaw.CHECKSUM
    is_known = content[0] in _TON_FLAGS and content[1] in _TON_CHAINS
    return None if is_known else Flaw.VERSION
