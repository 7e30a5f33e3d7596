"""Making the report of a day. Nothing is sent while a transaction is open: a file is filled,
and leaves when it is whole, so nobody ever gets half a report with a good status.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import IO, Final

from payops.deposits.service import reporting as deposits
from payops.infra.db import Database, Tx
from payops.kernel.errors import Fault, Invalid
from payops.ledger.service import telling as ledger
from payops.ops.reports.domain import FIRST_DATE, Daily, Day, Row, of_deposit, of_payout
from payops.ops.reports.files import CsvWriter, Writer, XlsxWriter
from payops.withdrawals.service import reporting as payouts

LISTED_MAX: Final = 1_000
_STATEMENT_SECONDS_MAX: Final = 300  # a busy day on a large ledger


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"


@dataclass(frozen=True, slots=True)
class Listed:
    """A day with its exceptions; ``has_more``: there are more than are listed."""

    daily: Daily
    exceptions: Sequence[Row]
    has_more: bool


class Reports:
    """The reports of one process."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def yesterday(self) -> Day:
        """The last day that is over in Nairobi, by the database's clock."""
        async with self._db.transaction(read_only=True) as tx:
            now: datetime = await tx.fetchval("SELECT now()")
        return Day.before(now)

    async def daily(self, day: Day) -> Listed:
        """The figures of a day and its first exceptions.

        Raises:
            Invalid: the day has not begun.
        """
        async with self._db.transaction(read_only=True, seconds_max=_STATEMENT_SECONDS_MAX) as tx:
            daily = await _daily(tx, day)
            listed: list[Row] = []
            async for rows in _exceptions(tx, day):
                listed += rows
                if len(listed) > LISTED_MAX:
                    break
        return Listed(daily, listed[:LISTED_MAX], len(listed) > LISTED_MAX)

    async def write(self, day: Day, form: Format, file: IO[bytes]) -> None:
        """The report of a day with every exception, into ``file``. Raises as ``daily``."""
        async with self._db.transaction(read_only=True, seconds_max=_STATEMENT_SECONDS_MAX) as tx:
            daily = await _daily(tx, day)
            writer: Writer = XlsxWriter(file) if form is Format.XLSX else CsvWriter(file)
            try:
                await asyncio.to_thread(writer.add, list(daily.rows()))
                async for rows in _exceptions(tx, day):
                    await asyncio.to_thread(writer.add, rows)
            finally:
                # Whatever went wrong: it has files of its own.
                await asyncio.to_thread(writer.close)


async def _daily(tx: Tx, day: Day) -> Daily:
    if day.date < FIRST_DATE:
        raise Invalid(faults=[Fault("/query/date", f"is before {FIRST_DATE}")])
    now: datetime = await tx.fetchval("SELECT now()")
    if day.since > now:
        raise Invalid(faults=[Fault("/query/date", "has not begun in Nairobi")])
    since, until = day.since, day.until
    return Daily(
        day=day,
        made_at=now,
        payouts=await payouts.counts(tx, since, until),
        payout_times=await payouts.timings(tx, since, until),
        deposits=await deposits.counts(tx, since, until),
        deposit_times=await deposits.timings(tx, since, until),
        moved=await ledger.moved(tx, since, until),
    )


async def _exceptions(tx: Tx, day: Day) -> AsyncGenerator[list[Row], None]:
    async for withdrawals in payouts.exceptions(tx, day.since, day.until):
        yield [of_payout(one) for one in withdrawals]
    async for invoices in deposits.exceptions(tx, day.since, day.until):
        yield [of_deposit(one) for one in invoices]
