"""The audit log, who read personal data, and the folder for auditors."""

from datetime import UTC, date
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from payops.infra.web.context import context_of
from payops.infra.web.replies import Cursor
from payops.infra.web.wire import Wire
from payops.ops import records
from payops.ops.console.forms import Posted
from payops.ops.console.parts import Console
from payops.ops.console.queries import PAGE, Filled, Text, UserId, filters_of
from payops.ops.console.rendering import page
from payops.ops.console.signing import Auditor
from payops.ops.exporting.api import archive_of
from payops.ops.personal_data import report
from payops.ops.records import Acts, Reads
from payops.ops.reports.domain import FIRST_DATE, Day
from payops.pii.domain import Purpose

_LAST_DATE: Final = date(2999, 12, 31)  # a calendar that ends is no period's end


class ExportForm(Wire):
    """The first and the last day of a period, in Nairobi."""

    since: Annotated[date, Field(alias="from", ge=FIRST_DATE, le=_LAST_DATE)]
    until: Annotated[date, Field(alias="to", ge=FIRST_DATE, le=_LAST_DATE)]


def add_audit(routes: APIRouter, console: Console) -> None:
    _add_records(routes, console)
    _add_reads(routes, console)
    _add_export(routes, console)


def _add_records(routes: APIRouter, console: Console) -> None:
    @routes.get("/audit", operation_id="consoleAudit")
    async def show_records(
        request: Request,
        _: Auditor,
        user_id: UserId = None,
        subject: Text = None,
        kind: Text = None,
        request_id: Annotated[Text, Query(alias="requestId")] = None,
        cursor: Cursor = None,
    ) -> Response:
        wanted = Acts(user_id=user_id, subject=subject, kind=kind, request_id=request_id)
        return page(
            request,
            "audit.html",
            reply=await records.acts(console.operations.db, wanted, cursor, PAGE),
            wanted={"userId": user_id, "subject": subject, "kind": kind, "requestId": request_id},
            query=filters_of(request),
        )


def _add_reads(routes: APIRouter, console: Console) -> None:
    @routes.get("/audit/reads", operation_id="consolePersonalDataReads")
    async def show_reads(
        request: Request,
        _: Auditor,
        user_id: UserId = None,
        actor: Text = None,
        purpose: Annotated[Purpose | None, Filled, Query()] = None,
        subject: Text = None,
        days: Annotated[int, Query(ge=1, le=366)] = 7,
        cursor: Cursor = None,
    ) -> Response:
        wanted = Reads(user_id=user_id, actor=actor, purpose=purpose, subject=subject)
        return page(
            request,
            "reads.html",
            reply=await records.reads(console.operations.db, wanted, cursor, PAGE),
            counted=await report(console.operations, days),
            wanted={"userId": user_id, "actor": actor, "subject": subject},
            purpose=purpose,
            purposes=list(Purpose),
            days=days,
            query=filters_of(request),
        )


def _add_export(routes: APIRouter, console: Console) -> None:
    # A form and no link: it seals what is not sealed yet and is itself on record.
    @routes.post("/audit/export", operation_id="consoleExportAudit")
    async def export(request: Request, visitor: Auditor, form: Posted) -> Response:
        period = form.read(ExportForm)
        return await archive_of(
            console.operations.db,
            Day(period.since).since.astimezone(UTC),
            Day(period.until).until.astimezone(UTC),
            actor=visitor.principal.caller,
            request_id=context_of(request).request_id,
        )
