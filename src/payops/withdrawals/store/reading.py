"""Finding withdrawals: by id, by what a rail calls them, by user; and the figures."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from payops.fraud.domain.velocity import Done
from payops.infra.db import Record, Tx
from payops.kernel.ids import id_before
from payops.withdrawals.domain import State, Withdrawal
from payops.withdrawals.store.rows import COLUMNS, NAMES, withdrawal, withdrawals
from payops.withdrawals.tables import withdrawals as table

_BY_ID = f"SELECT {COLUMNS} FROM withdrawals w WHERE w.id = $1"  # noqa: S608 - constants only

_BY_REFERENCE = """
SELECT reference, withdrawal_id FROM payout_references
WHERE rail = $1 AND kind = 'payout' AND reference = ANY($2::text[])
"""

# One look at the primary key each, by LIMIT: joined freely, and planned while the table was new,
# it walked over all references of the rail.
_OWNERS = """
SELECT r.kind, r.reference, r.withdrawal_id
FROM unnest($2::text[], $3::text[]) AS n (kind, reference)
CROSS JOIN LATERAL (
    SELECT * FROM payout_references r
    WHERE r.rail = $1 AND r.kind = n.kind AND r.reference = n.reference LIMIT 1) r
"""

# Those that wait to be sent, of some users or all; ids or times that are NULL do not choose.
_QUEUED = """
SELECT count(*) AS count, coalesce(sum(amount), 0)::bigint AS amount,
    min(created_at) AS oldest, max(created_at) AS newest
FROM withdrawals
WHERE state = 'pending' AND state NOT IN ('completed', 'failed', 'cancelled', 'reversed')
    AND ($1::uuid[] IS NULL OR id = ANY($1)) AND ($2::timestamptz IS NULL OR created_at >= $2)
"""

# The lookup table's key begins with the rail: one probe for each rail there is.
_KNOWN_AS = """
WITH RECURSIVE rails AS (
    SELECT min(rail) AS name FROM payout_references
    UNION ALL
    SELECT (SELECT min(rail) FROM payout_references WHERE rail > rails.name)
    FROM rails WHERE rails.name IS NOT NULL
)
SELECT found.withdrawal_id FROM rails CROSS JOIN LATERAL (
    SELECT r.withdrawal_id FROM payout_references r
    WHERE r.rail = rails.name AND r.kind = ANY($1::text[]) AND r.reference = $2
    LIMIT cardinality($1::text[])
) AS found
"""

_ATTEMPTS = """
SELECT number, started_at, answer, detail, answered_at FROM payout_attempts
WHERE user_id = $1 AND withdrawal_id = $2 ORDER BY number
"""

# Ids grow with time: the range of ids is the range of times, and the primary key finds it.
_NEVER = datetime(2100, 1, 1, tzinfo=UTC)  # a lower bound that nothing meets
# OFFSET 0 keeps each lookup what it is, one range of an index a user or number: on a young
# table, or one whose rows are all of today, the planner would rather read all of it.
_HISTORY = """
SELECT u.user_id, NULL::bytea AS recipient, w.amount, w.created_at, w.state = 'failed' AS is_failed
FROM unnest($1::text[]) AS u (user_id) CROSS JOIN LATERAL (
    SELECT amount, created_at, state FROM withdrawals
    WHERE user_id = u.user_id AND id >= $2 AND created_at >= $3 AND state <> 'cancelled' OFFSET 0
) AS w
UNION ALL
SELECT NULL, r.recipient, w.amount, w.created_at, w.state = 'failed'
FROM unnest($4::bytea[]) AS r (recipient) CROSS JOIN LATERAL (
    SELECT amount, created_at, state FROM withdrawals
    WHERE phone_index = r.recipient AND id >= $5 AND created_at >= $6 AND state <> 'cancelled'
    OFFSET 0
) AS w
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


async def owners(
    tx: Tx, rail: str, named: Collection[tuple[str, str]]
) -> dict[tuple[str, str], UUID]:
    """Which withdrawal has claimed each ``(kind, reference)``; unclaimed ones are left out."""
    rows = await tx.fetch(
        _OWNERS, rail, [kind for kind, _ in named], [reference for _, reference in named]
    )
    return {(row["kind"], row["reference"]): row["withdrawal_id"] for row in rows}


