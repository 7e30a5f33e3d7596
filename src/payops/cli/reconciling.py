"""Comparing us with the providers, now rather than at night."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from payops.cli.running import CHECK_FAILED, Json, console, print_json, progress, with_services
from payops.reconciliation.domain import DepositTally, Tally

if TYPE_CHECKING:
    from payops.bootstrap import Services

app = typer.Typer(help="Reconciliation", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def reconcile() -> None:
    """Compare us with the providers; safe to run at any time, and twice."""


@app.command()
def mpesa(
    min_age: Annotated[
        int,
        typer.Option(
            "--min-age", metavar="SECONDS", min=0, help="Only what is unchanged this long"
        ),
    ] = 0,
    as_json: Json = False,
) -> None:
    """Ask about every payout that was sent and is not final, and record what the rail says.

    Exit code 0 also when some stay unclear: that is a finding of the rail, not of this run.
    """

    async def work(services: "Services") -> Tally:
        with progress("Asking the rail") as show:
            return await services.reconciliation.everything(
                min_age_seconds=min_age,
                progress=lambda tally: show(tally.checked, f"asked, {tally.unresolved} unclear"),
            )

    tally = with_services(work).as_json()
    if as_json:
        print_json(tally)
        return
    table = Table(*tally)
    table.add_row(*map(str, tally.values()))
    console().print(table)


@app.command()
def crypto(as_json: Json = False) -> None:
    """Read back every deposit that is not at rest or was credited lately; show what differs.

    Exit code 1 when something differs: a break stays open until it is gone or explained.
    """

    async def work(services: "Services") -> DepositTally:
        with progress("Reading deposits back") as show:
            return await services.deposit_reconciliation.everything(
                progress=lambda tally: show(tally.checked, f"read, {tally.breaks} breaks")
            )

    tally = with_services(work)
    if as_json:
        print_json(tally.as_json())
    else:
        table = Table(*tally.as_json())
        table.add_row(*map(str, tally.as_json().values()))
        console().print(table)
    if tally.breaks:
        raise typer.Exit(CHECK_FAILED)
