"""Holding the audit log against its chain."""

from typing import TYPE_CHECKING, Annotated

import typer

from payops.audit.domain import Head, Verification
from payops.cli.running import (
    CHECK_FAILED,
    USAGE,
    Json,
    errors,
    print_json,
    progress,
    with_services,
)

if TYPE_CHECKING:
    from payops.bootstrap import Services

app = typer.Typer(help="The audit log", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def audit() -> None:
    """What was done, by whom, and the chain that shows when a record was touched."""


@app.command()
def verify(
    anchor: Annotated[
        str | None,
        typer.Option(help="A head from the log (audit.sealed), against a chain that was rewritten"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Seal what is not sealed yet, then check every row; exit code 1 if one was touched."""
    from payops.audit import service

    try:
        head = None if anchor is None else Head.parse(anchor)
    except ValueError as error:
        errors.print(str(error))
        raise typer.Exit(USAGE) from None

    async def work(services: "Services") -> Verification:
        await service.seal(services.db)
        with progress("Checking the chain") as show:
            return await service.verify(
                services.db, anchor=head, progress=lambda rows: show(rows, "rows")
            )

    found = with_services(work)
    if as_json:
        print_json({"ok": found.ok, "rows": found.rows, "firstBad": found.first_bad})
    elif found.ok:
        typer.echo(f"{found.rows:,} rows are as they were written; the chain ends at {found.head}")
    if not found.ok:
        errors.print(f"{found.first_bad}: {found.reason}")
        raise typer.Exit(CHECK_FAILED)
