"""Invoices of a period, counted and timed; and those that did not go as they should."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from payops.infra.db import Tx
from payops.kernel.ids import id_after, id_before

# Ids grow with time: their index finds the period, the moment itself decides.
_OF_PERIOD: Final = """
    i.id >= $1 AND i.id < $2 AND i.created_at >= $3 AND i.created_at < $4"""

_COUNTS: Final = f"""
SELECT i.provider, i.currency, i.state, count(*) AS count, sum(i.price)::bigint AS price,
    sum(i.credited)::bigint AS credited
FROM invoices i WHERE {_OF_PERIOD}
GROUP BY i.provider, i.currency, i.state ORDER BY i.provider, i.currency, i.state
"""  # noqa: S608 - constants only

_TIMINGS: Final = f"""
SELECT provider, count(*) AS settled,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY seconds) AS p50,
    percentile_disc(0.95) WITHIN GROUP (ORDER BY seconds) AS p95
FROM (
    SELECT i.provider, extract(epoch FROM t.at - i.created_at)::bigint AS seconds
    FROM invoices i CROSS JOIN LATERAL (
        SELECT min(at) AS at FROM deposit_transitions
        WHERE invoice_id = i.id AND to_state IN ('finished', 'partially_paid')
    ) AS t WHERE {_OF_PERIOD} AND t.at IS NOT NULL
) AS timed GROUP BY GROUPING SETS ((), (provider)) ORDER BY provider NULLS FIRST
"""  # noqa: S608 - as above

# That nobody pays is everyday life; whatever has seen money and is not finished is not.
_EXCEPTIONS: Final = f"""
SELECT i.id, i.user_id, i.provider, i.state, i.price, i.currency, i.credited, i.created_at,
    i.reasons
FROM invoices i
WHERE {_OF_PERIOD} AND i.state NOT IN ('finished', 'expired', 'waiting', 'creating')
ORDER BY i.id
"""  # noqa: S608 - as above


# What was posted, not what became of invoices: a second arrival is credited without a change
# of state. Only a deposit takes from a provider's clearing account, besides a rail's refund.
_CREDITED: Final = """
SELECT date_trunc('hour', j.posted_at, 'UTC') AS hour, e.currency, count(*) AS count,
    -sum(e.amount)::bigint AS amount
FROM entries e CROSS JOIN LATERAL (
    SELECT posted_at FROM journals
    WHERE user_id = e.user_id AND id = e.journal_id AND kind = 'deposit_credited' OFFSET 0
) AS j
WHERE e.journal_id >= $1 AND e.journal_id < $2 AND e.account LIKE '%:clearing' AND e.amount < 0
    AND j.posted_at >= $3 AND j.posted_at < $4
GROUP BY hour, e.currency ORDER BY hour, e.currency
"""


@dataclass(frozen=True, slots=True)
class Credited:
    """Deposits credited in the hour from ``hour`` on; ``amount`` in minor units."""

    hour: datetime
    currency: str
    count: int
    amount: int


@dataclass(frozen=True, slots=True)
class Count:
    """Invoices of a period in one state; sums in minor units of ``currency``."""

    provider: str
    currency: str
    state: str
    count: int
    price: int
    credited: int


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds from opened to settled. ``provider`` ``None``: of all; no percentile of none."""

    provider: str | None
    settled: int
    p50: int | None
    p95: int | None


@dataclass(frozen=True, slots=True)
class Exceptional:
    """An invoice that is neither finished nor simply unpaid; sums in minor units."""

    id: UUID
    user_id: str
    provider: str
    state: str
    price: int
    currency: str
    credited: int
    created_at: datetime
    reasons: Sequence[str]


async def counts(tx: Tx, since: datetime, until: datetime) -> list[Count]:
    return [Count(**dict(row)) for row in await tx.fetch(_COUNTS, *_period(since, until))]


async def timings(tx: Tx, since: datetime, until: datetime) -> list[Timing]:
    """Of all providers together first, then of each."""
    return [Timing(**dict(row)) for row in await tx.fetch(_TIMINGS, *_period(since, until))]


async def credited_by_hour(tx: Tx, since: datetime, until: datetime) -> list[Credited]:
    return [Credited(**dict(row)) for row in await tx.fetch(_CREDITED, *_period(since, until))]


async def exceptions(
    tx: Tx, since: datetime, until: datetime
) -> AsyncGenerator[list[Exceptional], None]:
    async for rows in tx.stream(_EXCEPTIONS, *_period(since, until)):
        yield [Exceptional(**dict(row)) for row in rows]


def _period(since: datetime, until: datetime) -> tuple[UUID, UUID, datetime, datetime]:
    return id_before(since), id_after(until), since, until
