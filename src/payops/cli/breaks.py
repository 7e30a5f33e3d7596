"""Differences between the providers' books and ours, in a person's hands."""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.table import Table

from payops.cli.running import Json, actor, console, print_reply, with_services

if TYPE_CHECKING:
    from payops.ops.crypto.schemas import BreakReply
    from payops.ops.crypto.service import CryptoDesk
    from payops.reconciliation.domain import Break

app = typer.Typer(help="Breaks", no_args_is_help=True, rich_markup_mode=None)

T = TypeVar("T")

Id = Annotated[str, typer.Argument(metavar="BREAK", help="brk_…")]


@app.command("list")
def list_breaks(
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many at most")] = 20,
    cursor: Annotated[str | None, typer.Option(help="nextCursor of the page before")] = None,
    as_json: Json = False,
) -> None:
    """Open breaks, newest first."""
    from payops.infra.web.replies import page_of, read_cursor
    from payops.ops.crypto.schemas import BreakReply

    found = _with_desk(lambda desk: desk.breaks(before=read_cursor(cursor), limit=limit + 1))
    page = page_of([BreakReply.of(one) for one in found], [one.id for one in found], limit)
    if as_json:
        print_reply(page)
        return
    _tell(page.data)
    if page.next_cursor:
        typer.echo(f"There are more: --cursor {page.next_cursor}")


@app.command()
def take(id: Id, as_json: Json = False) -> None:
    """Look into it: it is yours."""
    from payops.ops.crypto.api import break_id_of

    async def work(desk: "CryptoDesk") -> "Break":
        return await desk.take_on(break_id_of(id), owner=actor(), request_id=None)

    _answer(_with_desk(work), f"is {actor()}'s", as_json=as_json)


@app.command()
def explain(
    id: Id,
    reason: Annotated[str, typer.Option(help="Kept in the audit log: name no customer")],
    as_json: Json = False,
) -> None:
    """Close a break that is no loss, and say why."""
    from payops.infra.web.body import parse
    from payops.ops.crypto.api import break_id_of
    from payops.ops.crypto.schemas import ExplainRequest

    async def work(desk: "CryptoDesk") -> "Break":
        # The same words are refused here as over HTTP.
        body = parse(ExplainRequest, json.dumps({"reason": reason}).encode())
        return await desk.explain(
            break_id_of(id), explanation=body.reason, actor=actor(), request_id=None
        )

    _answer(_with_desk(work), "is explained", as_json=as_json)


def _answer(one: "Break", remark: str, *, as_json: bool) -> None:
    from payops.ops.crypto.schemas import BreakReply

    reply = BreakReply.of(one)
    if as_json:
        print_reply(reply)
    else:
        typer.echo(f"{reply.id} ({reply.kind} of {reply.payment}) {remark}")


def _tell(replies: "Sequence[BreakReply]") -> None:
    table = Table("break", "what", "provider", "payment", "user", "differs", "whose", "since")
    for reply in replies:
        table.add_row(
            reply.id,
            reply.kind,
            reply.provider,
            reply.payment,
            reply.user_id,
            " ".join(f"{name}={value}" for name, value in reply.detail.items()),
            reply.owner or "-",
            f"{reply.opened_at:%Y-%m-%d %H:%M:%S}",
        )
    console().print(table)


def _with_desk(work: "Callable[[CryptoDesk], Awaitable[T]]") -> T:
    from payops.app import crypto_desk_of

    return with_services(lambda services: work(crypto_desk_of(services)))
