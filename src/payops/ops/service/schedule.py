"""Running a timed job out of its turn."""

from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.infra.scheduling import Run
from payops.ops.service.operations import Operations


async def start_job(
    operations: Operations, name: str, *, actor: str, request_id: str | None = None
) -> Run:
    """Begin a run of this very moment; it goes on in the background.

    Raises:
        UnknownJob: no job has that name.
        JobRunning: it runs already, and must be alone.
    """
    run = await operations.scheduler.run_now(name)
    await _record(operations, run, actor, request_id)
    return run


async def run_job(operations: Operations, name: str, *, actor: str) -> Run:
    """As ``start_job``, and return the run once it has ended."""
    run = await operations.scheduler.run_and_wait(name)
    await _record(operations, run, actor, None)
    return run


async def _record(operations: Operations, run: Run, actor: str, request_id: str | None) -> None:
    event = AuditEvent(
        kind="job_run",
        actor=actor,
        subject=run.job,
        request_id=request_id,
        detail={"slot": run.slot.isoformat(), "replica": run.replica},
    )
    async with operations.db.transaction() as tx:
        await audit.record(tx, [event])
