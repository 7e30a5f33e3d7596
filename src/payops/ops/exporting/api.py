"""The auditors' folder over HTTP, as a ZIP file; decides nothing."""

import asyncio
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AwareDatetime
from starlette.responses import Response, StreamingResponse

from payops.access.api import requires
from payops.access.domain import Principal, Scope
from payops.infra.db import Database
from payops.infra.web.context import context_of
from payops.infra.web.wire import problems
from payops.kernel.errors import Fault, Invalid
from payops.ops.exporting.writing import export
from payops.ops.reports.files import chunks, spool

Auditor = Annotated[Principal, Depends(requires(Scope.AUDIT_READ))]


def router(db: Database) -> APIRouter:
    routes = APIRouter(prefix="/api/ops/audit", tags=["operations"])

    @routes.get(
        "/export",
        operation_id="opsExportAudit",
        summary="Ledger, audit log, decisions and access log of a period, as a ZIP file",
        response_class=StreamingResponse,
        responses={
            200: {"content": {"application/zip": {}}, "description": "Check it offline"},
            **problems(401, 403, 422, 429, 503),
        },
    )
    async def export_audit(
        request: Request,
        principal: Auditor,
        since: Annotated[AwareDatetime, Query(alias="from", description="Inclusive")],
        until: Annotated[AwareDatetime, Query(alias="to", description="Exclusive")],
    ) -> Response:
        file = spool()
        try:
            with TemporaryDirectory(prefix="payops-audit-") as folder:
                await export(
                    db,
                    Path(folder),
                    _in_utc(since, "from"),
                    _in_utc(until, "to"),
                    actor=principal.caller,
                    request_id=context_of(request).request_id,
                )
                await asyncio.to_thread(_zip, Path(folder), file)
        except BaseException:
            file.close()
            raise
        return StreamingResponse(
            chunks(file),
            media_type="application/zip",
            headers={"Content-Disposition": 'attachment; filename="payops-audit.zip"'},
        )

    return routes


def _in_utc(moment: datetime, name: str) -> datetime:
    """``moment`` as the database can take it; an offset can lead past the ends of the calendar."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise Invalid(faults=[Fault(f"/query/{name}", "is out of range")]) from None


def _zip(folder: Path, file: IO[bytes]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
