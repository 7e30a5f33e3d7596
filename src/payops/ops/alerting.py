"""Alerts over HTTP; decides nothing."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import Field
from starlette.responses import Response

from payops.alerts import service as alerts
from payops.alerts.domain import AlertRecord, Severity, show
from payops.infra.db import Tx
from payops.infra.web.body import json_body
from payops.infra.web.context import context_of
from payops.infra.web.replies import Limit, answer
from payops.infra.web.wire import Wire, WireReply, accepts
from payops.ops import service
from payops.ops.access import ACT, ACT_WITH_BODY, READ, Reader, Writer
from payops.ops.approvals.schemas import Reason
from payops.ops.service import Operations

ShownId = Annotated[str, Path(max_length=64)]


class AlertState(StrEnum):
    OPEN = "open"
    RESOLVED = "resolved"


class AlertReply(WireReply):
    id: str
    key: str
    kind: str
    severity: Severity
    summary: str
    detail: Mapping[str, Any]
    raised_at: datetime
    last_seen_at: datetime
    count: int = Field(description="How often it was raised, the first time included")
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    resolved_at: datetime | None = None

    @classmethod
    def of(cls, alert: AlertRecord) -> "AlertReply":
        return cls(
            id=show(alert.id),
            key=alert.key,
            kind=alert.kind,
            severity=alert.severity,
            summary=alert.summary,
            detail=alert.detail,
            raised_at=alert.raised_at,
            last_seen_at=alert.last_seen_at,
            count=alert.count,
            acknowledged_at=alert.acknowledged_at,
            acknowledged_by=alert.acknowledged_by,
            resolved_at=alert.resolved_at,
        )


class CloseRequest(Wire):
    reason: Reason


class AlertsReply(WireReply):
    data: list[AlertReply]


def add_alerts(routes: APIRouter, operations: Operations) -> None:
    @routes.get(
        "/alerts",
        response_model=AlertsReply,
        operation_id="opsListAlerts",
        summary="Open alerts, the most severe first; or past ones, the newest first",
        responses=READ,
    )
    async def list_alerts(
        _: Reader,
        state: Annotated[AlertState, Query(description="Open ones, or past ones")] = (
            AlertState.OPEN
        ),
        limit: Limit = 100,
    ) -> Response:
        async with operations.db.transaction(read_only=True) as tx:
            found = await listed(tx, state, limit)
        return answer(found)

    @routes.post(
        "/alerts/{id}/acknowledge",
        response_model=AlertReply,
        operation_id="opsAcknowledgeAlert",
        summary="Say that somebody is at it, so that nobody is reminded",
        responses=ACT,
    )
    async def acknowledge_alert(request: Request, principal: Writer, id: ShownId) -> Response:
        alert = await service.acknowledge(
            operations, id, actor=principal.caller, request_id=context_of(request).request_id
        )
        return answer(AlertReply.of(alert))

    @routes.post(
        "/alerts/{id}/resolve",
        response_model=AlertReply,
        operation_id="opsResolveAlert",
        summary="End an alert whose cause is over, and say why; it is told again if it comes back",
        responses=ACT_WITH_BODY,
        openapi_extra=accepts(CloseRequest),
    )
    async def resolve_alert(
        request: Request,
        principal: Writer,
        id: ShownId,
        body: Annotated[CloseRequest, Depends(json_body(CloseRequest))],
    ) -> Response:
        alert = await service.close_alert(
            operations,
            id,
            reason=body.reason,
            actor=principal.caller,
            request_id=context_of(request).request_id,
        )
        return answer(AlertReply.of(alert))


async def listed(tx: Tx, state: AlertState, limit: int) -> AlertsReply:
    """One page; there is no next one."""
    read = alerts.list_open if state is AlertState.OPEN else alerts.list_past
    return AlertsReply(data=[AlertReply.of(alert) for alert in await read(tx, limit)])
