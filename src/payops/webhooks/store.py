"""The inbox's SQL."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from payops.infra.db import Record, Tx
from payops.kernel.ids import floor_id
from payops.webhooks.domain import Delivery, Kept, State
from payops.webhooks.tables import webhook_deliveries as table

_INSERT = """
INSERT INTO webhook_deliveries (id, source, dedupe_key, path_reference, body_sealed, state, due_at)
SELECT n.*, CASE n.state WHEN 'pending' THEN now() END
FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[], $5::bytea[], $6::text[])
    AS n (id, source, dedupe_key, path_reference, body_sealed, state)
ORDER BY n.source, n.dedupe_key
ON CONFLICT (source, dedupe_key) DO NOTHING
RETURNING id
"""

_LOCK = """
SELECT id, source, dedupe_key, path_reference, body_sealed, state, attempts, errors,
    received_at < now() - $2::interval AS is_old
FROM webhook_deliveries
WHERE id = ANY($1::uuid[]) AND due_at IS NOT NULL AND body_sealed IS NOT NULL
ORDER BY id FOR UPDATE SKIP LOCKED
"""

_DUE = """
SELECT id FROM webhook_deliveries WHERE due_at <= now() ORDER BY due_at LIMIT $1
"""

_MARK = """
UPDATE webhook_deliveries d SET state = n.state, attempts = d.attempts + 1, reason = n.reason,
    user_id = coalesce(n.user_id, d.user_id), subject = coalesce(n.subject, d.subject),
    errors = CASE n.reason WHEN 'error' THEN d.errors + 1 ELSE 0 END,
    due_at = now() + n.wait, handled_at = CASE WHEN n.wait IS NULL THEN now() END
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::interval[])
    AS n (id, state, reason, user_id, subject, wait)
WHERE d.id = n.id
"""

# Skipping what is locked: whoever applies it may be waiting for a lock of ours.
_WAKE_UNKNOWN = """
UPDATE webhook_deliveries SET due_at = now() WHERE id IN (
    SELECT id FROM webhook_deliveries
    WHERE state = 'unknown' AND source = $1 AND subject = ANY($2::text[]) AND due_at > now()
    LIMIT 1000 FOR UPDATE SKIP LOCKED)
"""

_FORGET_BODIES = """
UPDATE webhook_deliveries SET body_sealed = NULL WHERE id IN (
    SELECT id FROM webhook_deliveries
    WHERE received_at < now() - make_interval(days => $1) AND body_sealed IS NOT NULL
        AND state = 'applied'
    LIMIT $2 FOR UPDATE SKIP LOCKED)
"""

_FORGET_REJECTED = """
DELETE FROM webhook_deliveries WHERE id IN (
    SELECT id FROM webhook_deliveries
    WHERE state = 'rejected' AND received_at < now() - make_interval(days => $1)
    LIMIT $2 FOR UPDATE SKIP LOCKED)
"""

# Ids grow with time: the index on state and id finds the last day's, however many are older.
_A_DAY = timedelta(days=1)
_FIGURES = """
SELECT state, count(*) AS count,
    coalesce(extract(epoch FROM now() - min(received_at)), 0)::bigint AS oldest_seconds
FROM webhook_deliveries
WHERE state IN ('pending', 'parked', 'unknown') OR (state = 'rejected' AND id >= $1)
GROUP BY state
"""

_COUNT_BODIES = """
SELECT count(*) FILTER (WHERE state = 'applied') AS applied,
    count(*) FILTER (WHERE state <> 'applied') AS waiting
