"""Checklists over HTTP; decides nothing."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from payops.infra.web.context import context_of
from payops.infra.web.replies import answer
from payops.ops.access import READ, Reader, Writer
from payops.ops.checklists.domain import ListName
from payops.ops.checklists.parts import By
from payops.ops.checklists.schemas import ChecklistReply, ChecklistsReply
from payops.ops.checklists.service import Checker

Name = Annotated[ListName, Path()]


def router(checker: Checker) -> APIRouter:
    routes = APIRouter(prefix="/api/ops/checklists", tags=["operations"])

    @routes.get(
        "",
        response_model=ChecklistsReply,
        operation_id="opsListChecklists",
        summary="Every list as it was last run",
        responses=READ,
    )
    async def list_checklists(_: Reader) -> Response:
        found = [ChecklistReply.of(name, await checker.latest(name)) for name in ListName]
        return answer(ChecklistsReply(data=found))

    @routes.get(
        "/{name}",
        response_model=ChecklistReply,
        operation_id="opsGetChecklist",
        summary="One list as it was last run, with its evidence",
        responses=READ,
    )
    async def get_checklist(_: Reader, name: Name) -> Response:
        return answer(ChecklistReply.of(name, await checker.latest(name)))

    @routes.post(
        "/{name}",
        response_model=ChecklistReply,
        operation_id="opsRunChecklist",
        summary="Carry out every line of a list now; moves no money of real users",
        responses=READ,
    )
    async def run_checklist(request: Request, principal: Writer, name: Name) -> Response:
        by = By(principal.caller, context_of(request).request_id)
        return answer(ChecklistReply.of(name, await checker.run(name, by)))

    return routes
