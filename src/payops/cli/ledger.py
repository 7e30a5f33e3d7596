"""The books: are they right, and what do they say."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from payops.cli.running import (
    CHECK_FAILED,
    USAGE,
    Json,
    console,
    errors,
    print_json,
    print_reply,
    with_services,
)
from payops.ledger.domain import Violation

if TYPE_CHECKING:
    from payops.bootstrap import Services

app = typer.Typer(help="The ledger", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def verify(as_json: Json = False) -> None:
    """Check every invariant of the books; exit code 1 if one does not hold."""
    from payops.bootstrap import INVARIANTS
    from payops.ledger import service
    from payops.ops.schemas import BooksReply

    async def work(services: "Services") -> list[Violation]:
        return await service.verify(services.db, INVARIANTS)

    broken = with_services(work)
    if as_json:
        print_reply(BooksReply.of(broken))
    else:
        _show(broken)
    raise typer.Exit(CHECK_FAILED if broken else 0)


@app.command()
def fold(as_json: Json = False) -> None:
    """Fold settled house entries into the house balances, as the job does every few minutes."""
    from payops.ledger import service

    accounts = with_services(lambda services: service.fold_house(services.db))
    if as_json:
        print_json({"accounts": accounts})
    else:
        typer.echo(f"{accounts} balances moved")


@app.command()
def balances(
    user: Annotated[
        str | None, typer.Option(help="A user's wallets instead of the house's")
    ] = None,
    at: Annotated[
        datetime | None, typer.Option(help="As they stood then (UTC), with --user")
    ] = None,
    as_json: Json = False,
) -> None:
    """What the house's accounts, or a user's wallets, hold."""
    from payops.ops import books

    if at is not None and user is None:
        errors.print("--at goes with --user")
        raise typer.Exit(USAGE)
    moment = at and (at if at.tzinfo else at.replace(tzinfo=UTC))
    found = with_services(lambda services: books.balances(services.db, user, moment))
    if as_json:
        print_json(
            [
                {"account": account, "amount": money.text, "currency": money.currency.code}
                for account, money in found
            ]
        )
        return
    table = Table("account", "balance")
    for account, money in found:
        table.add_row(account, str(money))
    console().print(table)


def _show(broken: Sequence[Violation]) -> None:
    from payops.bootstrap import INVARIANTS

    table = Table("invariant", "holds", "what it says")
    names = {violation.name for violation in broken}
    for invariant in INVARIANTS:
        holds = "no" if invariant.name in names else "yes"
        table.add_row(invariant.name, holds, invariant.meaning)
    console().print(table)
    for violation in broken:
        for row in violation.rows:
            console().print(f"{violation.name}: {dict(row)}")
