"""What can be wrong with an address, in closed codes that clients may rely on."""

from dataclasses import dataclass
from enum import StrEnum


class Flaw(StrEnum):
    PREFIX = "prefix"  # does not begin as addresses of this network do
    ALPHABET = "alphabet"  # a character that no such address has
    LENGTH = "length"
    MIXED_CASE = "mixed_case"  # capitals and small letters, where only one kind may be
    CHECKSUM = "checksum"  # most likely a typing error
    VERSION = "version"  # well formed, but of a test network or a kind that cannot be paid to
    NETWORK_UNKNOWN = "network_unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``reason`` is given when, and only when, the address is not valid."""

    is_valid: bool
    network: str | None  # None: the network is not known
    reason: Flaw | None = None
