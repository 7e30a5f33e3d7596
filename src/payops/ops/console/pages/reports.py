"""The report of a day: its figures, its exceptions, and both as files."""

from datetime import date
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from payops.ops.console.parts import Console
from payops.ops.console.queries import Filled
from payops.ops.console.rendering import page
from payops.ops.console.signing import Reader
from payops.ops.reports.api import file_of
from payops.ops.reports.domain import Day
from payops.ops.reports.schemas import DailyReply
from payops.ops.reports.service import Format

Date = Annotated[date | None, Filled, Query()]


class FileForm(StrEnum):
    CSV = "csv"
    XLSX = "xlsx"


def add_reports(routes: APIRouter, console: Console) -> None:
    reports = console.reports

    async def day_of(wanted: date | None) -> Day:
        return Day(wanted) if wanted else await reports.yesterday()

    @routes.get("/reports", operation_id="consoleReports")
    async def daily(request: Request, _: Reader, date: Date = None) -> Response:
        found = DailyReply.of(await reports.daily(await day_of(date)))
        return page(request, "reports.html", found=found)

    @routes.get("/reports/daily.{form}", operation_id="consoleReportFile")
    async def daily_file(_: Reader, form: FileForm, date: Date = None) -> Response:
        return await file_of(reports, await day_of(date), Format(form))
