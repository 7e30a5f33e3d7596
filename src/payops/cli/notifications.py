"""What providers told us, and whether it had its effect."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from payops.cli.opening import What, Why, access_for
from payops.cli.running import Json, actor, console, print_reply, with_operations
from payops.webhooks.domain import Delivery, State

if TYPE_CHECKING:
    from payops.ops.schemas import WebhookReply
    from payops.ops.service import Operations

app = typer.Typer(help="Notifications of providers", no_args_is_help=True, rich_markup_mode=None)

Id = Annotated[str, typer.Argument(metavar="ID", help="whk_…")]


@app.command("list")
def list_webhooks(
    state: Annotated[State | None, typer.Option(help="In this state")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many at most")] = 20,
    cursor: Annotated[str | None, typer.Option(help="nextCursor of the page before")] = None,
    as_json: Json = False,
) -> None:
    """Notifications, newest first."""
    from payops.infra.web.replies import page_of, read_cursor
    from payops.ops.schemas import WebhookReply
    from payops.webhooks import service

    async def work(operations: "Operations") -> list[Delivery]:
        async with operations.db.transaction(read_only=True) as tx:
            return await service.deliveries(
                tx, state=state, before=read_cursor(cursor), limit=limit + 1
            )

    found = with_operations(work)
    page = page_of([WebhookReply.of(d) for d in found], [d.id for d in found], limit)
    if as_json:
        print_reply(page)
        return
    _tell(page.data)
    if page.next_cursor:
        typer.echo(f"There are more: --cursor {page.next_cursor}")


@app.command()
def show(id: Id, as_json: Json = False) -> None:
    """One notification; its body stays sealed."""
    from payops.ops.service.notifications import delivery_id_of
    from payops.webhooks import service

    async def work(operations: "Operations") -> Delivery:
        async with operations.db.transaction(read_only=True) as tx:
            return await service.delivery(tx, delivery_id_of(id))

    _answer(with_operations(work), as_json=as_json)


@app.command()
def replay(id: Id, as_json: Json = False) -> None:
    """Let a kept notification have its effect now, as if it had just come."""
    from payops.ops import service

    delivery = with_operations(lambda operations: service.replay(operations, id, actor=actor()))
    _answer(delivery, as_json=as_json)


@app.command()
def body(id: Id, purpose: What, reason: Why, as_json: Json = False) -> None:
    """What the provider sent, without numbers and names; that you looked is recorded."""
    from payops.ops import service
    from payops.ops.personal_data import BodyReply

    opened = with_operations(
        lambda operations: service.open_body(operations, id, access_for(id, purpose, reason))
    )
    if as_json:
        print_reply(BodyReply.of(opened))
    else:
        typer.echo(opened.text)


def _answer(delivery: Delivery, *, as_json: bool) -> None:
    from payops.ops.schemas import WebhookReply

    reply = WebhookReply.of(delivery)
    if as_json:
        print_reply(reply)
    else:
        _tell([reply])


def _tell(replies: "Sequence[WebhookReply]") -> None:
    table = Table("id", "source", "state", "received", "tries", "about", "reason")
    for reply in replies:
        table.add_row(
            reply.id,
            reply.source,
            reply.state,
            f"{reply.received_at:%Y-%m-%d %H:%M:%S}",
            str(reply.attempts),
            reply.subject or "-",
            reply.reason or "",
        )
    console().print(table)
