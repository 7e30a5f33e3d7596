"""Segwit addresses: bech32 for version 0 (BIP-173), bech32m from version 1 on (BIP-350).

Only what somebody can own today passes: 20 or 32 bytes of version 0, and 32 bytes of
version 1, which is taproot. The BIPs ask wallets to pay to later versions as well, for the
sake of the future; today such money would be lost, or anybody's.
"""

from collections.abc import Iterable
from typing import Final

from payops.deposits.addresses import fivebits
from payops.deposits.addresses.verdicts import Flaw

_GENERATOR: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM_OF_VERSION: Final = (1, 0x2BC830A3)  # bech32, bech32m
_LENGTHS_OF_VERSION: Final = (frozenset({20, 32}), frozenset({32}))
_CHECKSUM_CHARACTERS: Final = 6
_CHARACTERS_MAX: Final = 90


def flaw(address: str, prefix: str) -> Flaw | None:
    """What is wrong with ``address`` of the network whose addresses begin with ``prefix``.

    All capitals are fine: QR codes have them. ``prefix`` is without the ``1`` after it.
    """
    small = address.lower()
    if not small.startswith(f"{prefix}1"):
        return Flaw.PREFIX
    if address not in {small, address.upper()}:
        return Flaw.MIXED_CASE
    values = fivebits.values_of(small[len(prefix) + 1 :])
    if values is None:
        return Flaw.ALPHABET
    if len(values) <= _CHECKSUM_CHARACTERS or len(small) > _CHARACTERS_MAX:
        return Flaw.LENGTH
    return _flaw_of(prefix, values)


def _flaw_of(prefix: str, values: list[int]) -> Flaw | None:
    remainder = _polymod([*_expanded(prefix), *values])
    if remainder not in _CHECKSUM_OF_VERSION:
        return Flaw.CHECKSUM
    version = values[0]
    if version >= len(_CHECKSUM_OF_VERSION):
        return Flaw.VERSION
    if remainder != _CHECKSUM_OF_VERSION[version]:
        return Flaw.CHECKSUM
    program = fivebits.to_bytes(values[1:-_CHECKSUM_CHARACTERS])
    if program is None or len(program) not in _LENGTHS_OF_VERSION[version]:
        return Flaw.LENGTH
    return None


def _expanded(prefix: str) -> list[int]:
    codes = prefix.encode()
    return [*(code >> 5 for code in codes), 0, *(code & 31 for code in codes)]


def _polymod(values: Iterable[int]) -> int:
    remainder = 1
    for value in values:
        top = remainder >> 25
        remainder = (remainder & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATOR):
            if top >> bit & 1:
                remainder ^= generator
    return remainder
