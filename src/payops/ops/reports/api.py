"""Reports over HTTP; decides nothing."""

from datetime import date
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from payops.infra.web.replies import answer
from payops.ops.access import READ, Reader
from payops.ops.reports.domain import Day
from payops.ops.reports.files import chunks, spool
from payops.ops.reports.schemas import DailyReply
from payops.ops.reports.service import Format, Reports

_TYPES: Final = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def router(reports: Reports) -> APIRouter:
    routes = APIRouter(prefix="/api/ops/reports", tags=["operations"])

    @routes.get(
        "/daily",
        response_model=DailyReply,
        operation_id="opsDailyReport",
        summary="Payouts and deposits of a day in Nairobi; JSON, CSV or XLSX",
        responses={
            200: {"content": {media_type: {} for media_type in _TYPES.values()}},
            **READ,
        },
    )
    async def daily_report(
        _: Reader,
        day: Annotated[
            date | None,
            Query(alias="date", description="In Nairobi; the last one that is over if left out"),
        ] = None,
        form: Annotated[Format, Query(alias="format")] = Format.JSON,
    ) -> Response:
        wanted = Day(day) if day else await reports.yesterday()
        if form is Format.JSON:
            return answer(DailyReply.of(await reports.daily(wanted)))
        return await file_of(reports, wanted, form)

    return routes


async def file_of(reports: Reports, day: Day, form: Format) -> Response:
    """The report as a file to keep; ``form`` is one of a file. Raises as ``Reports.write``."""
    file = spool()
    try:
        await reports.write(day, form, file)
    except BaseException:
        file.close()
        raise
    name = f"payops-daily-{day}.{form}"
    return StreamingResponse(
        chunks(file),
        media_type=_TYPES[form],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
