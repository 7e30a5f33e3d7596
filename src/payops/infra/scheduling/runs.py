"""The rows of ``job_runs``: claiming a slot, keeping it, ending it, reading what was.

Claims and leases are on the database's clock, so replicas need not agree on the time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from payops.infra.db import Database, Tx

ATTEMPTS_MAX = 3  # of one slot; a job that kills its process would otherwise kill them all
_AHEAD_MAX = timedelta(seconds=30)  # a replica whose clock runs ahead may not use up slots
_DELETED_AT_ONCE = 5_000


class Status(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    LOST = "lost"  # its process died, and nobody ran it again


@dataclass(frozen=True, slots=True)
class Run:
    """One slot as it was run; ``attempt`` tells a run from the one that took it over."""

    job: str
    slot: datetime
    attempt: int
    replica: str
    status: Status
    started_at: datetime
    finished_at: datetime | None = None
    result: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class JobHistory:
    """A job and its newest runs, newest first."""

    name: str
    when: str
    runs: tuple[Run, ...]

    @property
    def last_slot(self) -> datetime | None:
        return self.runs[0].slot if self.runs else None

    @property
    def last_status(self) -> Status | None:
        return self.runs[0].status if self.runs else None


_CLAIM = """
INSERT INTO job_runs AS r (job, slot, replica, status, started_at, lease_until)
SELECT $1, coalesce($2, now()), $3, 'running', now(), now() + $4::interval
WHERE ($2::timestamptz IS NULL OR $2 <= now() + $5::interval) AND NOT ($6 AND EXISTS (
    SELECT FROM job_runs o WHERE o.job = $1 AND o.slot IS DISTINCT FROM $2
        AND o.status = 'running' AND o.lease_until >= now()
))
ON CONFLICT (job, slot) DO UPDATE
SET replica = excluded.replica, attempt = r.attempt + 1,
    started_at = now(), lease_until = excluded.lease_until
WHERE r.status = 'running' AND r.lease_until < now() AND r.attempt < $7
RETURNING r.*
"""


async def claim(
    tx: Tx, job: str, slot: datetime | None, *, replica: str, lease: timedelta, alone: bool
) -> Run | None:
    """The run of ``slot`` (``None`` is this moment), if it is ours to do; else ``None``.

    Ours when nobody had the slot, or when the lease of whoever had it ran out. ``alone``
    asks that no other slot of the job be running; two claims at the same instant may both
    believe so, which is why a job must be safe to repeat.
    """
    row = await tx.fetchrow(_CLAIM, job, slot, replica, lease, _AHEAD_MAX, alone, ATTEMPTS_MAX)
    return None if row is None else _run(row)


async def renew(tx: Tx, run: Run, lease: timedelta) -> bool:
    """Keep ``run`` for another ``lease``; false when it is no longer ours."""
    return bool(
        await tx.execute(
            "UPDATE job_runs SET lease_until = now() + $4::interval"
            " WHERE job = $1 AND slot = $2 AND attempt = $3 AND status = 'running'",
            run.job,
            run.slot,
            run.attempt,
            lease,
        )
    )


async def finish(
    tx: Tx, run: Run, status: Status, *, result: str | None = None, error: str | None = None
) -> bool:
    """End ``run``; false, and nothing changed, when another replica took it over."""
    return bool(
        await tx.execute(
            "UPDATE job_runs SET status = $4, finished_at = now(), result = $5, error = $6"
            " WHERE job = $1 AND slot = $2 AND attempt = $3 AND status = 'running'",
            run.job,
            run.slot,
            run.attempt,
            status.value,
            result,
            error,
        )
    )


async def give_back(tx: Tx, run: Run) -> None:
    """Let another replica take ``run`` over at once."""
    await tx.execute(
        "UPDATE job_runs SET lease_until = now() - interval '1 microsecond', attempt = attempt - 1"
        " WHERE job = $1 AND slot = $2 AND attempt = $3 AND status = 'running'",
        run.job,
        run.slot,
        run.attempt,
    )


async def mark_lost(tx: Tx, job: str, *, but: datetime | None) -> int:
    """Close the runs of ``job`` whose process died and that nobody will run again.

    ``but`` is the slot that may still be taken over, while it has attempts left.
    """
    return await tx.execute(
        "UPDATE job_runs SET status = 'lost', finished_at = now()"
        " WHERE job = $1 AND status = 'running' AND lease_until < now()"
        " AND (slot IS DISTINCT FROM $2 OR attempt >= $3)",
        job,
        but,
        ATTEMPTS_MAX,
    )


async def trim(tx: Tx, job: str, keep: int) -> int:
    """Delete all but the newest ``keep`` runs of ``job`` that have ended."""
    return await tx.execute(
        "DELETE FROM job_runs WHERE job = $1 AND status <> 'running' AND slot < ("
        "SELECT slot FROM job_runs WHERE job = $1 ORDER BY slot DESC OFFSET $2 LIMIT 1)",
        job,
        keep - 1,
    )


async def delete_history(db: Database, older_than: timedelta) -> int:
    """Delete ended runs older than that, a bounded number at a time; returns how many."""
    deleted = 0
    while True:
        async with db.transaction() as tx:
            count = await tx.execute(
                "DELETE FROM job_runs WHERE (job, slot) IN (SELECT job, slot FROM job_runs"
                " WHERE status <> 'running' AND slot < now() - $1::interval LIMIT $2)",
                older_than,
                _DELETED_AT_ONCE,
            )
        deleted += count
        if count < _DELETED_AT_ONCE:
            return deleted


async def newest(tx: Tx, jobs: Sequence[str], limit: int) -> dict[str, tuple[Run, ...]]:
    """The ``limit`` newest runs of each of ``jobs``, newest first."""
    rows = await tx.fetch(
        "SELECT r.* FROM unnest($1::text[]) AS j(name), LATERAL ("
        "SELECT * FROM job_runs WHERE job = j.name ORDER BY slot DESC LIMIT $2) r"
        " ORDER BY r.job, r.slot DESC",
        list(jobs),
        limit,
    )
    found: dict[str, list[Run]] = {name: [] for name in jobs}
    for row in rows:
        found[row["job"]].append(_run(row))
    return {name: tuple(runs) for name, runs in found.items()}


def _run(row: object) -> Run:
    values = dict(row)  # type: ignore[call-overload]  # asyncpg ships no types
    del values["lease_until"]
    return Run(**{**values, "status": Status(values["status"])})
