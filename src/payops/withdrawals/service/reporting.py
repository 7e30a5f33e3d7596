"""Figures of withdrawals: what is open now, and what became of those of a period.

A withdrawal belongs to the period in which it was accepted, whenever it was paid.
"""

from collections.abc import AsyncGenerator
from datetime import datetime

from payops.infra.db import Tx
from payops.withdrawals.store import reading
from payops.withdrawals.store import reporting as store
from payops.withdrawals.store.reading import Figures
from payops.withdrawals.store.reporting import Count, Due, Exceptional, Hour, Timing

__all__ = [
    "Count",
    "Due",
    "Exceptional",
    "Figures",
    "Hour",
    "Timing",
    "by_hour",
    "counts",
    "due_now",
    "exceptions",
    "open_now",
    "seconds_to_paid",
    "timings",
]


async def open_now(tx: Tx) -> list[Figures]:
    """Those that are not final, state by state."""
    return await reading.figures(tx)


async def due_now(tx: Tx) -> Due:
    """How many wait for the worker to send them or ask about them."""
    return await store.due(tx)


async def by_hour(tx: Tx, since: datetime, until: datetime) -> list[Hour]:
    """Hour by hour of the period, after one for all of it; an hour without any is missing."""
    return await store.by_hour(tx, since, until)


async def counts(tx: Tx, since: datetime, until: datetime) -> list[Count]:
    """How many were accepted from ``since`` on and before ``until``, as they stand now."""
    return await store.counts(tx, since, until)


async def timings(tx: Tx, since: datetime, until: datetime) -> list[Timing]:
    """Seconds from acceptance to paid: of all rails together first, then of each."""
    return await store.timings(tx, since, until)


async def seconds_to_paid(tx: Tx, since: datetime, until: datetime) -> Timing:
    """As ``timings``, of all rails together."""
    return (await store.timings(tx, since, until))[0]


async def exceptions(
    tx: Tx, since: datetime, until: datetime
) -> AsyncGenerator[list[Exceptional], None]:
    """Those of the period that are neither paid nor cancelled, oldest first; some at a time."""
    async for rows in store.exceptions(tx, since, until):
        yield rows
