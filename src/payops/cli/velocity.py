"""Velocity rules: who meets them, what a new one would have stopped, changing them."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.table import Table

from payops.cli.running import Json, actor, console, print_reply, with_services
from payops.fraud.domain.changes import Version
from payops.fraud.domain.rules import Action, Measure, Mode, Rule, Scope, Window

if TYPE_CHECKING:
    from payops.ops.velocity.service import Actor, VelocityDesk

app = typer.Typer(help="Velocity rules", no_args_is_help=True, rich_markup_mode=None)

T = TypeVar("T")

Name = Annotated[str, typer.Argument(metavar="RULE", help="Its name, as `velocity report` has it")]
Change = Annotated[str, typer.Argument(metavar="CHANGE", help="chg_…")]
Reason = Annotated[str, typer.Option(help="Why; kept in the history")]
Of = Annotated[Scope, typer.Option("--scope", help="Counted by user, or by number paid to")]
What = Annotated[Measure, typer.Option("--measure", help="How many, or how much")]
Size = Annotated[int, typer.Option("--limit", min=1, help="A count, or whole shillings")]
Hours = Annotated[
    int | None, typer.Option("--hours", help="The last so many hours [default: Nairobi's day]")
]


@app.command()
def report(
    hours: Annotated[int, typer.Option(min=1, max=744, help="How far back")] = 24,
    as_json: Json = False,
) -> None:
    """The rules as they stand, and how often each was met, by the hour."""
    from payops.ops.velocity.schemas import ReportReply

    reply = ReportReply.of(_with_desk(lambda desk: desk.report(hours=hours)))
    if as_json:
        print_reply(reply)
        return
    rules = Table("rule", "version", "mode", "limit", "what is told")
    for rule in reply.rules:
        rules.add_row(rule.name, str(rule.version), rule.mode, f"{rule.limit:,}", rule.says)
    met = Table("hour", "rule", "mode", "met", "users", "amount")
    for hits in reply.data:
        met.add_row(
            f"{hits.hour:%Y-%m-%d %H:00}",
            f"{hits.rule} v{hits.version}",
            hits.mode,
            str(hits.hits),
            str(hits.users),
            f"{hits.amount.currency} {hits.amount.amount}",
        )
    for part in (rules, met):
        console().print(part)


@app.command()
def backtest(  # noqa: PLR0917 - typer passes options by name
    measure: What,
    limit: Size,
    scope: Of = Scope.USER,
    hours: Hours = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="Of our own past")] = 30,
    as_json: Json = False,
) -> None:
    """What a rule would have stopped of the withdrawals that were accepted."""
    from payops.ops.velocity.schemas import BacktestReply

    rule = _rule("backtest", scope, measure, hours, limit, Mode.ENFORCE)
    reply = BacktestReply.of(_with_desk(lambda desk: desk.backtest(rule, days=days)), scope)
    if as_json:
        print_reply(reply)
        return
    stopped = reply.stopped_amount
    typer.echo(
        f"Of {reply.considered:,} withdrawals in {days} days it would have stopped "
        f"{reply.stopped:,} ({stopped.currency} {stopped.amount}) of {reply.users:,} users."
    )


@app.command()
def make(  # noqa: PLR0917 - as above
    name: Name,
    measure: What,
    limit: Size,
    reason: Reason,
    scope: Of = Scope.USER,
    hours: Hours = None,
    mode: Annotated[Mode, typer.Option(help="Seriously, or only to see")] = Mode.SHADOW,
    as_json: Json = False,
) -> None:
    """A new rule for withdrawals, in force at once."""
    from payops.ops.velocity.schemas import VersionReply

    rule = _rule(name, scope, measure, hours, limit, mode)
    made = VersionReply.of(_with_desk(lambda desk: desk.make(rule, reason, _by())))
    if as_json:
        print_reply(made)
    else:
        typer.echo(f"{name} is in force ({mode}): {made.rule.says}")


@app.command()
def change(
    name: Name,
    reason: Reason,
    limit: Annotated[int | None, typer.Option(min=1, help="Count, or whole shillings")] = None,
    mode: Annotated[Mode | None, typer.Option(help="How seriously")] = None,
    as_json: Json = False,
) -> None:
    """Change a rule: at once when stricter, by another person's approval when looser."""
    from payops.ops.velocity.schemas import PendingReply, VersionReply

    done = _with_desk(
        lambda desk: desk.change(name, limit=limit, mode=mode, reason=reason, by=_by())
    )
    if isinstance(done, Version):
        text = f"{name} is at version {done.rule.version} and in force"
        reply: VersionReply | PendingReply = VersionReply.of(done)
    else:
        text = f"{done.shown_id} waits for another person: payops velocity approve {done.shown_id}"
        reply = PendingReply(change_id=done.shown_id)
    if as_json:
        print_reply(reply)
    else:
        typer.echo(text)


