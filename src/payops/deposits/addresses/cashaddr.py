"""Bitcoin Cash addresses, with or without ``bitcoincash:`` before them.

The older spelling, ``1…`` and ``3…``, is refused: it is the same as Bitcoin's, so nobody can
tell by looking at it which of the two coins is meant.
"""

from collections.abc import Iterable
from typing import Final

from payops.deposits.addresses import fivebits
from payops.deposits.addresses.verdicts import Flaw

_PREFIX: Final = "bitcoincash"
_GENERATOR: Final = (0x98F2BC8E61, 0x79B76D99E2, 0xF33E5FB3C4, 0xAE2EABE2A8, 0x1E4F43E470)
_CHECKSUM_CHARACTERS: Final = 8
_FIRST_CHARACTERS: Final = ("q", "p", "z", "r")  # to a key, to a script; and both with tokens

# The first byte is the kind and the length of the hash that follows.
_HASH_BYTES_OF_VERSION: Final = {0x00: 20, 0x08: 20, 0x0B: 32, 0x10: 20, 0x18: 20, 0x1B: 32}


def flaw(address: str) -> Flaw | None:
    small = address.lower()
    payload = small.removeprefix(f"{_PREFIX}:")
    if ":" in payload or not payload.startswith(_FIRST_CHARACTERS):
        return Flaw.PREFIX
    if address not in {small, address.upper()}:
        return Flaw.MIXED_CASE
    values = fivebits.values_of(payload)
    if values is None:
        return Flaw.ALPHABET
    if _polymod([*(code & 31 for code in _PREFIX.encode()), 0, *values]) != 0:
        return Flaw.CHECKSUM
    content = fivebits.to_bytes(values[:-_CHECKSUM_CHARACTERS])
    if not content:
        return Flaw.LENGTH
    hash_bytes = _HASH_BYTES_OF_VERSION.get(content[0])
    if hash_bytes is None:
        return Flaw.VERSION
    return None if len(content) == 1 + hash_bytes else Flaw.LENGTH


def _polymod(values: Iterable[int]) -> int:
    remainder = 1
    for value in values:
        top = remainder >> 35
        remainder = (remainder & 0x07FFFFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATOR):
            if top >> bit & 1:
                remainder ^= generator
    return remainder ^ 1
