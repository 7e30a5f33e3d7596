"""The ledger's SQL: set-based, a fixed number of round trips whatever the batch's size."""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from payops.infra.db import Record, Tx
from payops.kernel.ids import id_after, id_before
from payops.kernel.money import CURRENCIES, Money
from payops.ledger.domain import (
    Invariant,
    Journal,
    Owner,
    Posted,
    Posting,
    Violation,
    Wallet,
    wallet_changes,
)
from payops.ledger.errors import AlreadyPosted, InsufficientFunds

_CREATE = """
INSERT INTO wallets (user_id, currency, available, held, version)
SELECT user_id, currency, 0, 0, 0 FROM unnest($1::text[], $2::text[]) AS w (user_id, currency)
ORDER BY user_id, currency
ON CONFLICT DO NOTHING
"""

# Ordered, so that two batches that share wallets wait for each other and never deadlock.
_LOCK = """
SELECT w.user_id, w.currency, w.available, w.held
FROM wallets w JOIN unnest($1::text[], $2::text[]) AS o (user_id, currency)
    ON w.user_id = o.user_id AND w.currency = o.currency
ORDER BY w.user_id, w.currency
FOR UPDATE OF w
"""

# The wallets move after the journals are in: of a journal that exists already, that is what
# is said, and not that its money is gone.
_POST = """
WITH posted AS (
    INSERT INTO journals (user_id, id, kind, reference, closes, reason)
    SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::text[])
    RETURNING 1
), lines AS (
    INSERT INTO entries (user_id, journal_id, line, account, currency, amount)
    SELECT * FROM unnest($7::text[], $8::uuid[], $9::smallint[], $10::text[], $11::text[],
        $12::bigint[])
)
UPDATE wallets w
SET available = w.available + d.available,
    held = w.held + d.held,
    version = w.version + 1,
    updated_at = now()
FROM unnest($13::text[], $14::text[], $15::bigint[], $16::bigint[])
    AS d (user_id, currency, available, held)
WHERE w.user_id = d.user_id AND w.currency = d.currency AND (SELECT count(*) FROM posted) > 0
"""

_JOURNAL = """
SELECT j.user_id, j.id, j.kind, j.reference, j.reason, j.posted_at, j.closes,
    array_agg(e.account ORDER BY e.line) AS accounts,
    array_agg(e.currency ORDER BY e.line) AS currencies,
    array_agg(e.amount ORDER BY e.line) AS amounts
FROM journals j JOIN entries e ON e.user_id = j.user_id AND e.journal_id = j.id
"""

_BY_REFERENCE = (
    _JOURNAL
    + """
JOIN unnest($1::text[], $2::text[]) AS r (user_id, reference)
    ON j.user_id = r.user_id AND j.reference = r.reference
WHERE j.kind IN ('credit', 'debit')
GROUP BY j.user_id, j.id
"""
)

_BY_ID = _JOURNAL + "WHERE j.user_id = $1 AND j.id = $2 GROUP BY j.user_id, j.id"

_CLOSING = _JOURNAL + "WHERE j.user_id = $1 AND j.closes = $2 GROUP BY j.user_id, j.id"

_PAGE = (
    _JOURNAL
    + """
WHERE j.user_id = $1 AND ($2::uuid IS NULL OR j.id < $2)
GROUP BY j.user_id, j.id ORDER BY j.id DESC LIMIT $3
"""
)

_BALANCES_AT = """
SELECT e.currency,
    coalesce(sum(e.amount) FILTER (WHERE e.account = 'wallet:available'), 0)::bigint AS available,
    coalesce(sum(e.amount) FILTER (WHERE e.account = 'wallet:held'), 0)::bigint AS held
FROM entries e JOIN journals j ON j.user_id = e.user_id AND j.id = e.journal_id
WHERE e.user_id = $1 AND j.posted_at <= $2
GROUP BY e.currency ORDER BY e.currency
"""

_FOLD = """
WITH mark AS (
    SELECT coalesce((SELECT folded_to FROM house_balances ORDER BY folded_to DESC LIMIT 1),
        '00000000-0000-0000-0000-000000000000') AS since
), sums AS (
    SELECT account, currency, sum(amount)::bigint AS moved
    FROM entries, mark
    WHERE journal_id >= since AND journal_id < $1 AND account NOT LIKE 'wallet:%'
    GROUP BY account, currency
)
INSERT INTO house_balances (account, currency, balance, folded_to)
SELECT account, currency, moved, $1 FROM sums
ON CONFLICT (account, currency) DO UPDATE
SET balance = house_balances.balance + excluded.balance, folded_to = excluded.folded_to
"""