@app.command()
def history(
    rule: Annotated[str | None, typer.Option(help="Of this rule only")] = None,
    as_json: Json = False,
) -> None:
    """Who changed which rule, from what to what, and why; newest first."""
    from payops.ops.velocity.schemas import VersionReply, VersionsReply

    found = _with_desk(lambda desk: desk.history(rule))
    reply = VersionsReply(data=[VersionReply.of(version) for version in found])
    if as_json:
        print_reply(reply)
        return
    table = Table("when", "rule", "from", "to", "mode", "changed by", "approved by", "why")
    for one in reply.data:
        table.add_row(
            f"{one.at:%Y-%m-%d %H:%M:%S}" if one.at else "-",
            f"{one.rule.name} v{one.rule.version}",
            " ".join(f"{name}={value}" for name, value in (one.before or {}).items()) or "new",
            f"{one.rule.limit:,}",
            one.rule.mode,
            one.changed_by,
            one.approved_by or "-",
            one.reason,
        )
    console().print(table)


@app.command()
def changes(as_json: Json = False) -> None:
    """Changes that were asked for, newest first."""
    from payops.ops.velocity.schemas import ChangeReply, ChangesReply

    found = _with_desk(lambda desk: desk.changes(None))
    reply = ChangesReply(data=[ChangeReply.of(one) for one in found])
    if as_json:
        print_reply(reply)
        return
    table = Table("change", "rule", "limit", "mode", "state", "asked by", "decided by", "why")
    for one in reply.data:
        table.add_row(
            one.change_id,
            one.rule,
            f"{one.limit:,}",
            one.mode,
            one.state,
            one.proposed_by,
            one.decided_by or "-",
            one.reason,
        )
    console().print(table)


@app.command()
def approve(change_id: Change, as_json: Json = False) -> None:
    """Put another person's change into force."""
    from payops.ops.velocity.schemas import VersionReply

    version = _with_desk(lambda desk: desk.approve(change_id, _by()))
    if as_json:
        print_reply(VersionReply.of(version))
    else:
        typer.echo(f"{version.rule.name} is at version {version.rule.version} and in force")


@app.command()
def reject(change_id: Change, as_json: Json = False) -> None:
    """Close a change without effect."""
    from payops.ops.velocity.schemas import ChangeReply

    closed = _with_desk(lambda desk: desk.reject(change_id, _by()))
    if as_json:
        print_reply(ChangeReply.of(closed))
    else:
        typer.echo(f"{closed.shown_id} is {closed.state}")


def _rule(  # noqa: PLR0917 - as the options stand
    name: str, scope: Scope, measure: Measure, hours: int | None, limit: int, mode: Mode
) -> Rule:
    window, size = Window(hours), limit * measure.unit
    return Rule(name, scope, Action.WITHDRAWAL, measure, window, size, mode)


def _by() -> "Actor":
    from payops.ops.velocity.service import Actor

    return Actor(actor(), actor())


def _with_desk(work: "Callable[[VelocityDesk], Awaitable[T]]") -> T:
    from payops.ops.velocity.service import VelocityDesk

    return with_services(lambda services: work(VelocityDesk(services.db, services.fraud.changing)))
