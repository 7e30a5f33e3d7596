"""Invoices of crypto deposits: found by whatever is in hand, and read back now."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from payops.cli.running import Json, actor, console, print_reply, with_services
from payops.deposits.domain.states import State

if TYPE_CHECKING:
    from payops.bootstrap import Services

app = typer.Typer(help="Invoices", no_args_is_help=True, rich_markup_mode=None)

Invoice = Annotated[str, typer.Argument(metavar="INVOICE", help="inv_…")]


@app.command("list")
def list_invoices(  # noqa: PLR0917 - typer passes options by name
    user: Annotated[str | None, typer.Option(help="Of this user")] = None,
    status: Annotated[State | None, typer.Option(help="In this state")] = None,
    q: Annotated[
        str | None, typer.Option("--q", help="With this id of a provider, or of the request")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many at most")] = 20,
    cursor: Annotated[str | None, typer.Option(help="nextCursor of the page before")] = None,
    as_json: Json = False,
) -> None:
    """Invoices of all users, newest first."""
    from payops.app import crypto_desk_of
    from payops.deposits.schemas import InvoiceReply
    from payops.deposits.service.keeping import Filters
    from payops.infra.web.replies import page_of, read_cursor

    filters = Filters(user, status, q)
    found = with_services(
        lambda services: crypto_desk_of(services).find(
            filters, before=read_cursor(cursor), limit=limit + 1
        )
    )
    page = page_of([InvoiceReply.of(one) for one in found], [one.id for one in found], limit)
    if as_json:
        print_reply(page)
        return
    table = Table("invoice", "user", "price", "by", "theirs", "state", "credited", "opened")
    for shown in page.data:
        table.add_row(
            shown.invoice_id,
            shown.user_id,
            f"{shown.price.currency} {shown.price.amount}",
            shown.provider,
            shown.provider_reference or "-",
            shown.status,
            f"{shown.credited.currency} {shown.credited.amount}" if shown.credited else "-",
            f"{shown.created_at:%Y-%m-%d %H:%M:%S}",
        )
    console().print(table)
    if page.next_cursor:
        typer.echo(f"There are more: --cursor {page.next_cursor}")


@app.command()
def retry(invoice: Invoice, as_json: Json = False) -> None:
    """Have its payments read back from the provider now, by the worker."""
    from payops.app import crypto_desk_of
    from payops.deposits.api import id_of
    from payops.ops.crypto.schemas import ReadReply

    async def work(services: "Services") -> int:
        desk = crypto_desk_of(services)
        return await desk.read_now(id_of(invoice), actor=actor(), request_id=None)

    count = with_services(work)
    if as_json:
        print_reply(ReadReply(payments=count))
    else:
        typer.echo(f"{invoice}: {count} of its payments are read back now")