_HOUSE = """
WITH mark AS (
    SELECT coalesce((SELECT folded_to FROM house_balances ORDER BY folded_to DESC LIMIT 1),
        '00000000-0000-0000-0000-000000000000') AS since
)
SELECT account, currency, sum(balance)::bigint AS balance
FROM (
    SELECT account, currency, balance FROM house_balances
    UNION ALL
    SELECT account, currency, amount FROM entries, mark
    WHERE journal_id >= since AND account NOT LIKE 'wallet:%'
) AS parts
GROUP BY account, currency ORDER BY account, currency
"""

# What became of something: its own journals, those that are named, and those that close them.
_RELATED = (
    _JOURNAL
    + """
WHERE j.user_id = $1 AND (j.reference = $2 OR j.id = ANY($3::uuid[]) OR j.closes = ANY($3::uuid[]))
GROUP BY j.user_id, j.id ORDER BY j.id
"""
)

_BETWEEN = (
    _JOURNAL
    + """
WHERE j.posted_at >= $1 AND j.posted_at < $2
GROUP BY j.user_id, j.id ORDER BY j.user_id, j.id
"""
)

_BALANCES_BETWEEN = """
SELECT e.account, e.currency,
    coalesce(sum(e.amount) FILTER (WHERE j.posted_at < $1), 0)::bigint AS opening,
    sum(e.amount)::bigint AS closing
FROM entries e JOIN journals j ON j.user_id = e.user_id AND j.id = e.journal_id
WHERE j.posted_at < $2 GROUP BY e.account, e.currency ORDER BY e.account, e.currency
"""

# Ids grow with time, so the index of blocks finds the period; the moment itself decides.
_MOVED = """
SELECT e.account, e.currency, count(*) AS entries, sum(e.amount)::bigint AS amount
FROM entries e JOIN journals j ON j.user_id = e.user_id AND j.id = e.journal_id
WHERE e.journal_id >= $1 AND e.journal_id < $2 AND j.posted_at >= $3 AND j.posted_at < $4
    AND e.account NOT LIKE 'wallet:%'
GROUP BY e.account, e.currency ORDER BY e.account, e.currency
"""

_VIOLATION_ROWS_MAX = 20


@dataclass(frozen=True, slots=True)
class Balance:
    """Of one account when a period began and ended, in minor units."""

    account: str
    currency: str
    opening: int
    closing: int


@dataclass(frozen=True, slots=True)
class Moved:
    """What a period did to one account of the house: entries, and their sum in minor units."""

    account: str
    currency: str
    entries: int
    amount: int


async def create(tx: Tx, owners: Collection[Owner]) -> None:
    await tx.execute(_CREATE, [o.user_id for o in owners], [o.currency for o in owners])


async def lock(tx: Tx, owners: Collection[Owner]) -> dict[Owner, Wallet]:
    """The wallets of ``owners`` that exist, locked until the transaction ends."""
    rows = await tx.fetch(_LOCK, [o.user_id for o in owners], [o.currency for o in owners])
    return {wallet.owner: wallet for wallet in map(_wallet, rows)}


async def post(tx: Tx, journals: Sequence[Journal]) -> None:
    """Insert ``journals`` and move the wallets they touch, in one round trip.

    Raises:
        InsufficientFunds: a wallet would become negative.
        AlreadyPosted: one of them, or another that closes the same journal, exists.
    """
    lines = [
        (j.user_id, j.id, number, p.account, p.amount.currency.code, p.amount.minor)
        for j in journals
        for number, p in enumerate(j.postings, start=1)
    ]
    changes = wallet_changes(journals)
    try:
        moved = await tx.execute(
            _POST,
            [j.user_id for j in journals],
            [j.id for j in journals],
            [j.kind for j in journals],
            [j.reference for j in journals],
            [j.closes for j in journals],
            [j.reason for j in journals],
            *map(list, zip(*lines, strict=True)),
            [owner.user_id for owner in changes],
            [owner.currency for owner in changes],
            [available for available, _ in changes.values()],
            [held for _, held in changes.values()],
        )
    except asyncpg.CheckViolationError as error:
        if error.table_name != "wallets":
            raise  # a fault of ours that the schema has stopped
        raise InsufficientFunds from error
    except asyncpg.UniqueViolationError as error:
        raise AlreadyPosted from error
    if moved != len(changes):
        raise InsufficientFunds  # a wallet that does not exist holds nothing


async def by_reference(tx: Tx, names: Collection[tuple[str, str]]) -> list[Posted]:
    """Credits and debits by ``(user_id, reference)``."""
    once = set(names)  # a name given twice would count its entries twice
    rows = await tx.fetch(_BY_REFERENCE, [u for u, _ in once], [r for _, r in once])
    return [_posted(row) for row in rows]


