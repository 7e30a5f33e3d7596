"""Users over HTTP, for operations; decides nothing."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from payops.access.domain import USER_ID_PATTERN
from payops.approvals.domain import Approval
from payops.infra.web.body import json_body
from payops.infra.web.context import context_of
from payops.infra.web.replies import answer
from payops.infra.web.wire import accepts, problems
from payops.ops.access import READ, Reader, Writer
from payops.ops.approvals.api import person_of
from payops.ops.approvals.schemas import PendingReply
from payops.ops.service import Operations
from payops.ops.users import service
from payops.ops.users.schemas import (
    BlockedReply,
    BlockReply,
    BlockRequest,
    UnblockRequest,
    UserReply,
)

UserId = Annotated[str, Path(alias="userId", pattern=USER_ID_PATTERN)]

_ACT = problems(400, 401, 403, 409, 413, 422, 429, 503)


def router(operations: Operations) -> APIRouter:
    routes = APIRouter(prefix="/api/ops/users", tags=["operations"])
    _add_reads(routes, operations)
    _add_blocks(routes, operations)
    return routes


def _add_reads(routes: APIRouter, operations: Operations) -> None:
    @routes.get(
        "/{userId}",
        response_model=UserReply,
        operation_id="opsGetUser",
        summary="A user's block, wallets, devices and newest withdrawals",
        responses=READ,
    )
    async def get_user(_: Reader, user_id: UserId) -> Response:
        return answer(UserReply.of(await service.show_user(operations, user_id)))


def _add_blocks(routes: APIRouter, operations: Operations) -> None:
    @routes.post(
        "/{userId}/block",
        response_model=BlockedReply,
        operation_id="opsBlockUser",
        summary="Let a user withdraw nothing more, and give back what was not sent",
        responses=_ACT,
        openapi_extra=accepts(BlockRequest),
    )
    async def block_user(
        request: Request,
        principal: Writer,
        user_id: UserId,
        body: Annotated[BlockRequest, Depends(json_body(BlockRequest))],
    ) -> Response:
        blocked = await service.block(
            operations,
            user_id,
            reason=body.reason,
            until=body.until,
            actor=principal.caller,
            request_id=context_of(request).request_id,
        )
        return answer(BlockedReply.of_blocked(blocked))

    @routes.post(
        "/{userId}/unblock",
        response_model=BlockReply,
        operation_id="opsUnblockUser",
        summary="Let a user withdraw again: at once, or with much at stake by two people",
        responses={202: {"model": PendingReply, "description": "Waits for approval"}, **_ACT},
        openapi_extra=accepts(UnblockRequest),
    )
    async def unblock_user(
        request: Request,
        principal: Writer,
        user_id: UserId,
        body: Annotated[UnblockRequest, Depends(json_body(UnblockRequest))],
    ) -> Response:
        lifted = await service.unblock(
            operations,
            user_id,
            reason=body.reason,
            by=person_of(principal),
            request_id=context_of(request).request_id,
        )
        if isinstance(lifted, Approval):
            return answer(PendingReply.of(lifted), 202)
        return answer(BlockReply.of(lifted))
