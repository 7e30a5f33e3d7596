"""Timed jobs: when they ran, what became of it, and running one now."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from payops.infra.web.context import context_of
from payops.ops import service
from payops.ops.console.forms import Posted
from payops.ops.console.parts import Console
from payops.ops.console.rendering import Said, page, see_other
from payops.ops.console.signing import Reader, Writer
from payops.ops.console.spans import span
from payops.ops.schemas import JobReply

_RUNS_SHOWN: Final = 20

Name = Annotated[str, Path(max_length=64)]


def add_jobs(routes: APIRouter, console: Console) -> None:
    operations = console.operations

    @routes.get("/jobs", operation_id="consoleJobs")
    async def jobs(request: Request, _: Reader) -> Response:
        async with operations.db.transaction(read_only=True) as tx:
            found = await operations.scheduler.history(tx, _RUNS_SHOWN)
        late = {one.name: one.overdue_minutes for one in await console.overview.last_runs()}
        return page(
            request,
            "jobs.html",
            jobs=[JobReply.of(job) for job in found],
            late={name: span(60 * m) for name, m in late.items() if m is not None},
        )

    @routes.post("/jobs/{name}/run", operation_id="consoleRunJob")
    async def run_job(request: Request, visitor: Writer, _: Posted, name: Name) -> Response:
        await service.start_job(
            operations,
            name,
            actor=visitor.principal.caller,
            request_id=context_of(request).request_id,
        )
        return see_other("/ops/jobs", Said.STARTED)
