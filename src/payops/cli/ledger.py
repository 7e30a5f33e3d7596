"""The books: are they right, and what do they say."""

from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from payops.bootstrap import INVARIANTS, Services
from payops.cli.running import CHECK_FAILED, print_json, with_services
from payops.kernel.money import CURRENCIES, Money
from payops.ledger import service
from payops.ledger.domain import Violation

app = typer.Typer(help="The ledger", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output")]


@app.command()
def verify(as_json: Json = False) -> None:
    """Check every invariant of the books; exit code 1 if one does not hold."""

    async def work(services: Services) -> list[Violation]:
        return await service.verify(services.db, INVARIANTS)

    broken = with_services(work)
    if as_json:
        print_json(
            {
                "ok": not broken,
                "violations": [
                    {"name": v.name, "meaning": v.meaning, "rows": list(v.rows)} for v in broken
                ],
            }
        )
    else:
        _show(broken)
    raise typer.Exit(CHECK_FAILED if broken else 0)


@app.command()
def balances(
    user: Annotated[str | None, typer.Option(help="A user's wallets instead of the house's")] = None,
    at: Annotated[
        datetime | None, typer.Option(help="As they stood then (UTC), with --user")
    ] = None,
    as_json: Json = False,
) -> None:
    """What the house's accounts, or a user's wallets, hold."""

    async def work(services: Services) -> list[tuple[str, Money]]:
        async with services.db.transaction(read_only=True) as tx:
            if user is None:
                return await service.house_balances(tx)
            moment = at.astimezone() if at and at.tzinfo else at and _as_utc(at)
            return [
                (f"wallet:{name}", Money(minor, CURRENCIES[wallet.owner.currency]))
                for wallet in await service.wallets(tx, user, at=moment)
                for name, minor in (("available", wallet.available), ("held", wallet.held))
            ]

    found = with_services(work)
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
    Console().print(table)


def _as_utc(moment: datetime) -> datetime:
    from datetime import UTC  # noqa: PLC0415

    return moment.replace(tzinfo=UTC)


def _show(broken: list[Violation]) -> None:
    table = Table("invariant", "holds", "what it says")
    names = {violation.name for violation in broken}
    for invariant in INVARIANTS:
        holds = "no" if invariant.name in names else "yes"
        table.add_row(invariant.name, holds, invariant.meaning)
    console = Console()
    console.print(table)
    for violation in broken:
        for row in violation.rows:
            console.print(f"{violation.name}: {dict(row)}")
