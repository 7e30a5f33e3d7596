"""Gathering the overview: figures that the slices count, beside one another.

It is loaded again every few seconds by everybody who is awake, so all of it is read from
indexes of what is open, except for the hours: those are read at most once a minute a process.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from payops.alerts import service as alerts
from payops.approvals.domain import State
from payops.audit import service as audit
from payops.deposits.service import reporting as deposits
from payops.infra.db import Database, Tx
from payops.infra.migrating import current_revision, head_revision
from payops.infra.scheduling import Scheduler
from payops.kernel.errors import Unavailable
from payops.ops.approvals.service import ApprovalDesk
from payops.ops.crypto.service import CryptoDesk
from payops.ops.overview.domain import (
    Exposure,
    Health,
    Hours,
    LastRun,
    Overview,
    Work,
    books_of,
    exposure_of,
    first_hour,
    hours_of,
)
from payops.ops.switches.service import SwitchDesk
from payops.ops.watching.queries import overdue_jobs
from payops.switches import service as switches
from payops.webhooks import service as webhooks
from payops.withdrawals.service import reporting as payouts

log = structlog.get_logger(__name__)

APPROVALS_MAX: Final = 100  # more are not counted

_BOOKS_JOB: Final = "ledger-verify"
_RUNS: Final = 5  # of each job: the newest may be under way, and a few before it as well
_HOURS_KEPT_NS: Final = 60 * 1_000_000_000
_HOURS_SECONDS_MAX: Final = 20


class OverviewDesk:
    """What the API, the command line and the console show. One per process."""

    def __init__(
        self,
        db: Database,
        scheduler: Scheduler,
        switches: SwitchDesk,
        approvals: ApprovalDesk,
        crypto: CryptoDesk,
        *,
        late_minutes: int,
        hours_seconds_max: int = 20,
    ) -> None:
        self._db = db
        self._scheduler = scheduler
        self._switches = switches
        self._approvals = approvals
        self._crypto = crypto
        self._late_minutes = late_minutes
        self._hours_seconds_max = hours_seconds_max
        self._hours: Hours | None = None
        self._hours_read_ns: int | None = None
        self._reading_hours = asyncio.Lock()

    async def overview(self) -> Overview:
        """How things stand now.

        Raises:
            DatabaseUnavailable: nobody can tell.
        """
        async with self._db.transaction(read_only=True) as tx:
            now: datetime = await tx.fetchval("SELECT now()")
            health = await self._health(tx)
            exposure = exposure_of(await payouts.open_now(tx))
            due = await payouts.due_now(tx)
            inbox = await webhooks.figures(tx)
            jobs = await self._last_runs(tx, now)
        waiting = await self._approvals.page(state=State.PENDING, before=None, limit=APPROVALS_MAX)
        work = Work(due, inbox, await self._crypto.measure(), len(waiting))
        return Overview(now, health, exposure, work, jobs, await self._recent_hours())

    async def exposure(self) -> Exposure:
        async with self._db.transaction(read_only=True) as tx:
            return exposure_of(await payouts.open_now(tx))

    async def last_runs(self) -> Sequence[LastRun]:
        async with self._db.transaction(read_only=True) as tx:
            return await self._last_runs(tx, await tx.fetchval("SELECT now()"))

    async def _health(self, tx: Tx) -> Health:
        history = await self._scheduler.history(tx, _RUNS)
        checks_of_books = next((job for job in history if job.name == _BOOKS_JOB), None)
        return Health(
            checks=await checks(tx),
            halted=[s.name for s in await switches.every(tx, self._switches.names) if s.is_halted],
            alerts=await alerts.count_open(tx),
            books=books_of(checks_of_books),
            audit_sealed_until=await audit.sealed_until(tx),
        )

    async def _last_runs(self, tx: Tx, now: datetime) -> list[LastRun]:
        overdue = await overdue_jobs(tx, self._scheduler.jobs, now, self._late_minutes)
        return [
            LastRun(job.name, job.when, next(iter(job.runs), None), overdue.get(job.name))
            for job in await self._scheduler.history(tx, 1)
        ]

    async def _recent_hours(self) -> Hours | None:
        """However many people look, one of them waits for the database.

        What cannot be counted in time must not hide the rest: then the hours are those of
        before, with their time, or none.
        """
        async with self._reading_hours:
            if self._hours_read_ns is None or _age_ns(self._hours_read_ns) > _HOURS_KEPT_NS:
                self._hours_read_ns = time.monotonic_ns()
                try:
                    self._hours = await self._read_hours()
                except Unavailable as error:
                    log.warning("overview.hours_not_read", reason=error.code)
            return self._hours

    async def _read_hours(self) -> Hours:
        seconds_max = self._hours_seconds_max
        async with self._db.transaction(read_only=True, seconds_max=seconds_max) as tx:
            now: datetime = await tx.fetchval("SELECT now()")
            # Clocks differ: what was accepted in this instant is not left out.
            since, until = first_hour(now), now + timedelta(seconds=1)
            counted = await payouts.by_hour(tx, since, until)
            credited = await deposits.credited_by_hour(tx, since, until)
        return hours_of(now, counted, credited)


async def checks(tx: Tx) -> dict[str, str]:
    """What ``/readyz`` looks at; that the database answers is known by now."""
    is_at_head = await current_revision(tx) == head_revision()
    return {"database": "ok", "migrations": "ok" if is_at_head else "not at head"}


def _age_ns(moment_ns: int) -> int:
    return time.monotonic_ns() - moment_ns
