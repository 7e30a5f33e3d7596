"""What is recorded, and the chain that shows when a record was touched afterwards.

A row's hash covers every column of ``audit_log``; a block lists rows with their hashes and
carries the hash of the block before it. Whoever can rewrite the whole chain can still
forge it: the head logged at each seal (``audit.sealed``), kept outside the database, is
what a later verification can be held against.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from payops.kernel.ids import new_id, show_id

ID_PREFIX = "aud"
HOUSE: Final = "@house"  # the user id of events that concern no user

# A row's time is when its transaction began, so it can become visible behind later ones.
# The sealer looks back this far, and a transaction open for half as long may not record.
OVERLAP: Final = timedelta(minutes=10)
OPEN_FOR_MAX: Final = OVERLAP / 2
# How far back a pass looks that is not the first of its minute: most commits take
# milliseconds, and looking back over all of OVERLAP every few seconds is work for nothing.
OVERLAP_SHORT: Final = timedelta(seconds=10)

BLOCK_ROWS_MAX: Final = 5_000
HASH_BYTES: Final = 32
_WIRE_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)  # from which PostgreSQL counts
_ROW = b"payops audit row 1\n"
_BLOCK = b"payops audit block 1\n"
_PHONE = re.compile(r"(?<![0-9A-Za-z])\+?(?:254|0)[17][0-9]{8}(?![0-9A-Za-z])", re.ASCII)
_MASK = "*****"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One thing that happened. Nothing in it may be personal data; ids are not.

    ``kind`` is a lower-case name such as ``withdrawal_initiated``; ``actor`` says who did
    it (``user:…``, ``key:…``, ``system:dispatcher``); ``subject`` is the shown id of what
    it happened to. ``detail`` holds what JSON holds, amounts as integers of minor units.
    """

    kind: str
    actor: str
    user_id: str = HOUSE
    subject: str | None = None
    request_id: str | None = None
    detail: Mapping[str, object] = field(default_factory=dict)
    id: UUID = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class Head:
    """Where the chain ends: enough to add to it, or to hold it to later."""

    seq: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash.hex()}"

    @classmethod
    def parse(cls, text: str) -> "Head":
        """Read what ``str`` writes, as found in the log.

        Raises:
            ValueError: written otherwise.
        """
        seq, separator, digest = text.partition(":")
        if not (separator and seq.isascii() and seq.isdecimal()) or len(digest) != HASH_BYTES * 2:
            raise ValueError("an anchor is a block number, a colon and 64 hex digits")
        return cls(int(seq), bytes.fromhex(digest))


GENESIS: Final = Head(0, bytes(HASH_BYTES))  # what the first block follows


@dataclass(frozen=True, slots=True)
class Row:
    """A recorded row as the chain sees it."""

    id: UUID
    at: datetime
    hash: bytes


@dataclass(frozen=True, slots=True)
class Written:
    """A recorded row with all its columns, ``detail`` to the letter: what its hash is made of."""

    user_id: str
    id: UUID
    at: datetime
    kind: str
    actor: str
    subject: str | None
    request_id: str | None
    detail: str

    @property
    def hash(self) -> bytes:
        """As the database's columns in wire form give it, without a database."""
        microseconds = (self.at - _WIRE_EPOCH) // timedelta(microseconds=1)
        return row_hash(
            (
                ("user_id", self.user_id.encode()),
                ("id", self.id.bytes),
                ("at", microseconds.to_bytes(8, signed=True)),
                ("kind", self.kind.encode()),
                ("actor", self.actor.encode()),
                ("subject", None if self.subject is None else self.subject.encode()),
                ("request_id", None if self.request_id is None else self.request_id.encode()),
                ("detail", self.detail.encode()),
            )
        )