FROM webhook_deliveries WHERE user_id = $1 AND body_sealed IS NOT NULL
"""

_ERASE_BODIES = """
UPDATE webhook_deliveries SET body_sealed = NULL
WHERE user_id = $1 AND body_sealed IS NOT NULL AND state = 'applied'
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Notifications in one state: how many, and the age of the oldest in seconds."""

    state: State
    count: int
    oldest_seconds: int


async def insert(tx: Tx, deliveries: Sequence[Kept]) -> set[UUID]:
    """Keep ``deliveries``; returns the ids of those that had not come before."""
    rows = await tx.fetch(
        _INSERT,
        [d.id for d in deliveries],
        [d.source for d in deliveries],
        [d.dedupe_key for d in deliveries],
        [d.path_reference for d in deliveries],
        [d.body_sealed for d in deliveries],
        [d.state for d in deliveries],
    )
    return {row["id"] for row in rows}


async def lock(tx: Tx, ids: Collection[UUID], unknown_for: timedelta) -> list[Record]:
    """Those that still await their effect and that nobody else is at."""
    return await tx.fetch(_LOCK, list(ids), unknown_for)


async def due(tx: Tx, limit: int) -> list[UUID]:
    return [row["id"] for row in await tx.fetch(_DUE, limit)]


async def mark(
    tx: Tx,
    marks: Sequence[tuple[UUID, State, str, str | None, str | None, timedelta | None]],
) -> None:
    """Set ``(id, state, reason, user_id, subject, wait)``; without a wait it is handled."""
    await tx.execute(_MARK, *map(list, zip(*marks, strict=True)))


async def wake_unknown(tx: Tx, source: str, subjects: Collection[str]) -> int:
    return await tx.execute(_WAKE_UNKNOWN, source, list(subjects))


async def count_bodies(tx: Tx, user_id: str) -> tuple[int, int]:
    (row,) = await tx.fetch(_COUNT_BODIES, user_id)
    return row["applied"], row["waiting"]


async def erase_bodies(tx: Tx, user_id: str) -> int:
    return await tx.execute(_ERASE_BODIES, user_id)


async def reopen(tx: Tx, delivery_id: UUID) -> bool:
    """Make it pending and due; false when its body is gone and nothing could be applied."""
    changed = await tx.execute(
        "UPDATE webhook_deliveries SET state = 'pending', due_at = now(), handled_at = NULL "
        "WHERE id = $1 AND body_sealed IS NOT NULL",
        delivery_id,
    )
    return changed > 0


async def get(tx: Tx, delivery_id: UUID) -> Delivery | None:
    found = await _select(tx, sa.select(table).where(table.c.id == delivery_id))
    return found[0] if found else None


async def sealed_body(tx: Tx, delivery_id: UUID) -> bytes | None:
    """``None`` when it is past its retention, or nothing has this id."""
    sealed: bytes | None = await tx.fetchval(
        "SELECT body_sealed FROM webhook_deliveries WHERE id = $1", delivery_id
    )
    return sealed


async def page(tx: Tx, *, state: State | None, before: UUID | None, limit: int) -> list[Delivery]:
    query = sa.select(table).order_by(table.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(table.c.state == state.value)
    if before is not None:
        query = query.where(table.c.id < before)
    return await _select(tx, query)


async def about(
    tx: Tx, subject: str, since: datetime, until: datetime, limit: int
) -> list[Delivery]:
    """Those about ``subject`` that came in a period, oldest first."""
    query = (
        sa.select(table)
        .where(table.c.subject == subject)
        .where(table.c.received_at >= since, table.c.received_at < until)
        .order_by(table.c.id)
        .limit(limit)
    )
    return await _select(tx, query)


async def forget_bodies(tx: Tx, *, older_than_days: int, limit: int) -> int:
    return await tx.execute(_FORGET_BODIES, older_than_days, limit)


async def forget_rejected(tx: Tx, *, older_than_days: int, limit: int) -> int:
    return await tx.execute(_FORGET_REJECTED, older_than_days, limit)


async def figures(tx: Tx) -> list[Figures]:
    """The states in which something waits, and what was refused within a day; what was applied
    is not counted.
    """
    now: datetime = await tx.fetchval("SELECT now()")
    return [
        Figures(State(row["state"]), row["count"], row["oldest_seconds"])
        for row in await tx.fetch(_FIGURES, floor_id(now - _A_DAY))
    ]


async def _select(tx: Tx, query: sa.Select[tuple[object, ...]]) -> list[Delivery]:
    return [
        Delivery(
            id=row.id,
            source=row.source,
            state=State(row.state),
            attempts=row.attempts,
            received_at=row.received_at,
            handled_at=row.handled_at,
            reason=row.reason,
            subject=row.subject,
            path_reference=row.path_reference,
        )
        for row in await tx.select(query)
    ]
