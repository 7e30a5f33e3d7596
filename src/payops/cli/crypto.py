"""Crypto deposits: the figures, invoices looked up, and those in review resolved."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from payops.cli import invoices
from payops.cli.running import COULD_NOT_RUN, Json, console, errors, print_reply, with_services
from payops.deposits.service.reviewing import Verdict

if TYPE_CHECKING:
    from payops.approvals.domain import Approval
    from payops.bootstrap import Services

app = typer.Typer(help="Crypto deposits", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(invoices.app, name="invoices")

_BARS = "▁▂▃▄▅▆▇█"


@app.command()
def metrics(as_json: Json = False) -> None:
    """How many deposits are where, how long they take, what is stuck; counted now."""
    from payops.app import crypto_desk_of
    from payops.ops.crypto.schemas import MetricsReply

    reply = MetricsReply.of(with_services(lambda services: crypto_desk_of(services).measure()))
    if as_json:
        print_reply(reply, with_nulls=True)
        return
    table = Table("figure", "value")
    for name, value in (
        ("pending (waiting, confirming)", str(reply.pending)),
        ("confirmed (confirmed, sending)", str(reply.confirmed)),
        (f"finished in {reply.window_hours} h", str(reply.finished)),
        (f"partially paid in {reply.window_hours} h", str(reply.partially_paid)),
        (f"failed, expired in {reply.window_hours} h", str(reply.failed)),
        ("waiting for a person", str(reply.review)),
        ("average wait for money", _minutes(reply.avg_wait_to_pending)),
        ("average from money to settled", _minutes(reply.avg_pending_to_finished)),
        ("waiting too long", str(reply.stuck_for_30_min)),
        ("paid and stuck", str(reply.stuck_paid)),
        ("settled by the hour", spark(reply.settled_by_hour)),
    ):
        table.add_row(name, value)
    console().print(table)


@app.command()
def show(
    invoice: Annotated[str, typer.Argument(metavar="INVOICE", help="inv_…")],
    as_json: Json = False,
) -> None:
    """An invoice with its payments, what arrived, and what it was credited as."""
    from payops.app import crypto_desk_of
    from payops.deposits.domain.invoices import read
    from payops.ops.crypto.schemas import InvoiceAccountReply

    try:
        invoice_id = read(invoice)
    except ValueError:
        errors.print("that is not an invoice's id")
        raise typer.Exit(COULD_NOT_RUN) from None
    reply = InvoiceAccountReply.of_account(
        with_services(lambda services: crypto_desk_of(services).account(invoice_id))
    )
    if as_json:
        print_reply(reply)
        return
    typer.echo(f"{reply.invoice_id}  {reply.status.value}  {', '.join(reply.reasons)}")
    typer.echo(f"{reply.price.currency} {reply.price.amount} by {reply.provider}")
    payments = Table("payment", "kind", "status", "theirs", "reason")
    for payment in reply.payments:
        payments.add_row(
            payment.reference,
            payment.kind.value,
            payment.status.value,
            payment.provider_status,
            payment.reason or "",
        )
    receipts = Table("arrival", "status", "amount", "credited", "how", "reason")
    for receipt in reply.receipts:
        credited = receipt.credited
        receipts.add_row(
            receipt.reference,
            receipt.status.value,
            f"{receipt.amount} {receipt.currency}",
            f"{credited.currency} {credited.amount}" if credited else "",
            receipt.method or "",
            receipt.reason or "",
        )
    console().print(payments)
    console().print(receipts)


@app.command()
def resolve(  # noqa: PLR0917 - typer passes options by name
    invoice: Annotated[str, typer.Argument(metavar="INVOICE", help="inv_…")],
    outcome: Annotated[Verdict, typer.Option(help="Whether the user has the money in the end")],
    reason: Annotated[str, typer.Option(help="Kept in the audit log: name no customer")],
    reference: Annotated[
        str | None, typer.Option(help="The payment or arrival, if several are in review")
    ] = None,
    amount: Annotated[
        str | None, typer.Option(help="What is credited, in the invoice's currency")
    ] = None,
    arrived: Annotated[
        str | None, typer.Option(help="Coins that came, where no arrival is on record")
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask to credit or dismiss a deposit in review; another person approves."""
    from payops.cli.approvals import by, tell_pending
    from payops.infra.web.body import parse
    from payops.ops.approvals.schemas import ReviewRequest

    async def ask(services: "Services") -> "Approval":
        # The same words are refused here as over HTTP.
        options = {"reference": reference, "amount": amount, "arrived": arrived}
        typed = {"outcome": outcome.value, "reason": reason}
        typed |= {name: value for name, value in options.items() if value is not None}
        body = parse(ReviewRequest, json.dumps(typed).encode())
        return await services.four_eyes.desk.ask_review(invoice, body.verdict(), by=by())

    tell_pending(with_services(ask), as_json=as_json)


def spark(counts: list[int]) -> str:
    """One character an hour, the highest bar for the highest count."""
    most = max(counts, default=0)
    if not most:
        return _BARS[0] * len(counts)
    return "".join(_BARS[count * (len(_BARS) - 1) // most] for count in counts)


def _minutes(seconds: int | None) -> str:
    return "" if seconds is None else f"{seconds // 60} min {seconds % 60} s"
