"""Reports: what a day in Nairobi came to."""

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from payops.cli.running import USAGE, Json, console, errors, print_reply, with_services
from payops.ops.reports.domain import HEADER, Day
from payops.ops.reports.service import Format

if TYPE_CHECKING:
    from payops.bootstrap import Services
    from payops.ops.reports.schemas import DailyReply, RowReply

app = typer.Typer(help="Reports", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def report() -> None:
    """Payouts belong to the day they were accepted on, deposits to the day of their invoice."""


@app.command()
def daily(
    date: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="In Nairobi [default: the last that is over]"),
    ] = None,
    form: Annotated[
        Format | None, typer.Option("--format", help="A file's; a table if left out")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where to; standard output if left out")] = None,
    as_json: Json = False,
) -> None:
    """Counts, sums, success rate, time to paid, movements of the books, and every exception."""
    day = Day(date.date()) if date else None
    if as_json or form is Format.JSON:
        print_reply(with_services(lambda services: _figures(services, day)))
        return
    if form is None:
        _tell(with_services(lambda services: _figures(services, day)))
        return
    if out is None and form is Format.XLSX and sys.stdout.isatty():
        errors.print("XLSX is no text: give --out FILE")
        raise typer.Exit(USAGE)
    with_services(lambda services: _write(services, day, form, out))


async def _figures(services: "Services", day: Day | None) -> "DailyReply":
    from payops.ops.reports.schemas import DailyReply
    from payops.ops.reports.service import Reports

    reports = Reports(services.db)
    return DailyReply.of(await reports.daily(day or await reports.yesterday()))


async def _write(services: "Services", day: Day | None, form: Format, out: Path | None) -> None:
    from payops.ops.reports.files import chunks, spool
    from payops.ops.reports.service import Reports

    reports, file = Reports(services.db), spool()
    try:
        await reports.write(day or await reports.yesterday(), form, file)
    except BaseException:
        file.close()
        raise
    # Only now, when it is whole: a report cut short would look like a small day.
    with out.open("wb") if out else sys.stdout.buffer as to:
        async for chunk in chunks(file):
            to.write(chunk)


def _tell(reply: "DailyReply") -> None:
    typer.echo(f"{reply.date} in Nairobi, as it stood at {reply.made_at:%Y-%m-%d %H:%M} UTC")
    figures = Table(*(str(name) for name in HEADER[:7]))
    for row in reply.figures:
        figures.add_row(*_cells(row)[:7])
    console().print(figures)
    if reply.exceptions:
        exceptions = Table("what", "provider", "status", "amount", "id", "user", "at", "note")
        for row in reply.exceptions:
            section, provider, currency, item, _, amount, _, *rest = _cells(row)
            exceptions.add_row(section, provider, item, f"{currency} {amount}", *rest)
        console().print(exceptions)
    if reply.has_more:
        typer.echo("There are more exceptions: --format csv has them all")


def _cells(row: "RowReply") -> list[str]:
    return [str(value) if value is not None else "" for value in row.model_dump().values()]
