"""Withdrawals of a period, counted and timed; and those that did not go as they should."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from payops.infra.db import Tx
from payops.kernel.ids import id_after, id_before

# Ids grow with time: their index finds the period, the moment itself decides.
_OF_PERIOD: Final = """
    w.id >= $1 AND w.id < $2 AND w.created_at >= $3 AND w.created_at < $4"""

_COUNTS: Final = f"""
SELECT w.rail, w.state, count(*) AS count, sum(w.amount)::bigint AS amount
FROM withdrawals w WHERE {_OF_PERIOD} GROUP BY w.rail, w.state ORDER BY w.rail, w.state
"""  # noqa: S608 - constants only

# Paid when the journal says so; the one that closes a hold is found by its unique index.
_TIMINGS: Final = f"""
SELECT rail, count(*) AS paid,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY seconds) AS p50,
    percentile_disc(0.95) WITHIN GROUP (ORDER BY seconds) AS p95
FROM (
    SELECT w.rail, extract(epoch FROM j.posted_at - w.created_at)::bigint AS seconds
    FROM withdrawals w JOIN journals j
        ON j.user_id = w.user_id AND j.closes = w.hold_id AND j.kind = 'withdrawal_paid'
    WHERE {_OF_PERIOD}
) AS timed GROUP BY GROUPING SETS ((), (rail)) ORDER BY rail NULLS FIRST
"""  # noqa: S608 - as above

_EXCEPTIONS: Final = f"""
SELECT w.id, w.user_id, w.rail, w.state, w.amount, w.created_at,
    coalesce(w.failure_code, '') AS failure_code,
    coalesce(w.failure_provider_code, '') AS provider_code
FROM withdrawals w WHERE {_OF_PERIOD} AND w.state NOT IN ('completed', 'cancelled') ORDER BY w.id
"""  # noqa: S608 - as above


# OFFSET 0 keeps the lookup of a journal what it is: one probe of an index a withdrawal paid.
# An hour in Nairobi begins with one of UTC.
_BY_HOUR: Final = f"""
SELECT date_trunc('hour', w.created_at, 'UTC') AS hour, count(*) AS accepted,
    count(*) FILTER (WHERE w.state = 'completed') AS completed,
    count(*) FILTER (WHERE w.state = 'failed') AS failed,
    coalesce(sum(w.amount) FILTER (WHERE w.state = 'completed'), 0)::bigint AS paid,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY j.seconds) AS p50,
    percentile_disc(0.95) WITHIN GROUP (ORDER BY j.seconds) AS p95
FROM withdrawals w LEFT JOIN LATERAL (
    SELECT extract(epoch FROM posted_at - w.created_at)::bigint AS seconds FROM journals
    WHERE user_id = w.user_id AND closes = w.hold_id AND kind = 'withdrawal_paid' OFFSET 0
) AS j ON w.state IN ('completed', 'reversed')
WHERE {_OF_PERIOD} GROUP BY GROUPING SETS ((), (hour)) ORDER BY hour NULLS FIRST
"""  # noqa: S608 - as above

_DUE: Final = """
SELECT count(*) AS count,
    coalesce(extract(epoch FROM now() - min(due_at)), 0)::bigint AS oldest_seconds
FROM withdrawals WHERE due_at <= now()
"""


@dataclass(frozen=True, slots=True)
class Hour:
    """Those accepted in the hour from ``hour`` on, as they stand now; ``None``: in all hours.

    ``paid`` in KES cents. ``p50`` and ``p95`` are seconds from acceptance to paid.
    """

    hour: datetime | None
    accepted: int
    completed: int
    failed: int
    paid: int
    p50: int | None
    p95: int | None


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be sent or asked about by now, and for how many seconds the first has been."""

    count: int
    oldest_seconds: int


@dataclass(frozen=True, slots=True)
class Count:
    """Withdrawals of a period in one state; ``amount`` in KES cents."""

    rail: str
    state: str
    count: int
    amount: int


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds from acceptance to paid. ``rail`` ``None``: of all; no percentile of none."""

    rail: str | None
    paid: int
    p50: int | None
    p95: int | None


@dataclass(frozen=True, slots=True)
class Exceptional:
    """A withdrawal that is neither paid nor cancelled; ``amount`` in KES cents."""

    id: UUID
    user_id: str
    rail: str
    state: str
    amount: int
    created_at: datetime
    failure_code: str
    provider_code: str


async def counts(tx: Tx, since: datetime, until: datetime) -> list[Count]:
    return [Count(**dict(row)) for row in await tx.fetch(_COUNTS, *_period(since, until))]


async def timings(tx: Tx, since: datetime, until: datetime) -> list[Timing]:
    """Of all rails together first, then of each."""
    return [Timing(**dict(row)) for row in await tx.fetch(_TIMINGS, *_period(since, until))]


async def by_hour(tx: Tx, since: datetime, until: datetime) -> list[Hour]:
    """Of all hours together first, then of each in which something was accepted."""
    return [Hour(**dict(row)) for row in await tx.fetch(_BY_HOUR, *_period(since, until))]


async def due(tx: Tx) -> Due:
    row = await tx.fetchrow(_DUE)
    assert row is not None  # noqa: S101 - an aggregate without GROUP BY gives one row
    return Due(**dict(row))


async def exceptions(
    tx: Tx, since: datetime, until: datetime
) -> AsyncGenerator[list[Exceptional], None]:
    async for rows in tx.stream(_EXCEPTIONS, *_period(since, until)):
        yield [Exceptional(**dict(row)) for row in rows]


def _period(since: datetime, until: datetime) -> tuple[UUID, UUID, datetime, datetime]:
    return id_before(since), id_after(until), since, until
