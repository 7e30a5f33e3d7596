"""Alerts: what is open, and who is at it."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from payops.alerts.domain import runbook_page
from payops.infra.web.context import context_of
from payops.ops import service
from payops.ops.alerting import AlertState, CloseRequest, listed
from payops.ops.console.forms import Posted
from payops.ops.console.parts import Console
from payops.ops.console.rendering import Said, page, see_other
from payops.ops.console.signing import Reader, Writer
from payops.ops.service.alerting import ENDED_BY

_SHOWN_MAX: Final = 100

ShownId = Annotated[str, Path(max_length=64)]


def add_alerts(routes: APIRouter, console: Console) -> None:
    operations = console.operations

    @routes.get("/alerts", operation_id="consoleAlerts")
    async def alerts(
        request: Request,
        _: Reader,
        state: Annotated[AlertState, Query()] = AlertState.OPEN,
    ) -> Response:
        async with operations.db.transaction(read_only=True) as tx:
            found = await listed(tx, state, _SHOWN_MAX)
        return page(
            request,
            "alerts.html",
            alerts=found.data,
            state=state,
            states=list(AlertState),
            runbook=runbook_page,
            ended_by=ENDED_BY,
            is_cut=len(found.data) == _SHOWN_MAX,
        )

    @routes.post("/alerts/{id}/acknowledge", operation_id="consoleAcknowledgeAlert")
    async def acknowledge(request: Request, visitor: Writer, _: Posted, id: ShownId) -> Response:
        await service.acknowledge(
            operations,
            id,
            actor=visitor.principal.caller,
            request_id=context_of(request).request_id,
        )
        return see_other("/ops/alerts", Said.DONE)

    @routes.post("/alerts/{id}/resolve", operation_id="consoleResolveAlert")
    async def resolve(request: Request, visitor: Writer, form: Posted, id: ShownId) -> Response:
        await service.close_alert(
            operations,
            id,
            reason=form.read(CloseRequest).reason,
            actor=visitor.principal.caller,
            request_id=context_of(request).request_id,
        )
        return see_other("/ops/alerts", Said.DONE)
