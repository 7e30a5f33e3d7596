"""Base 32 as bech32 and cashaddr write it: 32 characters that are hard to confuse."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

_VALUES: Final = MappingProxyType(
    {character: value for value, character in enumerate("qpzry9x8gf2tvdw0s3jn54khce6mua7l")}
)


def values_of(text: str) -> list[int] | None:
    """One number of five bits a character; ``None`` for a character that is none of the 32."""
    values = [_VALUES.get(character, -1) for character in text]
    return None if -1 in values else values


def to_bytes(values: Sequence[int]) -> bytes | None:
    """The bytes in ``values``; ``None`` unless what is left over is under five zero bits.

    Without that rule one address could be spelled in several ways.
    """
    bits = 0
    for value in values:
        bits = bits << 5 | value
    length, over = divmod(5 * len(values), 8)
    if over > 4 or bits & ((1 << over) - 1):
        return None
    return (bits >> over).to_bytes(length)
