"""The shilling's rate to the dollar: set it, and see what it was."""

import re
from decimal import Decimal
from typing import Annotated

import typer
from rich.table import Table

from payops.cli.running import (
    USAGE,
    Json,
    actor,
    console,
    errors,
    print_json,
    print_reply,
    with_services,
)

app = typer.Typer(help="USD/KES rates", no_args_is_help=True, rich_markup_mode=None)


@app.command("set")
def set_rate(
    rate: Annotated[str, typer.Argument(metavar="RATE", help="Shillings a dollar, such as 129.50")],
    reason: Annotated[str, typer.Option(help="Where it is from; kept in the history")],
    spread_bps: Annotated[
        int, typer.Option(min=0, max=2000, help="The house's, in hundredths of a percent")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Record a new rate; invoices made from now on are priced with it."""
    from payops.app import crypto_desk_of
    from payops.ops.crypto.schemas import RATE_TEXT, RateReply

    if not re.fullmatch(RATE_TEXT, rate) or not Decimal(rate):
        errors.print("a rate is a plain number of shillings, such as 129.50")
        raise typer.Exit(USAGE)
    kept = with_services(
        lambda services: crypto_desk_of(services).set_rate(
            Decimal(rate), spread_bps, actor=actor(), reason=reason
        )
    )
    if as_json:
        print_reply(RateReply.of(kept))
    else:
        typer.echo(f"1 dollar is {kept.rate:f} shillings, {kept.for_payer:f} for a payer")


@app.command("list")
def list_rates(
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20, as_json: Json = False
) -> None:
    """The rates, newest first."""
    from payops.app import crypto_desk_of
    from payops.ops.crypto.schemas import RateReply

    found = with_services(lambda services: crypto_desk_of(services).rates(before=None, limit=limit))
    replies = [RateReply.of(rate) for rate in found]
    if as_json:
        print_json([reply.model_dump(mode="json", by_alias=True) for reply in replies])
        return
    table = Table("set at", "rate", "spread", "for a payer", "by", "reason")
    for reply in replies:
        table.add_row(
            f"{reply.set_at:%Y-%m-%d %H:%M}" if reply.set_at else "configured",
            reply.rate,
            f"{reply.spread_bps} bps",
            reply.rate_for_payer,
            reply.set_by,
            reply.reason or "",
        )
    console().print(table)
