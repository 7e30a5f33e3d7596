"""The auditors' folder over HTTP, as a ZIP file; decides nothing."""

import asyncio
import zipfile
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Annotated

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime
from starlette.responses import Response, StreamingResponse

from payops.infra.db import Database
from payops.infra.web.context import context_of
from payops.kernel.moments import in_utc
from payops.ops.access import READ, Auditor
from payops.ops.exporting.writing import export
from payops.ops.reports.files import chunks, spool


def router(db: Database) -> APIRouter:
    routes = APIRouter(prefix="/api/ops/audit", tags=["operations"])

    @routes.get(
        "/export",
        operation_id="opsExportAudit",
        summary="Ledger, audit log, decisions and access log of a period, as a ZIP file",
        response_class=StreamingResponse,
        responses={
            200: {"content": {"application/zip": {}}, "description": "Check it offline"},
            **READ,
        },
    )
    async def export_audit(
        request: Request,
        principal: Auditor,
        since: Annotated[AwareDatetime, Query(alias="from", description="Inclusive")],
        until: Annotated[AwareDatetime, Query(alias="to", description="Exclusive")],
    ) -> Response:
        return await archive_of(
            db,
            in_utc(since, "/query/from"),
            in_utc(until, "/query/to"),
            actor=principal.caller,
            request_id=context_of(request).request_id,
        )

    return routes


async def archive_of(
    db: Database, since: datetime, until: datetime, *, actor: str, request_id: str
) -> Response:
    """The folder of a period as one file to keep. Raises as ``export``."""
    file = spool()
    try:
        with TemporaryDirectory(prefix="payops-audit-") as folder:
            await export(db, Path(folder), since, until, actor=actor, request_id=request_id)
            await asyncio.to_thread(_zip, Path(folder), file)
    except BaseException:
        file.close()
        raise
    return StreamingResponse(
        chunks(file),
        media_type="application/zip",
        headers={"Content-Disposition": 'attachment; filename="payops-audit.zip"'},
    )


def _zip(folder: Path, file: IO[bytes]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
