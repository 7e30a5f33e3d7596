"""Runs jobs at their slots: every replica fires, the one that claims the slot goes on.

APScheduler only says when, from a memory of its own; nothing is shared but ``job_runs``. A
failure is logged, counted and kept with its slot, and the next slot goes on as usual.
"""

import asyncio
import contextlib
import contextvars
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, is_dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from payops.infra.db import Database, Tx
from payops.infra.scheduling import runs
from payops.infra.scheduling.runs import JobHistory, Run, Status
from payops.infra.scheduling.slots import Job, newest_slot, trigger_of
from payops.kernel import errors
from payops.kernel.clock import Clock
from payops.kernel.retrying import Backoff

log = structlog.get_logger(__name__)

_SWEEP_EVERY = timedelta(seconds=30)
_KEEP_RUNS = 200  # of each job; retention deletes the rest by age
_CANCELLED_SECONDS_MAX = 5  # a cancelled run still has its row to write
_RESULT_LENGTH_MAX = 2_000
_FINISH_RETRY = Backoff(
    attempts_max=4, base=timedelta(milliseconds=250), jitter=timedelta(milliseconds=250)
)

Ended = Callable[[Run, int], Awaitable[None]]  # the run, and how many milliseconds it took


class UnknownJob(errors.NotFound):
    code = "job_not_found"
    title = "There is no such job"


class JobRunning(errors.Conflict):
    code = "job_running"
    title = "The job is running already"
    retryable = True