async def by_id(tx: Tx, user_id: str, journal_id: UUID) -> Posted | None:
    row = await tx.fetchrow(_BY_ID, user_id, journal_id)
    return _posted(row) if row else None


async def user_of(tx: Tx, journal_id: UUID) -> str | None:
    """Whose journal it is. Ids are in order of time, so that a few blocks of entries are read."""
    user_id: str | None = await tx.fetchval(
        "SELECT user_id FROM entries WHERE journal_id = $1 LIMIT 1", journal_id
    )
    return user_id


async def closing(tx: Tx, user_id: str, journal_id: UUID) -> Posted | None:
    row = await tx.fetchrow(_CLOSING, user_id, journal_id)
    return _posted(row) if row else None


async def page(tx: Tx, user_id: str, *, before: UUID | None, limit: int) -> list[Posted]:
    """The user's journals, newest first."""
    return [_posted(row) for row in await tx.fetch(_PAGE, user_id, before, limit)]


async def wallets_of(tx: Tx, user_id: str) -> list[Wallet]:
    rows = await tx.fetch(
        "SELECT user_id, currency, available, held FROM wallets WHERE user_id = $1 "
        "ORDER BY currency",
        user_id,
    )
    return [_wallet(row) for row in rows]


async def wallets_at(tx: Tx, user_id: str, moment: datetime) -> list[Wallet]:
    """The user's wallets as the journals posted up to ``moment`` made them."""
    rows = await tx.fetch(_BALANCES_AT, user_id, moment)
    return [Wallet(Owner(user_id, row["currency"]), row["available"], row["held"]) for row in rows]


async def fold(tx: Tx, up_to: UUID) -> int:
    """Add house entries older than ``up_to`` to the folded balances; returns the accounts moved."""
    await tx.execute("LOCK TABLE house_balances IN EXCLUSIVE MODE")
    moved = await tx.execute(_FOLD, up_to)
    await tx.execute("UPDATE house_balances SET folded_to = $1 WHERE folded_to < $1", up_to)
    return moved


async def house(tx: Tx) -> list[tuple[str, Money]]:
    """Every house account with its balance now: what was folded, and what came since."""
    rows = await tx.fetch(_HOUSE)
    return [(row["account"], Money(row["balance"], CURRENCIES[row["currency"]])) for row in rows]


async def related(tx: Tx, user_id: str, reference: str, ids: Collection[UUID]) -> list[Posted]:
    """Journals under ``reference``, those with ``ids``, and those that close them; oldest first."""
    return [_posted(row) for row in await tx.fetch(_RELATED, user_id, reference, list(ids))]


async def between(tx: Tx, since: datetime, until: datetime) -> AsyncGenerator[list[Posted], None]:
    """Every journal of the period, user by user; a bounded number at a time."""
    async for rows in tx.stream(_BETWEEN, since, until):
        yield [_posted(row) for row in rows]


async def balances_between(tx: Tx, since: datetime, until: datetime) -> list[Balance]:
    """What each account held when the period began and ended; users' wallets are added up."""
    return [Balance(**dict(row)) for row in await tx.fetch(_BALANCES_BETWEEN, since, until)]


async def moved(tx: Tx, since: datetime, until: datetime) -> list[Moved]:
    """What the period did to each account of the house."""
    first, last = id_before(since), id_after(until)
    return [Moved(**dict(row)) for row in await tx.fetch(_MOVED, first, last, since, until)]


async def violations(tx: Tx, invariant: Invariant) -> Violation | None:
    rows = await tx.fetch(f"SELECT * FROM ({invariant.sql}) AS broken LIMIT {_VIOLATION_ROWS_MAX}")  # noqa: S608 - our own constants
    if not rows:
        return None
    shown: tuple[Mapping[str, object], ...] = tuple(
        {name: str(value) for name, value in row.items()} for row in rows
    )
    return Violation(invariant.name, invariant.meaning, shown)


def _wallet(row: Record) -> Wallet:
    return Wallet(Owner(row["user_id"], row["currency"]), row["available"], row["held"])


def _posted(row: Record) -> Posted:
    lines = zip(row["accounts"], row["currencies"], row["amounts"], strict=True)
    return Posted(
        user_id=row["user_id"],
        id=row["id"],
        kind=row["kind"],
        reference=row["reference"],
        reason=row["reason"],
        posted_at=row["posted_at"],
        closes=row["closes"],
        postings=tuple(Posting(a, Money(m, CURRENCIES[c])) for a, c, m in lines),
    )
