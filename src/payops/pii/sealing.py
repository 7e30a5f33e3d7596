"""Encryption and keyed hashing, as pure functions of keys and bytes.

AES-256-GCM with a random 96-bit nonce; what a value belongs to is associated data, so a
sealed value copied to another row, column or user does not open there. Each column has a
key of its own, derived once by HKDF (NIST SP 800-38D allows 2^32 random nonces a key:
rotate long before four thousand million values of one column are sealed under it).

A sealed value: version byte, length of the key id, key id, nonce, ciphertext with tag.
"""

import base64
import binascii
import hmac
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from payops.pii.domain import KeyMaterial, Place
from payops.pii.errors import SealBroken, SealingKeyMissing

KEYS_NAME: Final = "PAYOPS_PII__KEYS"
INDEX_KEY_NAME: Final = "PAYOPS_PII__INDEX_KEY"

_VERSION = b"\x01"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)

# 128 bits tell 10^9 phone numbers apart with room to spare, and halve the index.
_DIGEST_BYTES = 16
TAG_BYTES: Final = 2  # which index key an index was made with
INDEX_BYTES: Final = TAG_BYTES + _DIGEST_BYTES


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Sealing keys by id: the primary seals, all of them open."""

    primary: str
    keys: Mapping[str, bytes] = field(repr=False)
    name: str = field(default=KEYS_NAME, compare=False, repr=False)  #: where it is configured

    @classmethod
    def parse(cls, text: str, name: str = KEYS_NAME) -> "KeyRing":
        """Read ``k2:BASE64,k1:BASE64``; the first is primary.

        Raises:
            ValueError: written otherwise. The text names ``name`` and the key id or
                position, and nothing of a key.
        """
        keys: dict[str, bytes] = {}
        for position, part in enumerate(text.split(","), start=1):
            key_id, _, encoded = part.strip().partition(":")
            if not encoded or not _KEY_ID.fullmatch(key_id):
                raise ValueError(f"{name}: key {position} is not written as id:BASE64")
            if key_id in keys:
                raise ValueError(f"{name}: key id {key_id} occurs twice")
            keys[key_id] = parse_key(encoded, f"{name}: key {key_id}")
        return cls(next(iter(keys)), keys, name)


def parse_key(text: str, name: str = INDEX_KEY_NAME) -> bytes:
    """32 bytes from standard base64.

    Raises:
        ValueError: not that; the text names ``name`` and nothing of the key.
    """
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{name} is not standard base64") from None
    if len(key) != _KEY_BYTES:
        raise ValueError(f"{name} has {len(key)} bytes, not {_KEY_BYTES}")
    return key


class Sealer:
    """Seals under the primary key of a ring and opens under any of its keys.

    Only the personal data service opens values: it records who read what and why.
    """

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._ciphers: dict[tuple[str, str, str], AESGCM] = {}  # one a key and column

    @property
    def header(self) -> bytes:
        """What every value sealed from now on begins with, and no other value does."""
        return _header(self._ring.primary)

    def has(self, key_id: str) -> bool:
        """Whether values under ``key_id`` can be opened."""
        return key_id in self._ring.keys

    def seal(self, place: Place, value: bytes) -> bytes:
        key_id = self._ring.primary
        header = _header(key_id)
        nonce = os.urandom(_NONCE_BYTES)
        cipher = self._cipher(key_id, place)
        return header + nonce + cipher.encrypt(nonce, value, _bound_to(header, place))

    def open(self, place: Place, sealed: bytes) -> bytes:
        """What was sealed at ``place``.

        Raises:
            SealBroken: altered, cut, or sealed at another place.
            SealingKeyMissing: its key is not in the ring; the text names the key id.
        """
        key_id = key_id_of(sealed)
        if key_id not in self._ring.keys:
            raise SealingKeyMissing(f"sealing key {key_id} is not in {self._ring.name}")
        header = _header(key_id)
        nonce_end = len(header) + _NONCE_BYTES
        nonce = sealed[len(header) : nonce_end]
        try:
            cipher = self._cipher(key_id, place)
            return cipher.decrypt(nonce, sealed[nonce_end:], _bound_to(header, place))
        except InvalidTag:
            raise SealBroken(f"{place.field} of row {place.row_id}") from None

    def _cipher(self, key_id: str, place: Place) -> AESGCM:
        column = (key_id, place.table, place.column)
        cipher = self._ciphers.get(column)
        if cipher is None:
            purpose = _framed(b"seal", place.table.encode(), place.column.encode())
            cipher = AESGCM(_derive(self._ring.keys[key_id], purpose))
            self._ciphers[column] = cipher
        return cipher


class _KeyedHash:
    """HMAC-SHA-256 under a key for each purpose, derived once from one root key."""

    _family: bytes

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise ValueError(f"a key has {_KEY_BYTES} bytes, not {len(key)}")
        self._root = key
        self._keys: dict[str, bytes] = {}

    def _digest(self, purpose: str, message: bytes) -> bytes:
        key = self._keys.get(purpose)
        if key is None:
            key = _derive(self._root, _framed(self._family, purpose.encode()))
            self._keys[purpose] = key
        return hmac.digest(key, message, "sha256")


class _Digests(_KeyedHash):
    """The hashes of one index key, and the tag that says they are its own."""

    _family = b"blind index"

    def __init__(self, key: bytes) -> None:
        super().__init__(key)
        self.tag = _derive(key, _framed(b"blind index tag"))[:TAG_BYTES]

    def of(self, purpose: str, value: bytes) -> bytes:
        return self._digest(purpose, value)[:_DIGEST_BYTES]


class BlindIndex:
    """Finds equal values without reading them. ``purpose`` is a constant, never input.

    Keyed, because there are about 10^9 Kenyan numbers: a plain hash of one is reversed in
    minutes. While the key is rotated there are two: what is written is of the new one, and
    what is looked for is tried under both.

    Raises:
        ValueError: a key is not 32 bytes, or the two cannot be told apart.
    """

    def __init__(self, key: bytes, previous: bytes | None = None) -> None:
        self._current = _Digests(key)
        self._all = (self._current, *((_Digests(previous),) if previous else ()))
        if len({digests.tag for digests in self._all}) < len(self._all):
            raise ValueError("the new index key and the previous one look alike: make another")

    @property
    def tag(self) -> bytes:
        """What every index made from now on begins with."""
        return self._current.tag

    def of(self, purpose: str, value: bytes) -> bytes:
        """18 bytes, the same for the same value, purpose and key only."""
        return self._current.tag + self._current.of(purpose, value)

    def all_of(self, purpose: str, value: bytes) -> tuple[bytes, ...]:
        """Every index that ``value`` may be stored under, the newest first.

        Those without a tag were written by versions that knew one key only.
        """
        tagged = self.tagged(purpose, value)
        return (*tagged, *(index[TAG_BYTES:] for index in tagged))

    def tagged(self, purpose: str, value: bytes) -> tuple[bytes, ...]:
        """The index of ``value`` under each key there is now, the newest first."""
        return tuple(digests.tag + digests.of(purpose, value) for digests in self._all)

    def matches(self, purpose: str, value: bytes, stored: bytes) -> bool:
        """Whether ``stored`` is an index of ``value``, under either key."""
        return any(hmac.compare_digest(stored, index) for index in self.all_of(purpose, value))


class Fingerprints(_KeyedHash):
    """Tells requests and deliveries apart without keeping them: 32 bytes each.

    ``purpose`` is a constant, never input.
    """

    _family = b"fingerprint"

    def of(self, purpose: str, *parts: bytes) -> bytes:
        """The same for the same parts in the same order, cut at the same places."""
        return self._digest(purpose, _framed(*parts))


@dataclass(frozen=True, slots=True)
class Keys:
    """What is derived from one set of key material, once: never while a request waits."""

    sealer: Sealer = field(repr=False)
    index: BlindIndex = field(repr=False)
    fingerprints: Fingerprints = field(repr=False)

    @classmethod
    def of(cls, material: KeyMaterial) -> "Keys":
        """Raises ``ValueError`` for what cannot be used; it names the key and shows nothing of it.

        Fingerprints outlive any index: what they were made of is not kept, so they cannot be
        made anew. Their key must therefore be stated before the index key may change.
        """
        index_key = parse_key(material.index_key, material.name_of("index_key"))
        previous = material.index_key_previous
        fingerprint = material.fingerprint_key
        if previous and not fingerprint:
            raise ValueError(
                f"{material.name_of('fingerprint_key')} is not set: while the index key is rotated "
                f"it must be what the index key was before, or repeated requests are taken for new"
            )
        return cls(
            Sealer(KeyRing.parse(material.keys, material.name_of("keys"))),
            BlindIndex(
                index_key,
                parse_key(previous, material.name_of("index_key_previous")) if previous else None,
            ),
            Fingerprints(
                parse_key(fingerprint, material.name_of("fingerprint_key"))
                if fingerprint
                else index_key
            ),
        )


def key_id_of(sealed: bytes) -> str:
    """The id of the key that ``sealed`` was sealed under.

    Raises:
        SealBroken: no value that ``Sealer`` made.
    """
    id_end = 2 + sealed[1] if len(sealed) > 1 else 0
    if sealed[:1] != _VERSION or len(sealed) < id_end + _NONCE_BYTES + _TAG_BYTES:
        raise SealBroken("not a sealed value")
    key_id = sealed[2:id_end].decode("ascii", errors="replace")
    if not _KEY_ID.fullmatch(key_id):
        raise SealBroken("not a sealed value")
    return key_id


def _header(key_id: str) -> bytes:
    return _VERSION + len(key_id).to_bytes(1) + key_id.encode()


def _bound_to(header: bytes, place: Place) -> bytes:
    return _framed(
        header,
        place.table.encode(),
        place.column.encode(),
        place.user_id.encode(),
        place.row_id.bytes,
    )


def _framed(*parts: bytes) -> bytes:
    """``parts`` with their lengths, so that no two lists of parts are spelled alike."""
    return b"".join(len(part).to_bytes(4) + part for part in parts)


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), _KEY_BYTES, salt=None, info=b"payops/1" + purpose).derive(key)