class Proof(StrEnum):
    """What the chain says of one row."""

    PROVEN = "proven"  # in a block that is whole and follows the one before it
    UNSEALED = "not_sealed_yet"
    TOUCHED = "touched"  # changed, twice there, or written behind the end of the chain


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows, in a fixed order, sealed at one moment.

    No row of the block is later than ``reaches``, and when the block was made no row that
    could be seen, and was earlier, was left unsealed within the overlap.
    """

    seq: int
    sealed_at: datetime
    reaches: datetime
    row_ids: Sequence[UUID]
    row_hashes: bytes
    prev_hash: bytes
    hash: bytes

    @property
    def head(self) -> Head:
        return Head(self.seq, self.hash)


@dataclass(frozen=True, slots=True)
class Newest:
    """What sealing needs to know of the newest block."""

    head: Head
    reaches: datetime
    sealed_at: datetime


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification found: ``first_bad`` is the shown id of a row, or ``block N``."""

    ok: bool
    rows: int  # sealed rows that were checked
    first_bad: str | None = None
    reason: str | None = None
    head: Head | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that does not agree with the chain."""

    where: str
    reason: str


def canonical(detail: Mapping[str, object]) -> str:
    """``detail`` as JSON that is spelled one way only: sorted, compact, ASCII."""
    return json.dumps(detail, sort_keys=True, separators=(",", ":"), allow_nan=False)


def without_phones(text: str) -> str:
    """``text`` with what looks like a Kenyan phone number masked.

    A second line of defence, not a licence: recording one is a defect, but refusing the
    record would stop the money it belongs to, and the row could never be corrected.
    """
    return _PHONE.sub(_MASK, text)


def row_hash(columns: Iterable[tuple[str, bytes | None]]) -> bytes:
    """The hash of one row from all its columns, name and binary value.

    Names and values carry their length, so no two rows are spelled alike. A null is left
    out: a column added later, null in the rows that are there, changes none of them.
    """
    parts = [_ROW]
    for name, value in columns:
        if value is not None:
            parts += (_sized(name.encode()), _sized(value))
    return hashlib.sha256(b"".join(parts)).digest()


def block_of(rows: Sequence[Row], newest: Newest | None, now: datetime) -> Block:
    """The block that follows ``newest`` and seals ``rows``, which are in order of time.

    A full block may have left later rows for the next one, so it reaches no further than
    its last row.
    """
    last = rows[-1].at
    before = newest.head if newest else GENESIS
    unsigned = Block(
        seq=before.seq + 1,
        sealed_at=now,
        reaches=last if len(rows) == BLOCK_ROWS_MAX else max(now, last),
        row_ids=[row.id for row in rows],
        row_hashes=b"".join(row.hash for row in rows),
        prev_hash=before.hash,
        hash=b"",
    )
    return replace(unsigned, hash=block_hash(unsigned))


def block_hash(block: Block) -> bytes:
    """What ``block.hash`` must be: it covers every other field of the block."""
    digest = hashlib.sha256(_BLOCK)
    for part in (
        block.prev_hash,
        str(block.seq).encode(),
        block.sealed_at.isoformat().encode(),
        block.reaches.isoformat().encode(),
        b"".join(row_id.bytes for row_id in block.row_ids),
        block.row_hashes,
    ):
        digest.update(_sized(part))
    return digest.digest()


def fault_in_link(before: Head, block: Block) -> Fault | None:
    """Why ``block`` does not follow ``before``, or is not as it was sealed."""
    if block.seq != before.seq + 1:
        return Fault(f"block {before.seq + 1}", "the block is missing")
    where = f"block {block.seq}"
    if block.prev_hash != before.hash:
        return Fault(where, "the block does not follow the one before it")
    if len(block.row_hashes) != HASH_BYTES * len(block.row_ids) or block_hash(block) != block.hash:
        return Fault(where, "the block was changed")
    return None


def fault_in_rows(block: Block, found: Mapping[UUID, Sequence[bytes]]) -> Fault | None:
    """The first row of ``block`` that is not as sealed; ``found`` has the hashes by id."""
    for place, row_id in enumerate(block.row_ids):
        fault = _fault_at(block, place, found.get(row_id, ()))
        if fault is not None:
            return fault
    return None


def fault_in_row(block: Block, row_id: UUID, hashes: Sequence[bytes]) -> Fault | None:
    """Why one row of ``block`` is not as sealed; ``hashes`` are those found under its id."""
    return _fault_at(block, list(block.row_ids).index(row_id), hashes)


def _fault_at(block: Block, place: int, hashes: Sequence[bytes]) -> Fault | None:
    sealed = block.row_hashes[place * HASH_BYTES : (place + 1) * HASH_BYTES]
    if list(hashes) == [sealed]:
        return None
    reason = "the row was changed"
    if not hashes:
        reason = "the row is missing"
    elif len(hashes) > 1:
        reason = "another row bears the same id"
    return Fault(show_id(ID_PREFIX, block.row_ids[place]), reason)


def look_back_from(newest: Newest, now: datetime) -> datetime:
    """From when a pass at ``now`` looks for unsealed rows.

    The first pass of each minute looks back over the whole overlap, the others over a
    short one: a row that commits late is sealed within the minute. Should the database's
    clock have gone back, the earlier moment counts.
    """
    first_of_its_minute = _minute(newest.sealed_at) != _minute(now)
    return min(newest.reaches, now) - (OVERLAP if first_of_its_minute else OVERLAP_SHORT)


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _sized(value: bytes) -> bytes:
    return len(value).to_bytes(4) + value
