"""SQL of the audit log. Columns are read in binary wire form, so hashing needs no types."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Text, Uuid, select

from payops.audit.domain import (
    BLOCK_ROWS_MAX,
    OVERLAP,
    AuditEvent,
    Block,
    Head,
    Newest,
    Row,
    Written,
    row_hash,
)
from payops.audit.tables import audit_log
from payops.infra.db import Record, Tx

_EVER = datetime(1970, 1, 1, tzinfo=UTC)  # before anything was recorded

_BLOCKS_MAX = 200

HASHED_COLUMNS = tuple(column.name for column in audit_log.columns)

_SEND = {Text: "textsend", Uuid: "uuid_send"}
_WIRE = ", ".join(
    f"{_SEND.get(type(column.type), 'timestamptz_send')}({column.name}) AS wire_{column.name}"
    for column in audit_log.columns
)
_WIRE_NAMES = tuple((name, f"wire_{name}") for name in HASHED_COLUMNS)

_INSERT = """
INSERT INTO audit_log (user_id, id, kind, actor, subject, request_id, detail)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
                     $7::text[])
 WHERE clock_timestamp() < now() + $8::interval
"""

# No more than the sealed ones can come before the rows that are wanted: with that bound a
# long backlog is read along the index, a block at a time.
_UNSEALED = f"""
WITH sealed AS MATERIALIZED (
    SELECT unnest(row_ids) AS id FROM audit_seals WHERE reaches >= $1
), earliest AS (
    SELECT * FROM audit_log WHERE at >= $1 ORDER BY at, id
     LIMIT {BLOCK_ROWS_MAX} + (SELECT count(*) FROM sealed)
)
SELECT id, at, {_WIRE}
  FROM earliest
 WHERE NOT EXISTS (SELECT FROM sealed WHERE sealed.id = earliest.id)
 ORDER BY at, id
 LIMIT {BLOCK_ROWS_MAX}
"""  # noqa: S608 - made of our own column names

_TIP = """
SELECT now() AS now, newest.*
  FROM (VALUES (1)) AS one
  LEFT JOIN (SELECT seq, hash, reaches, sealed_at FROM audit_seals ORDER BY seq DESC LIMIT 1)
       AS newest ON true
