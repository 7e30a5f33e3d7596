"""Switches over HTTP; decides nothing."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import Response

from payops.approvals.domain import Approval
from payops.infra.web.body import json_body
from payops.infra.web.context import context_of
from payops.infra.web.replies import answer
from payops.infra.web.wire import Wire, WireReply, accepts, problems
from payops.ops.access import ACT_WITH_BODY, Reader, Writer
from payops.ops.approvals.api import person_of
from payops.ops.approvals.schemas import PendingReply
from payops.ops.switches.service import SwitchDesk
from payops.switches.domain import Switch


class SwitchRequest(Wire):
    name: Annotated[
        str, Field(max_length=32, description="`withdrawals`, `deposits`, or a provider")
    ]
    halted: bool
    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]


class SwitchReply(WireReply):
    name: str
    halted: bool
    reason: str | None = None
    changed_by: str | None = None
    changed_at: datetime | None = None

    @classmethod
    def of(cls, switch: Switch) -> "SwitchReply":
        return cls(
            name=switch.name,
            halted=switch.is_halted,
            reason=switch.reason or None,
            changed_by=switch.changed_by,
            changed_at=switch.changed_at,
        )


class SwitchesReply(WireReply):
    data: list[SwitchReply]


def router(desk: SwitchDesk) -> APIRouter:
    routes = APIRouter(prefix="/api/ops/switches", tags=["operations"])

    @routes.get(
        "",
        response_model=SwitchesReply,
        operation_id="opsListSwitches",
        summary="What is halted, by whom and why",
        responses=problems(401, 403, 429, 503),
    )
    async def list_switches(_: Reader) -> Response:
        return answer(SwitchesReply(data=[SwitchReply.of(one) for one in await desk.every()]))

    @routes.post(
        "",
        response_model=SwitchReply,
        operation_id="opsThrowSwitch",
        summary="Halt a flow or a provider at once, or ask another person to let it go on",
        responses={
            202: {"model": PendingReply, "description": "Resuming waits for approval"},
            **ACT_WITH_BODY,
        },
        openapi_extra=accepts(SwitchRequest),
    )
    async def throw_switch(
        request: Request,
        principal: Writer,
        body: Annotated[SwitchRequest, Depends(json_body(SwitchRequest))],
    ) -> Response:
        throw = desk.halt if body.halted else desk.resume
        thrown = await throw(
            body.name,
            reason=body.reason,
            by=person_of(principal),
            request_id=context_of(request).request_id,
        )
        if isinstance(thrown, Approval):
            return answer(PendingReply.of(thrown), 202)
        return answer(SwitchReply.of(thrown))

    return routes
