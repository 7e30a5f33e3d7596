"""Checklists: how each line came out when it was last carried out, and carrying one out now."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from payops.infra.web.context import context_of
from payops.ops.checklists.domain import ListName
from payops.ops.checklists.parts import By
from payops.ops.checklists.schemas import ChecklistReply
from payops.ops.console.forms import Posted
from payops.ops.console.parts import Console
from payops.ops.console.rendering import Said, page, see_other
from payops.ops.console.signing import Reader, Writer

Name = Annotated[ListName, Path()]


def add_checklists(routes: APIRouter, console: Console) -> None:
    checker = console.checker

    @routes.get("/checklists", operation_id="consoleChecklists")
    async def checklists(request: Request, _: Reader) -> Response:
        found = [ChecklistReply.of(name, await checker.latest(name)) for name in ListName]
        return page(request, "checklists.html", lists=found)

    @routes.get("/checklists/{name}", operation_id="consoleChecklist")
    async def checklist(request: Request, _: Reader, name: Name) -> Response:
        found = ChecklistReply.of(name, await checker.latest(name))
        return page(request, "checklist.html", found=found)

    @routes.post("/checklists/{name}/run", operation_id="consoleRunChecklist")
    async def run(request: Request, visitor: Writer, _: Posted, name: Name) -> Response:
        await checker.run(name, By(visitor.principal.caller, context_of(request).request_id))
        return see_other(f"/ops/checklists/{name}", Said.TRIED)
