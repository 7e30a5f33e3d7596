"""One run a slot, whatever fires, dies or comes late; on the real job_runs table."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from payops.infra import scheduling
from payops.infra.db import Database
from payops.infra.scheduling import Job, JobRunning, Run, Scheduler, Status, UnknownJob, runs
from payops.kernel.clock import SystemClock
from tests.support import sql
from tests.support.waiting import eventually

LONG = timedelta(minutes=1)
SHORT = timedelta(milliseconds=300)
TWO = datetime(2026, 11, 22, 2, tzinfo=UTC)


class Stopped:
    """A clock that stands still."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


class Counted:
    """A job that counts how often it ran."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self) -> dict[str, int]:
        self.times += 1
        return {"moved": self.times}


Make = Callable[..., Scheduler]


@pytest.fixture
async def make(database: Database) -> AsyncIterator[Make]:
    """Makes schedulers, and stops them after the test."""
    made: list[Scheduler] = []

    def make(*jobs: Job, replica: str = "one", **options: Any) -> Scheduler:
        options.setdefault("clock", SystemClock())
        made.append(Scheduler(database, jobs, replica=replica, **options))
        return made[-1]

    yield make
    await asyncio.gather(*(scheduler.stop(timedelta(0)) for scheduler in made))


def nightly(run: Callable[[], Awaitable[object]], **options: Any) -> Job:
    options = {"timeout": LONG, "cron": "0 2 * * *", "catch_up": True, **options}
    return Job(name="nightly", run=run, **options)


async def statuses(database: Database) -> list[str]:
    rows = await sql.fetch(database, "SELECT status FROM job_runs ORDER BY slot")
    return [row["status"] for row in rows]


async def plant(database: Database, slot: datetime, lease: str, attempt: int = 1) -> None:
    """A run of a replica that is not here; ``lease`` is an interval from now."""
    await sql.execute(
        database,
        "INSERT INTO job_runs (job, slot, replica, attempt, status, lease_until)"
        " VALUES ('nightly', $1, 'other', $2, 'running', now() + $3::text::interval)",
        slot,
        attempt,
        lease,
    )


async def test_of_three_replicas_that_fire_one_runs_the_slot(
    database: Database, make: Make
) -> None:
    """
    Each fires for the same slots; the counts of all replicas together are the slots.
    """
    counted = Counted()
    tick = Job(name="tick", run=counted, timeout=LONG, every=timedelta(milliseconds=200))
    replicas = [make(tick, replica=name) for name in ("one", "two", "three")]

    for replica in replicas:
        replica.start()
    await eventually(lambda: counted.times >= 5)
    await asyncio.gather(*(replica.stop(LONG) for replica in replicas))

    assert counted.times == await sql.fetchval(database, "SELECT count(*) FROM job_runs")
    assert {"done"} == set(await statuses(database))


async def test_a_slot_missed_while_the_service_was_down_is_run_once_at_the_start(
    database: Database, make: Make
) -> None:
    """
    Started at 9, the run of 2 o'clock is caught up by one of two replicas.
    """
    counted = Counted()
    clock = Stopped(TWO + timedelta(hours=7))
    replicas = [make(nightly(counted), clock=clock, replica=name) for name in ("one", "two")]

    for replica in replicas:
        await replica.sweep()
    await eventually(lambda: counted.times)
    await asyncio.gather(*(replica.stop(LONG) for replica in replicas))

    assert 1 == counted.times
    assert [TWO] == [row["slot"] for row in await sql.fetch(database, "TABLE job_runs")]


async def test_a_job_that_does_not_catch_up_waits_for_its_next_slot(
    database: Database, make: Make
) -> None:
    """
    Without ``catch_up`` a missed slot is left alone.
    """
    counted = Counted()
    scheduler = make(nightly(counted, catch_up=False), clock=Stopped(TWO + LONG))

    await scheduler.sweep()
    await scheduler.stop(LONG)

    assert 0 == counted.times


async def test_a_run_whose_process_died_is_taken_over(database: Database, make: Make) -> None:
    """
    The lease ran out: the slot is run again, as attempt 2, by who notices.
    """
    counted = Counted()
    await plant(database, TWO, lease="-1 second")
    scheduler = make(nightly(counted), clock=Stopped(TWO + LONG))

    await scheduler.sweep()
    await eventually(lambda: counted.times)
    await scheduler.stop(LONG)

    [row] = await sql.fetch(database, "TABLE job_runs")
    assert ("done", 2, "one") == (row["status"], row["attempt"], row["replica"])
    assert '{"moved": 1}' == row["result"]


async def test_a_run_that_is_alive_is_not_taken_over(database: Database, make: Make) -> None:
    """
    While the lease runs, the slot is its owner's.
    """
    counted = Counted()
    await plant(database, TWO, lease="10 seconds")
    scheduler = make(nightly(counted), clock=Stopped(TWO + LONG))

    await scheduler.sweep()
    await scheduler.stop(LONG)

    assert 0 == counted.times


async def test_a_run_that_keeps_killing_its_process_is_given_up(
    database: Database, make: Make
) -> None:
    """
    After three attempts the slot is closed as lost instead of tried for ever.
    """
    counted = Counted()
    await plant(database, TWO, lease="-1 second", attempt=runs.ATTEMPTS_MAX)
    scheduler = make(nightly(counted), clock=Stopped(TWO + LONG))

    await scheduler.sweep()
    await scheduler.stop(LONG)

    assert 0 == counted.times
    assert ["lost"] == await statuses(database)


async def test_a_slot_without_attempts_left_cannot_be_claimed(database: Database) -> None:
    """
    The claim itself refuses, whether or not a sweep has closed the slot yet.
    """
    await plant(database, TWO, lease="-1 second", attempt=runs.ATTEMPTS_MAX)

    async with database.transaction() as tx:
        claimed = await runs.claim(tx, "nightly", TWO, replica="one", lease=LONG, alone=False)

    assert claimed is None


async def test_a_long_run_keeps_its_lease(database: Database, make: Make) -> None:
    """
    A run longer than its lease is renewed, so nobody else takes it.
    """
    done = asyncio.Event()
    counted = Counted()

    async def long() -> None:
        await done.wait()

    owner = make(nightly(long), clock=Stopped(TWO), lease=SHORT)
    other = make(nightly(counted), clock=Stopped(TWO), lease=SHORT, replica="two")
    await owner.sweep()
    await eventually(lambda: statuses(database))
    lease = "SELECT lease_until FROM job_runs"
    first = await sql.fetchval(database, lease)

    # Longer than the first lease, on the database's clock.
    await eventually(lambda: sql.fetchval(database, "SELECT now() > $1", first + SHORT))
    await other.sweep()
    await other.stop(LONG)
    done.set()
    await owner.stop(LONG)

    assert 0 == counted.times
    assert ["done"] == await statuses(database)


async def test_a_run_that_lost_its_lease_is_cancelled_and_changes_nothing(
    database: Database, make: Make
) -> None:
    """
    Taken over meanwhile, the first run stops, and the row stays the second one's.
    """
    cancelled = asyncio.Event()

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    scheduler = make(nightly(hangs), clock=Stopped(TWO), lease=SHORT)
    await scheduler.sweep()
    await eventually(lambda: statuses(database))

    await sql.execute(database, "UPDATE job_runs SET attempt = attempt + 1, replica = 'other'")
    await eventually(cancelled.is_set)
    await scheduler.stop(LONG)

    [row] = await sql.fetch(database, "TABLE job_runs")
    assert ("running", "other") == (row["status"], row["replica"])


async def test_a_failure_is_recorded_by_type_and_told(database: Database, make: Make) -> None:
    """
    The row holds the type of the error and not its words; who listens hears of it.
    """
    told: list[Run] = []

    async def fails() -> None:
        raise ZeroDivisionError("words that may quote a row")

    async def ended(run: Run, milliseconds: int) -> None:
        assert milliseconds >= 0
        told.append(run)

    run = await make(nightly(fails), ended=ended).run_and_wait("nightly")

    assert (Status.FAILED, "ZeroDivisionError") == (run.status, run.error)
    assert [run] == told
    [row] = await sql.fetch(database, "TABLE job_runs")
    assert ("failed", "ZeroDivisionError", None) == (row["status"], row["error"], row["result"])


async def test_a_job_that_takes_too_long_has_failed(database: Database, make: Make) -> None:
    """
    The timeout ends it, as a failure.
    """
    job = nightly(asyncio.Event().wait, timeout=timedelta(milliseconds=20))

    run = await make(job).run_and_wait("nightly")

    assert (Status.FAILED, "TimeoutError") == (run.status, run.error)


async def test_a_job_that_must_be_alone_is_refused_while_it_runs(
    database: Database, make: Make
) -> None:
    """
    Started by hand while another replica runs it: a conflict; another job is not concerned.
    """
    await plant(database, TWO, lease="1 minute")
    scheduler = make(nightly(Counted(), alone=True))

    with pytest.raises(JobRunning):
        await scheduler.run_now("nightly")
    with pytest.raises(UnknownJob):
        await scheduler.run_now("nothing")


async def test_a_replica_whose_clock_runs_ahead_does_not_use_up_the_slot(
    database: Database, make: Make
) -> None:
    """
    A slot that the database's clock has not reached is nobody's yet.
    """
    counted = Counted()
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).replace(hour=2, minute=1)
    scheduler = make(nightly(counted), clock=Stopped(tomorrow))

    await scheduler.sweep()
    await scheduler.stop(LONG)

    assert 0 == counted.times
    assert [] == await statuses(database)


async def test_stopping_gives_an_unfinished_run_back(database: Database, make: Make) -> None:
    """
    A replica that stops in the middle lets another go on at once.
    """
    counted = Counted()
    stopping = make(nightly(asyncio.Event().wait), clock=Stopped(TWO))
    await stopping.sweep()
    await eventually(lambda: statuses(database))

    await stopping.stop(timedelta(0))
    other = make(nightly(counted), clock=Stopped(TWO), replica="two")
    await other.sweep()
    await other.stop(LONG)

    assert 1 == counted.times
    assert ["done"] == await statuses(database)


async def test_stopping_waits_for_what_runs(database: Database, make: Make) -> None:
    """
    What ends within the bound ends well.
    """
    began = asyncio.Event()

    async def brief() -> None:
        began.set()
        await asyncio.sleep(0.05)

    scheduler = make(nightly(brief))
    await scheduler.run_now("nightly")
    await began.wait()
    await scheduler.stop(LONG)

    assert ["done"] == await statuses(database)


async def test_the_history_shows_every_job_newest_run_first(database: Database, make: Make) -> None:
    """
    A job that never ran is there too, without a last slot.
    """
    idle = Job(name="idle", run=Counted(), timeout=LONG, every=LONG)
    scheduler = make(nightly(Counted()), idle)
    first = await scheduler.run_and_wait("nightly")
    second = await scheduler.run_and_wait("nightly")

    async with database.transaction() as tx:
        ran, never = await scheduler.history(tx)

    assert ("nightly", "0 2 * * *") == (ran.name, ran.when)
    assert [second.slot, first.slot] == [run.slot for run in ran.runs]
    assert (second.slot, Status.DONE) == (ran.last_slot, ran.last_status)
    assert ("idle", None, None) == (never.name, never.last_slot, never.last_status)


async def test_old_history_is_deleted_and_the_newest_kept(database: Database, make: Make) -> None:
    """
    Retention goes by age, trimming by number; what runs is never touched.
    """
    await sql.execute(
        database,
        "INSERT INTO job_runs (job, slot, replica, status, finished_at, lease_until)"
        " SELECT 'nightly', now() - n * interval '1 day', 'one', 'done', now(), now()"
        " FROM generate_series(1, 40) n",
    )
    await plant(database, TWO - timedelta(days=100), lease="1 minute")

    deleted = await scheduling.delete_history(database, timedelta(days=30, hours=1))
    async with database.transaction() as tx:
        trimmed = await runs.trim(tx, "nightly", keep=10)

    assert (10, 20) == (deleted, trimmed)
    assert 10 == (await statuses(database)).count("done")
    assert 1 == (await statuses(database)).count("running")
