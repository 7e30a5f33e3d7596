"""Timed jobs: when they ran, what became of it, and running one now."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from payops.cli.running import (
    CHECK_FAILED,
    Json,
    actor,
    console,
    errors,
    print_reply,
    with_operations,
)

if TYPE_CHECKING:
    from payops.infra.scheduling import JobHistory
    from payops.ops.service import Operations

app = typer.Typer(help="Timed jobs", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_jobs(
    runs: Annotated[int, typer.Option(min=1, max=100, help="How many runs of each")] = 20,
    as_json: Json = False,
) -> None:
    """All jobs and their newest runs."""
    from payops.ops.schemas import JobReply, JobsReply

    async def work(operations: "Operations") -> "list[JobHistory]":
        async with operations.db.transaction(read_only=True) as tx:
            return await operations.scheduler.history(tx, runs)

    reply = JobsReply(data=[JobReply.of(history) for history in with_operations(work)])
    if as_json:
        print_reply(reply, with_nulls=True)
        return
    table = Table("job", "when (UTC)", "last slot", "became", "on")
    for job in reply.data:
        last = job.runs[0] if job.runs else None
        table.add_row(
            job.name,
            job.cron,
            f"{job.last_slot:%Y-%m-%d %H:%M:%S}" if job.last_slot else "never ran",
            job.last_status or "-",
            last.replica if last else "-",
        )
    console().print(table)


@app.command()
def run(name: str, as_json: Json = False) -> None:
    """Run a job now and wait for its end; exit code 1 if it fails."""
    from payops.infra.scheduling import Status
    from payops.ops import service
    from payops.ops.schemas import StartedReply

    ended = with_operations(lambda operations: service.run_job(operations, name, actor=actor()))
    if as_json:
        print_reply(StartedReply.of_run(ended), with_nulls=True)
    else:
        typer.echo(f"{ended.job} is {ended.status}{f': {ended.result}' if ended.result else ''}")
    if ended.status is not Status.DONE:
        errors.print(f"{ended.job} failed: {ended.error}; the log has the reason")
        raise typer.Exit(CHECK_FAILED)