@dataclass(frozen=True, slots=True)
class Histories:
    """What counts towards limits, oldest first, by user and by the recipient's index."""

    of_users: dict[str, list[Done]] = field(default_factory=dict)
    of_recipients: dict[bytes, list[Done]] = field(default_factory=dict)


async def histories(
    tx: Tx,
    users: Collection[str],
    users_since: datetime | None,
    recipients: Collection[bytes],
    recipients_since: datetime | None,
) -> Histories:
    """What was accepted since these moments, in one query; cancelled ones do not count.

    ``None``: that side is not needed, and not read.
    """
    found = Histories()
    if users_since is None and recipients_since is None:
        return found
    of_users = users_since or _NEVER
    of_recipients = recipients_since or _NEVER
    rows = await tx.fetch(
        _HISTORY,
        list(users) if users_since else [],
        id_before(of_users),
        of_users,
        list(recipients) if recipients_since else [],
        id_before(of_recipients),
        of_recipients,
    )
    for row in rows:
        done = Done(row["created_at"], row["amount"], row["is_failed"])
        user_id = row["user_id"]
        if user_id is None:
            found.of_recipients.setdefault(row["recipient"], []).append(done)
        else:
            found.of_users.setdefault(user_id, []).append(done)
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
    ids: Collection[UUID] | None = None,
    request_id: str | None = None,
    before: UUID | None,
    limit: int,
) -> list[Withdrawal]:
    """Newest first; every filter that is given must fit. ``request_id`` alone reads them all."""
    query = sa.select(*(table.c[name] for name in NAMES)).order_by(table.c.id.desc()).limit(limit)
    if user_id is not None:
        query = query.where(table.c.user_id == user_id)
    if state is not None:
        query = query.where(table.c.state == state.value)
    if phone_indexes:
        query = query.where(table.c.phone_index.in_(list(phone_indexes)))
    if ids is not None:
        query = query.where(table.c.id.in_(list(ids)))
    if request_id is not None:
        query = query.where(table.c.request_id == request_id)
    if before is not None:
        query = query.where(table.c.id < before)
    rows: list[Record] = [row._mapping for row in await tx.select(query)]  # noqa: SLF001 - public in SQLAlchemy
    return withdrawals(rows)


async def known_as(tx: Tx, name: str, kinds: Collection[str]) -> set[UUID]:
    """Which withdrawal each rail knows as ``name``, a ``payout`` id or a ``receipt``.

    Where a rail gave one name to two, it is the one that claimed it first; the alert raised
    then names the other.
    """
    rows = await tx.fetch(_KNOWN_AS, list(kinds), name)
    return {row["withdrawal_id"] for row in rows}


async def figures(tx: Tx) -> list[Figures]:
    """The states that are not final."""
    return [
        Figures(State(row["state"]), row["count"], row["amount"], row["oldest_seconds"])
        for row in await tx.fetch(_FIGURES)
    ]


async def queued(tx: Tx, ids: Collection[UUID] | None, since: datetime | None) -> Record:
    """``count``, ``amount``, ``oldest`` and ``newest`` of what is ``pending`` and meant."""
    return await tx.fetchrow(_QUEUED, None if ids is None else list(ids), since)


async def unclear(tx: Tx, *, older_than_minutes: int, limit: int) -> list[Record]:
    """Payouts that may have been paid and have stayed unclear for too long."""
    return await tx.fetch(_UNCLEAR, older_than_minutes, limit)


async def users_with_pending(tx: Tx, users: Collection[str]) -> list[str]:
    """Those of ``users`` who have something that was not sent, in order."""
    rows = await tx.fetch(
        "SELECT DISTINCT user_id FROM withdrawals "
        "WHERE user_id = ANY($1::text[]) AND state = 'pending' ORDER BY user_id",
        list(users),
    )
    return [row["user_id"] for row in rows]


async def attempts(tx: Tx, sent: Withdrawal) -> list[Record]:
    """Every attempt to send it, the first one first."""
    return await tx.fetch(_ATTEMPTS, sent.user_id, sent.id)