"""

# Two sealers at once: the block number decides, the other one's block is not written.
_APPEND = """
INSERT INTO audit_seals (seq, sealed_at, reaches, row_ids, row_hashes, prev_hash, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT DO NOTHING
"""

# As many blocks as hold about one full block's rows between them, and always at least one.
_BLOCKS = f"""
SELECT seq, sealed_at, reaches, row_ids, row_hashes, prev_hash, hash
  FROM (SELECT *, sum(cardinality(row_ids)) OVER (ORDER BY seq) - cardinality(row_ids) AS before
          FROM (SELECT * FROM audit_seals WHERE seq > $1 ORDER BY seq LIMIT {_BLOCKS_MAX})
               AS following) AS counted
 WHERE before < {BLOCK_ROWS_MAX}
 ORDER BY seq
"""  # noqa: S608 - numbers of our own

_ROWS = f"SELECT id, {_WIRE} FROM audit_log WHERE id = ANY($1::uuid[])"  # noqa: S608 - as above

_COLUMNS = """
SELECT attname::text AS name FROM pg_attribute
 WHERE attrelid = 'audit_log'::regclass AND attnum > 0 AND NOT attisdropped
"""

_BEHIND = """
WITH sealed AS MATERIALIZED (SELECT unnest(row_ids) AS id FROM audit_seals)
SELECT id FROM audit_log
 WHERE at < (SELECT reaches FROM audit_seals ORDER BY seq DESC LIMIT 1) - $1::interval
   AND NOT EXISTS (SELECT FROM sealed WHERE sealed.id = audit_log.id)
 ORDER BY id LIMIT 1
"""

# A block reaches at least to each of its rows, so earlier ones need not be opened.
_SEALED_BY = """
SELECT r.id, s.seq FROM unnest($1::uuid[], $2::timestamptz[]) AS r (id, at)
CROSS JOIN LATERAL (
    SELECT seq FROM audit_seals WHERE reaches >= r.at AND r.id = ANY (row_ids)
    ORDER BY reaches LIMIT 1
) AS s
"""

_CHOSEN = """
SELECT seq, sealed_at, reaches, row_ids, row_hashes, prev_hash, hash
  FROM audit_seals WHERE seq = ANY($1::bigint[]) ORDER BY seq
"""

# The first block that can hold a row of the period, and the last: rows are sealed at most
# OVERLAP behind what the block before theirs reaches to.
_EXTENT = """
SELECT (SELECT min(seq) FROM audit_seals WHERE reaches >= $1) AS first,
    coalesce((SELECT min(seq) FROM audit_seals WHERE reaches >= $2::timestamptz + $3::interval),
        (SELECT max(seq) FROM audit_seals)) AS last
"""

_WRITTEN = """
SELECT user_id, id, at, kind, actor, subject, request_id, detail
  FROM audit_log WHERE id = ANY($1::uuid[]) ORDER BY at, id
"""

# How many ids the blocks list is not known to the planner: a nested loop would take days.
_BEHIND_SETTINGS = """
SET LOCAL statement_timeout = '1h'; SET LOCAL enable_nestloop = off; SET LOCAL work_mem = '64MB'
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One record as it is read back."""

    user_id: str
    id: UUID
    at: datetime
    kind: str
    actor: str
    subject: str | None
    request_id: str | None
    detail: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Tip:
    """The newest block, if there is one, beside the database's clock."""

    now: datetime
    newest: Newest | None


async def insert(
    tx: Tx, events: Sequence[AuditEvent], details: Sequence[str], open_for_max: timedelta
) -> int:
    """How many rows went in: all, or none when ``tx`` has been open for too long."""
    return await tx.execute(
        _INSERT,
        [event.user_id for event in events],
        [event.id for event in events],
        [event.kind for event in events],
        [event.actor for event in events],
        [event.subject for event in events],
        [event.request_id for event in events],
        details,
        open_for_max,
    )


async def newest(
    tx: Tx,
    *,
    user_id: str | None,
    subject: str | None,
    kind: str | None,
    request_id: str | None,
    before: UUID | None,
    limit: int,
) -> list[Entry]:
    columns = audit_log.c
    query = select(audit_log).order_by(columns.id.desc()).limit(limit)
    for column, value in (
        (columns.user_id, user_id),
        (columns.subject, subject),
        (columns.kind, kind),
        (columns.request_id, request_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if before is not None:
        query = query.where(columns.id < before)
    return [
        Entry(**row._asdict() | {"detail": _read(row.detail)}) for row in await tx.select(query)
    ]


async def tip(tx: Tx) -> Tip:
    row: Record = await tx.fetchrow(_TIP)
    if row["seq"] is None:
        return Tip(row["now"], None)
    head = Head(row["seq"], row["hash"])
    return Tip(row["now"], Newest(head, row["reaches"], row["sealed_at"]))


async def unsealed(tx: Tx, since: datetime | None) -> list[Row]:
    """The earliest rows not sealed yet, from ``since`` on; at most ``BLOCK_ROWS_MAX``."""
    records = await tx.fetch(_UNSEALED, since or _EVER)
    # Thousands of hashes would stop the event loop for tens of milliseconds.
    return await asyncio.to_thread(_rows, records)


async def append(tx: Tx, block: Block) -> bool:
    """Whether ``block`` is now the head; false when another sealer was first."""
    return bool(
        await tx.execute(
            _APPEND,
            block.seq,
            block.sealed_at,
            block.reaches,
            block.row_ids,
            block.row_hashes,
            block.prev_hash,
            block.hash,
        )
    )


async def blocks_after(tx: Tx, seq: int) -> list[Block]:
    """The next blocks, with fewer than twice ``BLOCK_ROWS_MAX`` rows between them."""
    return [Block(*row) for row in await tx.fetch(_BLOCKS, seq)]


async def hashes_of(tx: Tx, row_ids: Sequence[UUID]) -> dict[UUID, list[bytes]]:
    """The hashes of the rows that bear these ids now; a missing one has none."""
    records = await tx.fetch(_ROWS, row_ids)
    return await asyncio.to_thread(_by_id, records)


async def uncovered_columns(tx: Tx) -> list[str]:
    """Columns of the table that no hash covers: there must be none."""
    names = {row["name"] for row in await tx.fetch(_COLUMNS)}
    return sorted(names ^ set(HASHED_COLUMNS))


async def behind_the_chain(tx: Tx) -> UUID | None:
    """The first row that no block lists and that is too old to be sealed any more."""
    await tx.execute(_BEHIND_SETTINGS)
    found: UUID | None = await tx.fetchval(_BEHIND, OVERLAP)
    return found


async def sealed_by(tx: Tx, entries: Sequence[Entry]) -> dict[UUID, int]:
    """The number of the block that lists each of ``entries``; one that none lists is missing."""
    rows = await tx.fetch(_SEALED_BY, [e.id for e in entries], [e.at for e in entries])
    return {row["id"]: row["seq"] for row in rows}


async def blocks(tx: Tx, numbers: Iterable[int]) -> dict[int, Block]:
    rows = await tx.fetch(_CHOSEN, sorted(set(numbers)))
    return {row["seq"]: Block(*row) for row in rows}


async def extent(tx: Tx, since: datetime, until: datetime) -> tuple[int, int] | None:
    """The first and the last block that may hold rows of the period; ``None``: there are none."""
    (row,) = await tx.fetch(_EXTENT, since, until, OVERLAP)
    return None if row["first"] is None else (row["first"], max(row["first"], row["last"]))


async def written(tx: Tx, row_ids: Sequence[UUID]) -> list[Written]:
    """The rows with these ids in all their columns, in order of time."""
    return [Written(*row) for row in await tx.fetch(_WRITTEN, row_ids)]


def _read(detail: str) -> Mapping[str, object]:
    """A record that was tampered with is still shown."""
    try:
        value = json.loads(detail)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"unreadable": detail}


def _rows(records: Sequence[Record]) -> list[Row]:
    return [Row(record["id"], record["at"], _hash_of(record)) for record in records]


def _by_id(records: Sequence[Record]) -> dict[UUID, list[bytes]]:
    found: dict[UUID, list[bytes]] = {}
    for record in records:
        found.setdefault(record["id"], []).append(_hash_of(record))
    return found


def _hash_of(record: Record) -> bytes:
    return row_hash((name, record[wire]) for name, wire in _WIRE_NAMES)
