"""Velocity rules over HTTP; decides nothing."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from payops.access.domain import Principal
from payops.fraud.domain.changes import ChangeState, Version
from payops.fraud.domain.rules import Action, Mode
from payops.infra.web.body import json_body
from payops.infra.web.context import context_of
from payops.infra.web.replies import answer
from payops.infra.web.wire import accepts, problems
from payops.ops.access import ACT, ACT_WITH_BODY, READ, Approver, Reader, Writer
from payops.ops.velocity.schemas import (
    BacktestReply,
    BacktestRequest,
    ChangeReply,
    ChangeRequest,
    ChangesReply,
    PendingReply,
    ReportReply,
    RuleRequest,
    VersionReply,
    VersionsReply,
)
from payops.ops.velocity.service import Actor, VelocityDesk

RuleName = Annotated[str, Path(alias="rule", max_length=64)]
ChangeId = Annotated[str, Path(alias="changeId", max_length=64)]

_PENDING_APPROVAL = 202


def router(desk: VelocityDesk) -> APIRouter:
    routes = APIRouter(prefix="/api/ops/velocity", tags=["operations"])
    _add_reads(routes, desk)
    _add_rules(routes, desk)
    _add_changes(routes, desk)
    return routes


def _add_reads(routes: APIRouter, desk: VelocityDesk) -> None:
    @routes.get(
        "",
        response_model=ReportReply,
        operation_id="opsVelocityReport",
        summary="The rules as they stand, and how often each was met, by the hour",
        responses=READ,
    )
    async def report(_: Reader, hours: Annotated[int, Query(ge=1, le=24 * 31)] = 24) -> Response:
        return answer(ReportReply.of(await desk.report(hours=hours)))

    @routes.get(
        "/history",
        response_model=VersionsReply,
        operation_id="opsVelocityHistory",
        summary="Who changed which rule, from what to what, and why",
        responses=READ,
    )
    async def history(
        _: Reader, rule: Annotated[str | None, Query(min_length=1, max_length=64)] = None
    ) -> Response:
        found = await desk.history(rule)
        return answer(VersionsReply(data=[VersionReply.of(version) for version in found]))

    @routes.post(
        "/backtest",
        response_model=BacktestReply,
        operation_id="opsBacktestVelocity",
        summary="What a rule would have stopped of what was accepted; changes nothing",
        responses=problems(400, 401, 403, 413, 422, 429, 503),
        openapi_extra=accepts(BacktestRequest),
    )
    async def backtest(
        _: Reader, body: Annotated[BacktestRequest, Depends(json_body(BacktestRequest))]
    ) -> Response:
        rule = body.rule("backtest", Action.WITHDRAWAL, Mode.ENFORCE)
        return answer(BacktestReply.of(await desk.backtest(rule, days=body.days), rule.scope))


def _add_rules(routes: APIRouter, desk: VelocityDesk) -> None:
    @routes.post(
        "/rules",
        status_code=201,
        response_model=VersionReply,
        operation_id="opsMakeVelocityRule",
        summary="A new rule, in force at once",
        responses=ACT_WITH_BODY,
        openapi_extra=accepts(RuleRequest),
    )
    async def make_rule(
        request: Request,
        principal: Writer,
        body: Annotated[RuleRequest, Depends(json_body(RuleRequest))],
    ) -> Response:
        rule = body.rule(body.name, body.action, body.mode)
        made = await desk.make(rule, body.reason, _by(principal, request))
        return answer(VersionReply.of(made), 201)

    @routes.put(
        "/rules/{rule}",
        response_model=VersionReply,
        operation_id="opsChangeVelocityRule",
        summary="Change a rule: at once when stricter, by a second person's approval when looser",
        responses={
            _PENDING_APPROVAL: {"model": PendingReply, "description": "Waits for approval"},
            **ACT_WITH_BODY,
        },
        openapi_extra=accepts(ChangeRequest),
    )
    async def change_rule(
        request: Request,
        principal: Writer,
        rule: RuleName,
        body: Annotated[ChangeRequest, Depends(json_body(ChangeRequest))],
    ) -> Response:
        done = await desk.change(
            rule,
            limit=body.limit,
            mode=body.mode,
            reason=body.reason,
            by=_by(principal, request),
        )
        if isinstance(done, Version):
            return answer(VersionReply.of(done))
        return answer(PendingReply(change_id=done.shown_id), _PENDING_APPROVAL)


def _add_changes(routes: APIRouter, desk: VelocityDesk) -> None:
    @routes.get(
        "/changes",
        response_model=ChangesReply,
        operation_id="opsListVelocityChanges",
        summary="Changes that were asked for, newest first",
        responses=READ,
    )
    async def list_changes(_: Reader, state: ChangeState | None = None) -> Response:
        found = await desk.changes(state)
        return answer(ChangesReply(data=[ChangeReply.of(change) for change in found]))

    @routes.post(
        "/changes/{changeId}/approve",
        response_model=VersionReply,
        operation_id="opsApproveVelocityChange",
        summary="Put another person's change into force",
        responses=ACT,
    )
    async def approve_change(
        request: Request, principal: Approver, change_id: ChangeId
    ) -> Response:
        approved = await desk.approve(change_id, _by(principal, request))
        return answer(VersionReply.of(approved))

    @routes.post(
        "/changes/{changeId}/reject",
        response_model=ChangeReply,
        operation_id="opsRejectVelocityChange",
        summary="Close a change without effect; one's own is taken back",
        responses=ACT,
    )
    async def reject_change(request: Request, principal: Approver, change_id: ChangeId) -> Response:
        rejected = await desk.reject(change_id, _by(principal, request))
        return answer(ChangeReply.of(rejected))


def _by(principal: Principal, request: Request) -> Actor:
    return Actor(principal.caller, principal.owner, context_of(request).request_id)
