"""SQL of the breaks."""

import json
from collections.abc import Collection
from uuid import UUID

from payops.infra.db import Record, Tx
from payops.kernel.ids import new_id
from payops.reconciliation.domain import Break, BreakKind, Difference

_COLUMNS = "id, kind, provider, subject, user_id, detail, owner, opened_at, last_seen_at"

_OPEN_ONE = """
INSERT INTO reconciliation_breaks AS b (id, provider, kind, subject, user_id, detail)
VALUES ($1, $2, $3, $4, $5, $6::jsonb)
ON CONFLICT (provider, kind, subject) WHERE closed_at IS NULL DO UPDATE
   SET last_seen_at = now(), detail = excluded.detail
RETURNING b.id = $1 AS is_new
"""

_CLOSE_GONE = """
UPDATE reconciliation_breaks SET closed_at = now(), closed_by = $4, explanation = 'gone'
WHERE provider = $1 AND subject = $2 AND closed_at IS NULL AND NOT kind = ANY($3::text[])
"""

_OPEN = f"""
SELECT {_COLUMNS} FROM reconciliation_breaks
WHERE closed_at IS NULL AND ($1::uuid IS NULL OR id < $1) ORDER BY id DESC LIMIT $2
"""  # noqa: S608 - constants only

_COUNT = """
SELECT provider, count(*) AS count FROM reconciliation_breaks WHERE closed_at IS NULL
GROUP BY provider
"""

_ASSIGN = f"""
UPDATE reconciliation_breaks SET owner = $2 WHERE id = $1 AND closed_at IS NULL
RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only

# In one order: who closes another difference of the same payment waits here.
_LOCK_PAYMENT = """
SELECT b.id FROM reconciliation_breaks b
JOIN reconciliation_breaks one USING (provider, subject)
WHERE one.id = $1 AND b.closed_at IS NULL ORDER BY b.id FOR UPDATE OF b
"""

_CLOSE = f"""
UPDATE reconciliation_breaks SET closed_at = now(), closed_by = $2, explanation = $3
WHERE id = $1 AND closed_at IS NULL RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only


async def put(tx: Tx, one: Difference) -> bool:
    """Whether this difference is new."""
    row = await tx.fetchrow(
        _OPEN_ONE,
        new_id(),
        one.provider,
        one.kind,
        one.subject,
        one.user_id,
        json.dumps(dict(one.detail)),
    )
    return bool(row and row["is_new"])


async def close_gone(
    tx: Tx, provider: str, subject: str, still: Collection[BreakKind], *, by: str
) -> int:
    return await tx.execute(_CLOSE_GONE, provider, subject, list(still), by)


async def page(tx: Tx, *, before: UUID | None, limit: int) -> list[Break]:
    return [_break(row) for row in await tx.fetch(_OPEN, before, limit)]


async def counts(tx: Tx) -> dict[str, int]:
    return {row["provider"]: row["count"] for row in await tx.fetch(_COUNT)}


async def assign(tx: Tx, break_id: UUID, owner: str) -> Break | None:
    row = await tx.fetchrow(_ASSIGN, break_id, owner)
    return _break(row) if row else None


async def lock_payment(tx: Tx, break_id: UUID) -> set[UUID]:
    """The open breaks of the payment that this one is of; nobody closes them until we end."""
    return {row["id"] for row in await tx.fetch(_LOCK_PAYMENT, break_id)}


async def close(tx: Tx, break_id: UUID, *, by: str, explanation: str) -> Break | None:
    row = await tx.fetchrow(_CLOSE, break_id, by, explanation)
    return _break(row) if row else None


def _break(row: Record) -> Break:
    return Break(
        id=row["id"],
        kind=BreakKind(row["kind"]),
        provider=row["provider"],
        subject=row["subject"],
        user_id=row["user_id"],
        detail=row["detail"],
        owner=row["owner"],
        opened_at=row["opened_at"],
        last_seen_at=row["last_seen_at"],
    )
