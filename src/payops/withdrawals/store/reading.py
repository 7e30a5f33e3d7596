"""Finding withdrawals: by id, by what a rail calls them, by user; and the figures."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from payops.infra.db import Record, Tx
from payops.kernel.ids import floor_id
from payops.withdrawals.domain import State, Withdrawal
from payops.withdrawals.store.rows import COLUMNS, NAMES, withdrawal, withdrawals
from payops.withdrawals.tables import payout_references
from payops.withdrawals.tables import withdrawals as table

_BY_ID = f"SELECT {COLUMNS} FROM withdrawals w WHERE w.id = $1"  # noqa: S608 - constants only

_BY_REFERENCE = """
SELECT reference, withdrawal_id FROM payout_references
WHERE rail = $1 AND kind = 'payout' AND reference = ANY($2::text[])
"""

# Ids grow with time: the range of ids is the range of times, and the primary key finds it.
_SKEW_MAX = timedelta(minutes=10)  # between the clocks that make ids and the database's
_HISTORY = """
SELECT user_id, amount, created_at FROM withdrawals
WHERE user_id = ANY($1::text[]) AND id >= $2 AND created_at >= $3 AND state <> 'cancelled'
ORDER BY created_at
"""

_OPEN_AFTER = f"""
SELECT {COLUMNS} FROM withdrawals w
WHERE w.state IN ('sending', 'sent', 'unresolved') AND w.due_at IS NOT NULL
    AND w.updated_at <= now() - $1::interval AND w.id > $2
ORDER BY w.id LIMIT $3
"""  # noqa: S608 - constants only

_FIGURES = """
SELECT state, count(*) AS count, coalesce(sum(amount), 0)::bigint AS amount,
    coalesce(extract(epoch FROM now() - min(coalesce(first_sent_at, created_at))), 0)::bigint
        AS oldest_seconds
FROM withdrawals WHERE state NOT IN ('completed', 'failed', 'cancelled', 'reversed') GROUP BY state
"""

_UNCLEAR = """
SELECT id, user_id, state, amount, first_sent_at FROM withdrawals
WHERE state IN ('sent', 'unresolved', 'review')
    AND state NOT IN ('completed', 'failed', 'cancelled', 'reversed')
    AND created_at < now() - make_interval(mins => $1)
ORDER BY id LIMIT $2
"""


@dataclass(frozen=True, slots=True)
class Usage:
    """One earlier withdrawal that counts towards a limit."""

    amount_minor: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Figures:
    """Withdrawals in one state: how many, how much, how old the oldest."""

    state: State
    count: int
    amount_minor: int
    oldest_seconds: int


async def by_id(tx: Tx, withdrawal_id: UUID) -> Withdrawal | None:
    row = await tx.fetchrow(_BY_ID, withdrawal_id)
    return withdrawal(row) if row else None


async def claimed(tx: Tx, rail: str, references: Collection[str]) -> dict[str, UUID]:
    """Which withdrawal has claimed each of the rail's payout ids; unclaimed ones are left out."""
    rows = await tx.fetch(_BY_REFERENCE, rail, list(references))
    return {row["reference"]: row["withdrawal_id"] for row in rows}


async def history(tx: Tx, users: Collection[str], since: datetime) -> dict[str, list[Usage]]:
    """What each user has withdrawn since a moment, oldest first; cancelled ones do not count."""
    found: dict[str, list[Usage]] = {user: [] for user in users}
    first = floor_id(since - _SKEW_MAX)
    for row in await tx.fetch(_HISTORY, list(users), first, since):
        found[row["user_id"]].append(Usage(row["amount"], row["created_at"]))
    return found


async def open_after(tx: Tx, *, min_age_seconds: int, after: UUID, limit: int) -> list[Withdrawal]:
    """Sent and not final, unchanged for ``min_age_seconds``, in id order from ``after`` on."""
    age = timedelta(seconds=min_age_seconds)
    return withdrawals(await tx.fetch(_OPEN_AFTER, age, after, limit))


async def page(
    tx: Tx,
    *,
    user_id: str | None,
    state: State | None,
    phone_indexes: Collection[bytes] = (),
    receipt: str | None = None,
    reference: str | None = None,
    named: str | None = None,
    before: UUID | None,
    limit: int,
) -> list[Withdrawal]:
    """Newest first; every filter that is given must fit.

    ``named`` is anything a withdrawal is known by outside: the rail's payout id or receipt,
    also one that only a lost answer brought, or the request id.
    """
    query = sa.select(*(table.c[name] for name in NAMES)).order_by(table.c.id.desc()).limit(limit)
    if user_id is not None:
        query = query.where(table.c.user_id == user_id)
    if state is not None:
        query = query.where(table.c.state == state.value)
    if phone_indexes:
        query = query.where(table.c.phone_index.in_(list(phone_indexes)))
    if receipt is not None:
        query = query.where(table.c.receipt == receipt)
    if reference is not None:
        query = query.where(table.c.provider_reference == reference)
    if named is not None:
        query = query.where(_is_named(named))
    if before is not None:
        query = query.where(table.c.id < before)
    rows: list[Record] = [row._mapping for row in await tx.select(query)]  # noqa: SLF001 - public in SQLAlchemy
    return withdrawals(rows)


def _is_named(name: str) -> sa.ColumnElement[bool]:
    claimed = sa.select(payout_references.c.withdrawal_id).where(
        payout_references.c.reference == name
    )
    return sa.or_(
        table.c.provider_reference == name,
        table.c.receipt == name,
        table.c.request_id == name,
        table.c.id.in_(claimed),
    )


async def figures(tx: Tx) -> list[Figures]:
    """The states that are not final."""
    return [
        Figures(State(row["state"]), row["count"], row["amount"], row["oldest_seconds"])
        for row in await tx.fetch(_FIGURES)
    ]


async def unclear(tx: Tx, *, older_than_minutes: int, limit: int) -> list[Record]:
    """Payouts that may have been paid and have stayed unclear for too long."""
    return await tx.fetch(_UNCLEAR, older_than_minutes, limit)


async def attempts(tx: Tx, withdrawal_id: UUID) -> list[Record]:
    return await tx.fetch(
        "SELECT number, started_at, answer, detail, answered_at FROM payout_attempts "
        "WHERE withdrawal_id = $1 ORDER BY number",
        withdrawal_id,
    )
