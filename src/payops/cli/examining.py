"""``payops doctor``: what is wrong with the settings and the database, and what mends it."""

import asyncio
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer
from rich.table import Table

from payops.cli.running import (
    CHECK_FAILED,
    Json,
    console,
    database_for,
    print_json,
    read_settings,
    setting_faults,
)

if TYPE_CHECKING:
    from payops.infra.settings import Settings
    from payops.ops.examination import Finding


def doctor(as_json: Json = False) -> None:
    """Check settings, database and schema; exit code 1 if something must be mended."""
    findings = list(_findings())
    is_well = all(finding.is_well for finding in findings)
    if as_json:
        print_json({"ok": is_well, "items": [_shown(finding) for finding in findings]})
    else:
        table = Table("check", "", "found", "what mends it")
        for finding in findings:
            mark = "ok" if finding.is_well else "PROBLEM"
            table.add_row(finding.check, mark, finding.detail, finding.fix)
        console().print(table)
    raise typer.Exit(0 if is_well else CHECK_FAILED)


def _findings() -> "Iterator[Finding]":
    from pydantic import ValidationError

    from payops.infra import logging
    from payops.ops import examination

    try:
        settings = read_settings()
    except ValidationError as error:
        for line in setting_faults(error):
            yield examination.problem("settings", line, "correct the variable")
        return
    logging.configure(settings.log, stream=sys.stderr)
    yield from examination.of_settings(settings, os.environ)
    try:
        with database_for(settings) as complete:
            yield from asyncio.run(_of_database(complete))
    except typer.Exit:
        yield examination.problem(
            "database", "there is none", "set PAYOPS_DATABASE_URL, or run `make setup`"
        )


async def _of_database(settings: "Settings") -> "list[Finding]":
    from payops.infra import db
    from payops.ops import examination

    if settings.database_url is None:
        return [examination.problem("database", "not set", "set PAYOPS_DATABASE_URL")]
    database = db.connect(
        settings.database_url.get_secret_value(),
        pool_size=2,
        statement_cache_size=settings.pool.statement_cache_size,
    )
    try:
        return await examination.of_database(database)
    finally:
        await database.close()


def _shown(finding: "Finding") -> dict[str, Any]:
    shown = {
        "id": finding.check,
        "status": "pass" if finding.is_well else "fail",
        "detail": finding.detail,
    }
    return shown | ({"fix": finding.fix} if finding.fix else {})
