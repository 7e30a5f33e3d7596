"""Blocks of users: at most one that is not lifted."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from payops.fraud.domain.blocks import Block
from payops.infra.db import Record, Tx

_ACTIVE = """
SELECT * FROM user_blocks
WHERE user_id = ANY($1::text[]) AND lifted_at IS NULL AND (until IS NULL OR until > now())
"""

_LIFT = """
UPDATE user_blocks SET lifted_at = now(), lifted_by = $2, lift_reason = $3
WHERE user_id = $1 AND lifted_at IS NULL
RETURNING *
"""

_INSERT = """
INSERT INTO user_blocks (user_id, id, reason, blocked_by, until) VALUES ($1, $2, $3, $4, $5)
RETURNING *
"""

_ALL_ACTIVE = """
SELECT user_id FROM user_blocks
WHERE lifted_at IS NULL AND (until IS NULL OR until > now()) AND user_id > $1
ORDER BY user_id LIMIT $2
"""


async def active(tx: Tx, users: Collection[str]) -> dict[str, Block]:
    """The block of each of ``users`` that is in force."""
    return {row["user_id"]: block_of(row) for row in await tx.fetch(_ACTIVE, list(users))}


async def insert(
    tx: Tx, user_id: str, block_id: UUID, *, reason: str, by: str, until: datetime | None
) -> Block:
    row: Record = await tx.fetchrow(_INSERT, user_id, block_id, reason, by, until)
    return block_of(row)


async def lift(tx: Tx, user_id: str, *, by: str, reason: str) -> Block | None:
    """End the block that is not lifted, in force or over; ``None`` when there is none."""
    row = await tx.fetchrow(_LIFT, user_id, by, reason)
    return block_of(row) if row else None


async def history(tx: Tx, user_id: str, limit: int) -> list[Block]:
    """Newest first."""
    rows = await tx.fetch(
        "SELECT * FROM user_blocks WHERE user_id = $1 ORDER BY id DESC LIMIT $2", user_id, limit
    )
    return [block_of(row) for row in rows]


async def all_active(tx: Tx, after: str, limit: int) -> list[str]:
    """Users with a block in force, in order, from ``after`` on."""
    return [row["user_id"] for row in await tx.fetch(_ALL_ACTIVE, after, limit)]


def block_of(row: Record) -> Block:
    return Block(
        user_id=row["user_id"],
        id=row["id"],
        reason=row["reason"],
        blocked_by=row["blocked_by"],
        blocked_at=row["blocked_at"],
        until=row["until"],
        lifted_at=row["lifted_at"],
        lifted_by=row["lifted_by"],
        lift_reason=row["lift_reason"],
    )
