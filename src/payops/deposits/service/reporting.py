"""Figures of the invoices of a period: those that were opened in it, whenever they were paid."""

from collections.abc import AsyncGenerator
from datetime import datetime

from payops.deposits.store import reporting as store
from payops.deposits.store.reporting import Count, Credited, Exceptional, Timing
from payops.infra.db import Tx

__all__ = [
    "Count",
    "Credited",
    "Exceptional",
    "Timing",
    "counts",
    "credited_by_hour",
    "exceptions",
    "timings",
]


async def credited_by_hour(tx: Tx, since: datetime, until: datetime) -> list[Credited]:
    """What users got in the period, by the hour it was posted in and by currency."""
    return await store.credited_by_hour(tx, since, until)


async def counts(tx: Tx, since: datetime, until: datetime) -> list[Count]:
    """How many were opened from ``since`` on and before ``until``, as they stand now."""
    return await store.counts(tx, since, until)


async def timings(tx: Tx, since: datetime, until: datetime) -> list[Timing]:
    """Seconds from opened to settled: of all providers together first, then of each."""
    return await store.timings(tx, since, until)


async def exceptions(
    tx: Tx, since: datetime, until: datetime
) -> AsyncGenerator[list[Exceptional], None]:
    """Those of the period that are neither finished nor simply unpaid; some at a time."""
    async for rows in store.exceptions(tx, since, until):
        yield rows
