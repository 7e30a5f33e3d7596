"""Approvals: what waits for a second person, what it would change, and deciding on it."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from payops.approvals.domain import State
from payops.infra.web.context import context_of
from payops.infra.web.replies import Cursor, page_of, read_cursor
from payops.ops.approvals.outlook import outlooks
from payops.ops.approvals.schemas import ApprovalReply, DecisionRequest
from payops.ops.console.forms import Posted
from payops.ops.console.parts import Console
from payops.ops.console.queries import PAGE, filters_of
from payops.ops.console.rendering import Said, page, see_other
from payops.ops.console.signing import Approver, Reader

_HERE = "/ops/approvals"


def add_approvals(routes: APIRouter, console: Console) -> None:
    desk = console.approvals.desk

    @routes.get("/approvals", operation_id="consoleApprovals")
    async def approvals(
        request: Request,
        _: Reader,
        status: Annotated[State | Literal["all"], Query()] = State.PENDING,
        cursor: Cursor = None,
    ) -> Response:
        wanted = None if status == "all" else State(status)
        found = await desk.page(state=wanted, before=read_cursor(cursor), limit=PAGE + 1)
        reply = page_of([ApprovalReply.of(a) for a in found], [a.id for a in found], PAGE)
        return page(
            request,
            "approvals.html",
            reply=reply,
            listed=list(zip(reply.data, await outlooks(desk, found[:PAGE]), strict=True)),
            status=status,
            statuses=[*State, "all"],
            query=filters_of(request),
        )

    @routes.post("/approvals/{id}/approve", operation_id="consoleApprove")
    async def approve(request: Request, visitor: Approver, form: Posted, id: str) -> Response:
        await desk.approve(
            id,
            by=visitor.person,
            reason=form.read(DecisionRequest).reason or "",
            request_id=context_of(request).request_id,
        )
        return see_other(_HERE, Said.DONE)

    @routes.post("/approvals/{id}/reject", operation_id="consoleReject")
    async def reject(request: Request, visitor: Approver, form: Posted, id: str) -> Response:
        await desk.reject(
            id,
            by=visitor.person,
            reason=form.read(DecisionRequest).reason or "",
            request_id=context_of(request).request_id,
        )
        return see_other(_HERE, Said.DONE)
