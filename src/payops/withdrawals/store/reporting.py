"""Withdrawals of a period, counted and timed; and those that did not go as they should."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from payops.infra.db import Tx
from payops.kernel.ids import floor_id

# Ids grow with time: their index finds the period, the moment itself decides.
_SKEW_MAX: Final = timedelta(minutes=10)
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


async def exceptions(
    tx: Tx, since: datetime, until: datetime
) -> AsyncGenerator[list[Exceptional], None]:
    async for rows in tx.stream(_EXCEPTIONS, *_period(since, until)):
        yield [Exceptional(**dict(row)) for row in rows]


def _period(since: datetime, until: datetime) -> tuple[UUID, UUID, datetime, datetime]:
    return floor_id(since - _SKEW_MAX), floor_id(until + _SKEW_MAX), since, until