class Scheduler:
    """The jobs of one process. ``run_now`` works without ``start``: on replicas that only serve.

    ``ended`` is told of every run that ended here: the place for metrics and alerts.
    """

    def __init__(
        self,
        db: Database,
        jobs: Sequence[Job],
        *,
        clock: Clock,
        replica: str,
        ended: Ended | None = None,
        lease: timedelta = timedelta(seconds=30),
    ) -> None:
        self._db = db
        self._jobs = {job.name: job for job in jobs}
        if len(self._jobs) != len(jobs):
            raise ValueError("two jobs have the same name")
        self._clock = clock
        self._replica = replica
        self._ended = ended
        self._lease = lease
        self._firing: AsyncIOScheduler | None = None
        self._tasks: dict[asyncio.Task[Run | None], str] = {}

    @property
    def jobs(self) -> tuple[Job, ...]:
        return tuple(self._jobs.values())

    def start(self) -> None:
        """Fire from now on, and look at once for what was missed while nobody fired."""
        now = self._clock.now()
        self._firing = firing = AsyncIOScheduler(timezone=UTC)

        def add(call: Callable[[Job], Awaitable[None]], job: Job) -> None:
            firing.add_job(
                call,
                trigger_of(job, now),
                args=[job],
                id=job.name,
                coalesce=True,
                misfire_grace_time=None,
            )

        for job in self._jobs.values():
            add(self._fire, job)
        sweep = Job(name="sweep", run=self.sweep, every=_SWEEP_EVERY, timeout=timedelta(minutes=1))
        add(self._fire_sweep, sweep)
        firing.start()
        self._spawn("sweep", self._sweep_safely())

    async def stop(self, within: timedelta) -> None:
        """Fire no more and wait for what runs; after ``within`` it is cancelled.

        A job that catches up is given back: another replica takes it over at its next sweep.
        """
        if self._firing is not None:
            self._firing.shutdown(wait=False)
            self._firing = None
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within.total_seconds())
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=_CANCELLED_SECONDS_MAX)

    async def run_now(self, name: str) -> Run:
        """Claim a slot of this very moment and run it in the background.

        Raises:
            UnknownJob: no job has that name.
            JobRunning: it runs already, here or elsewhere, and must be alone.
        """
        job = self._job(name)
        run = await self._claim(job, None)
        self._spawn(name, self._keep_and_run(job, run))
        return run

    async def run_and_wait(self, name: str) -> Run:
        """As ``run_now``, and return the run once it has ended."""
        job = self._job(name)
        run = await self._claim(job, None)
        return await asyncio.shield(self._task(name, self._keep_and_run(job, run))) or run

    async def history(self, tx: Tx, limit: int = 20) -> list[JobHistory]:
        """Every job with its ``limit`` newest runs, in the order the jobs were given."""
        found = await runs.newest(tx, list(self._jobs), limit)
        return [JobHistory(job.name, job.when, found[job.name]) for job in self._jobs.values()]

    async def sweep(self) -> None:
        """Run missed slots, take over dead runs, close lost ones, trim the history."""
        for job in self._jobs.values():
            slot = newest_slot(job, self._clock.now()) if job.catch_up else None
            if slot is not None and not self._is_running_here(job):
                self._spawn(job.name, self._run_slot(job, slot))
            async with self._db.transaction() as tx:
                lost = await runs.mark_lost(tx, job.name, but=slot)
                await runs.trim(tx, job.name, _KEEP_RUNS)
            if lost:
                log.error("job.lost", job=job.name, runs=lost)

    # Firing

    async def _fire(self, job: Job) -> None:
        """Called by APScheduler, which would cancel the run itself when it is shut down."""
        slot = newest_slot(job, self._clock.now())
        if slot is not None and not self._is_running_here(job):
            self._spawn(job.name, self._run_slot(job, slot))

    async def _fire_sweep(self, _: Job) -> None:
        if "sweep" not in self._tasks.values():
            self._spawn("sweep", self._sweep_safely())

    async def _sweep_safely(self) -> None:
        try:
            await self.sweep()
        except Exception as error:  # noqa: BLE001 - an edge: the next sweep tries again
            log.warning("job.sweep_failed", error=type(error).__name__)

    def _is_running_here(self, job: Job) -> bool:
        return job.name in self._tasks.values()

    def _spawn(self, name: str, work: Awaitable[Run | None]) -> None:
        task = self._task(name, work)
        task.add_done_callback(_note_crash)

    def _task(self, name: str, work: Awaitable[Run | None]) -> "asyncio.Task[Run | None]":
        """A task with a context of its own: a run belongs to no request."""

        async def run() -> Run | None:
            structlog.contextvars.bind_contextvars(job=name)
            return await work

        task = asyncio.create_task(run(), context=contextvars.Context())
        self._tasks[task] = name
        task.add_done_callback(lambda done: self._tasks.pop(done, None))
        return task

    # One run

    def _job(self, name: str) -> Job:
        try:
            return self._jobs[name]
        except KeyError:
            raise UnknownJob from None

    async def _claim(self, job: Job, slot: datetime | None) -> Run:
        async with self._db.transaction() as tx:
            run = await runs.claim(
                tx, job.name, slot, replica=self._replica, lease=self._lease, alone=job.alone
            )
        if run is None:
            raise JobRunning
        return run

    async def _run_slot(self, job: Job, slot: datetime) -> Run | None:
        """Run ``slot`` if it is ours. A claim in doubt is none: its lease runs out."""
        try:
            run = await self._claim(job, slot)
        except JobRunning:
            return None
        except Exception as error:  # noqa: BLE001 - an edge: the next slot, or the sweep, tries again
            log.warning("job.not_claimed", slot=slot, error=type(error).__name__)
            return None
        return await self._keep_and_run(job, run)

    async def _keep_and_run(self, job: Job, run: Run) -> Run | None:
        """Run a claimed slot, renewing its lease meanwhile; losing the lease cancels the run."""
        working = asyncio.ensure_future(self._work(job, run))
        renewing = asyncio.create_task(self._renew(run, working))
        try:
            return await working
        except asyncio.CancelledError:
            working.cancel()
            await asyncio.wait([working])
            await self._interrupted(job, run)
            if (current := asyncio.current_task()) and current.cancelling():
                raise
            return None  # only the run was cancelled, because its lease was lost
        finally:
            await asyncio.wait([renewing])

    async def _work(self, job: Job, run: Run) -> Run:
        began = time.monotonic()
        result, error = None, None
        try:
            async with asyncio.timeout(job.timeout.total_seconds()):
                result = _summary(await job.run())
        except Exception as caught:
            # The row and the metric get the type only: a message may quote a row.
            error = type(caught).__name__
            log.exception("job.failed", slot=run.slot, error=error)
        status = Status.DONE if error is None else Status.FAILED
        milliseconds = round((time.monotonic() - began) * 1000)
        ended = replace(run, status=status, result=result, error=error)
        await self._finish(ended)
        log.info("job.ended", slot=run.slot, status=status, ms=milliseconds, result=result)
        await self._tell(ended, milliseconds)
        return ended

    async def _finish(self, run: Run) -> None:
        """Record the end; when even that fails the lease runs out and the slot is run again."""
        for attempt in range(1, _FINISH_RETRY.attempts_max + 1):
            try:
                async with self._db.transaction() as tx:
                    kept = await runs.finish(
                        tx, run, run.status, result=run.result, error=run.error
                    )
            except errors.Unavailable:
                await asyncio.sleep(_FINISH_RETRY.wait_after(attempt).total_seconds())
            else:
                if not kept and attempt == 1:
                    log.warning("job.taken_over", slot=run.slot)
                return
        log.error("job.not_recorded", slot=run.slot, status=run.status)

    async def _tell(self, run: Run, milliseconds: int) -> None:
        if self._ended is None:
            return
        try:
            await self._ended(run, milliseconds)
        except Exception as error:  # noqa: BLE001 - an edge: who listens may fail, the run has ended
            log.warning("job.listener_failed", error=type(error).__name__)

    async def _renew(self, run: Run, working: "asyncio.Future[Run]") -> None:
        """Until ``working`` is done. Never cancelled itself: it may be in a transaction."""
        pause = self._lease.total_seconds() / 3
        while working not in (await asyncio.wait([working], timeout=pause))[0]:
            with contextlib.suppress(errors.Unavailable):
                async with self._db.transaction() as tx:
                    is_ours = await runs.renew(tx, run, self._lease)
                if not is_ours:
                    working.cancel()

    async def _interrupted(self, job: Job, run: Run) -> None:
        with contextlib.suppress(errors.Unavailable):
            async with self._db.transaction() as tx:
                if job.catch_up:
                    await runs.give_back(tx, run)
                else:
                    await runs.finish(tx, run, Status.FAILED, error="Interrupted")
        log.warning("job.interrupted", slot=run.slot)


def _summary(result: object) -> str | None:
    """What a job returned, as JSON of a bounded length."""
    if result is None:
        return None
    plain = asdict(result) if is_dataclass(result) and not isinstance(result, type) else result
    return json.dumps(plain, default=str)[:_RESULT_LENGTH_MAX]


def _note_crash(task: "asyncio.Task[Run | None]") -> None:
    """Nobody awaits a run in the background, so a fault of our own is logged here."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("job.crashed", error=type(error).__name__, exc_info=error)
