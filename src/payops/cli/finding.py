"""``payops find`` and ``payops why``: by any name, and the whole story."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from payops.cli.running import (
    CHECK_FAILED,
    Json,
    actor,
    console,
    errors,
    print_reply,
    with_operations,
    with_services,
)

if TYPE_CHECKING:
    from payops.bootstrap import Services
    from payops.ops.why.domain import Story


def find(
    text: Annotated[
        str,
        typer.Argument(
            metavar="Q", help="A phone number, a receipt, any id, a user, an idempotency key"
        ),
    ],
    user: Annotated[str | None, typer.Option(help="Only what is this user's")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many at most")] = 20,
    as_json: Json = False,
) -> None:
    """Find a withdrawal, a deposit or a user by any name; exit code 1 if nothing goes by it.

    That somebody looked for a phone number is recorded.
    """
    from payops.ops.search.schemas import FoundReply
    from payops.ops.search.service import Question, search

    asked = Question(
        text=text.strip(), actor=actor(), may_search_phones=True, user_id=user, limit=limit
    )
    reply = FoundReply.of(with_operations(lambda operations: search(operations, asked)))
    if as_json:
        print_reply(reply)
    elif reply.data:
        table = Table("what", "id", "user", "status", "amount", "when", "found by")
        for hit in reply.data:
            table.add_row(
                hit.kind,
                hit.id,
                hit.user_id or "",
                hit.status or "",
                f"{hit.amount.currency} {hit.amount.amount}" if hit.amount else "",
                f"{hit.at:%Y-%m-%d %H:%M:%S}" if hit.at else "",
                hit.by,
            )
        console().print(table)
    else:
        errors.print("nothing goes by that name")
    raise typer.Exit(0 if reply.data else CHECK_FAILED)


def why(
    id: Annotated[str, typer.Argument(metavar="ID", help="wd_… or inv_…")],
    as_json: Json = False,
) -> None:
    """The whole story of a withdrawal or a deposit; exit code 1 if a record of it was touched."""
    from payops.ops.why.schemas import StoryReply

    reply = StoryReply.of(with_services(lambda services: _story(services, id)))
    if as_json:
        print_reply(reply)
    else:
        typer.echo(reply.text)
    raise typer.Exit(0 if reply.is_proven else CHECK_FAILED)


async def _story(services: "Services", shown_id: str) -> "Story":
    from payops.deposits.domain.invoices import ID_PREFIX
    from payops.ops.why import service

    if shown_id.startswith(f"{ID_PREFIX}_"):
        return await service.of_invoice(services.db, shown_id)
    return await service.of_withdrawal(services.db, shown_id)
