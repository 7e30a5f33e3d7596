"""Addresses in base 58: a version byte, a hash of 20 bytes, four bytes of checksum."""

from hashlib import sha256
from typing import Final

import base58

from payops.deposits.addresses.verdicts import Flaw

BITCOIN: Final = base58.BITCOIN_ALPHABET
XRP: Final = base58.XRP_ALPHABET

_CHECKSUM_BYTES: Final = 4
_BYTES: Final = 1 + 20 + _CHECKSUM_BYTES


def flaw(address: str, *, leading: str, versions: bytes, alphabet: bytes = BITCOIN) -> Flaw | None:
    """What is wrong with ``address``.

    ``leading`` are the characters that the allowed ``versions`` make an address begin with.
    """
    if not address.startswith(tuple(leading)):
        return Flaw.PREFIX
    content = decoded(address, alphabet)
    if content is None:
        return Flaw.ALPHABET
    if len(content) != _BYTES:
        return Flaw.LENGTH
    payload, checksum = content[:-_CHECKSUM_BYTES], content[-_CHECKSUM_BYTES:]
    if sha256(sha256(payload).digest()).digest()[:_CHECKSUM_BYTES] != checksum:
        return Flaw.CHECKSUM
    return None if payload[0] in versions else Flaw.VERSION


def decoded(text: str, alphabet: bytes = BITCOIN) -> bytes | None:
    """The bytes that ``text`` spells; ``None`` for a character outside ``alphabet``.

    Looked at here, because the library drops spaces and line breaks at the end.
    """
    if not set(text) <= set(alphabet.decode()):
        return None
    return base58.b58decode(text, alphabet)
