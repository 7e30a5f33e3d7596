"""Alerts: what is open, taking one on, ending one, and whether the channels work."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from payops.cli.running import (
    CHECK_FAILED,
    Json,
    actor,
    console,
    print_json,
    print_reply,
    with_operations,
    with_services,
)

if TYPE_CHECKING:
    from payops.alerts.service import Tried
    from payops.bootstrap import Services
    from payops.ops.alerting import AlertsReply
    from payops.ops.service import Operations

app = typer.Typer(help="Alerts", no_args_is_help=True, rich_markup_mode=None)

Id = Annotated[str, typer.Argument(metavar="ID", help="alr_…")]


@app.command("list")
def list_alerts(
    past: Annotated[
        bool, typer.Option("--past", help="Those that are over instead, newest first")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many at most")] = 100,
    as_json: Json = False,
) -> None:
    """Open alerts, the most severe first."""
    from payops.ops.alerting import AlertState, listed

    async def work(operations: "Operations") -> "AlertsReply":
        async with operations.db.transaction(read_only=True) as tx:
            return await listed(tx, AlertState.RESOLVED if past else AlertState.OPEN, limit)

    reply = with_operations(work)
    if as_json:
        print_reply(reply)
        return
    table = Table("id", "severity", "what", "key", "since", "seen", "taken on by", "over")
    for alert in reply.data:
        table.add_row(
            alert.id,
            alert.severity,
            alert.summary,
            alert.key,
            f"{alert.raised_at:%Y-%m-%d %H:%M:%S}",
            f"{alert.count} ×",
            alert.acknowledged_by or "-",
            f"{alert.resolved_at:%Y-%m-%d %H:%M:%S}" if alert.resolved_at else "-",
        )
    console().print(table)


@app.command()
def acknowledge(id: Id, as_json: Json = False) -> None:
    """Say that you are at it, so that nobody is reminded."""
    from payops.ops import service
    from payops.ops.alerting import AlertReply

    alert = with_operations(lambda operations: service.acknowledge(operations, id, actor=actor()))
    reply = AlertReply.of(alert)
    if as_json:
        print_reply(reply)
    else:
        typer.echo(f"{reply.id} is {reply.acknowledged_by}'s: {reply.summary}")


@app.command()
def resolve(
    id: Id,
    reason: Annotated[str, typer.Option(help="Kept in the audit log: name no customer")],
    as_json: Json = False,
) -> None:
    """End one whose cause is over and that does not end by itself, and say why."""
    from payops.ops import service
    from payops.ops.alerting import AlertReply

    alert = with_operations(
        lambda operations: service.close_alert(operations, id, reason=reason, actor=actor())
    )
    if as_json:
        print_reply(AlertReply.of(alert))
    else:
        typer.echo(f"{id} is over: {alert.summary}")


@app.command("test")
def try_each(as_json: Json = False) -> None:
    """Send one message through each channel; exit code 1 if one does not take it."""
    from payops.alerts.ports import Delivered, Failed, Refused
    from payops.alerts.service import try_channels
    from payops.kernel.clock import SystemClock

    async def work(services: "Services") -> "list[Tried]":
        return await try_channels(services.alerts.notifiers, SystemClock().now())

    rows = []
    for tried in with_services(work):
        match tried.outcome:
            case Delivered():
                rows.append((tried.channel, True, "delivered"))
            case Refused(why):
                rows.append((tried.channel, False, f"refused: {why}"))
            case Failed(why):
                rows.append((tried.channel, False, f"failed: {why}"))
    is_well = bool(rows) and all(is_delivered for _, is_delivered, _ in rows)
    if as_json:
        items = [{"channel": name, "ok": ok, "detail": detail} for name, ok, detail in rows]
        print_json({"ok": is_well, "channels": items})
    elif rows:
        table = Table("channel", "", "what happened")
        for name, ok, detail in rows:
            table.add_row(name, "ok" if ok else "PROBLEM", detail)
        console().print(table)
    else:
        typer.echo("no channel is set: alerts go to the log only (docs/alerts.md)")
    raise typer.Exit(0 if is_well else CHECK_FAILED)
