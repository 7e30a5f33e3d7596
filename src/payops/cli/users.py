"""Users: look into one, block and unblock."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.table import Table

from payops.access.domain import is_user_id
from payops.cli.running import USAGE, Json, actor, console, errors, print_reply, with_operations

if TYPE_CHECKING:
    from payops.ops.users.schemas import UserReply

_HOURS_MAX: Final = 24 * 36_500

app = typer.Typer(help="Users", no_args_is_help=True, rich_markup_mode=None)


def _checked(user: str) -> str:
    if not is_user_id(user):
        errors.print("that is not a user id")
        raise typer.Exit(USAGE)
    return user


User = Annotated[str, typer.Argument(metavar="USER", callback=_checked)]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit log, so no personal data")]


@app.command()
def show(user: User, as_json: Json = False) -> None:
    """A user's block, wallets, devices and newest withdrawals."""
    from payops.ops.users import service
    from payops.ops.users.schemas import UserReply

    person = with_operations(lambda operations: service.show_user(operations, user))
    reply = UserReply.of(person)
    if as_json:
        print_reply(reply)
    else:
        _tell(reply)


@app.command()
def block(
    user: User,
    reason: Reason,
    hours: Annotated[
        int | None,
        typer.Option(min=1, max=_HOURS_MAX, help="Over by itself after so long; else until lifted"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Let a user withdraw nothing more, and give back what was not sent."""
    from payops.kernel.clock import SystemClock
    from payops.ops.users import service
    from payops.ops.users.schemas import BlockedReply

    until: datetime | None = SystemClock().now() + timedelta(hours=hours) if hours else None
    blocked = with_operations(
        lambda operations: service.block(
            operations, user, reason=reason, until=until, actor=actor()
        )
    )
    if as_json:
        print_reply(BlockedReply.of_blocked(blocked))
        return
    typer.echo(f"{user} is blocked; {len(blocked.cancelled)} withdrawals were given back")


@app.command()
def unblock(user: User, reason: Reason, as_json: Json = False) -> None:
    """Let a user withdraw again: at once, or with much at stake by two people."""
    from payops.approvals.domain import Approval
    from payops.cli.approvals import by, tell_pending
    from payops.ops.users import service
    from payops.ops.users.schemas import BlockReply

    lifted = with_operations(
        lambda operations: service.unblock(operations, user, reason=reason, by=by())
    )
    if isinstance(lifted, Approval):
        tell_pending(lifted, as_json=as_json)
        return
    if as_json:
        print_reply(BlockReply.of(lifted))
        return
    typer.echo(f"{user} is not blocked any more")


def _tell(reply: "UserReply") -> None:
    facts = Table(show_header=False, box=None)
    facts.add_row("user", reply.user_id)
    if reply.block is None:
        facts.add_row("blocked", "no")
    else:
        until = reply.block.until or "it is lifted"
        facts.add_row("blocked", f"by {reply.block.blocked_by} until {until}: {reply.block.reason}")
    for wallet in reply.wallets:
        held = f"{wallet.available.amount}, held {wallet.held.amount}"
        facts.add_row(wallet.currency, held)
    devices = Table("device", "known by", "since", "last withdrew")
    for device in reply.devices:
        devices.add_row(
            device.device_id,
            device.how,
            f"{device.known_since:%Y-%m-%d %H:%M}",
            f"{device.last_used_at:%Y-%m-%d %H:%M}" if device.last_used_at else "-",
        )
    withdrawals = Table("withdrawal", "amount", "to", "state", "accepted")
    for one in reply.withdrawals:
        withdrawals.add_row(
            one.tx_id,
            f"{one.amount.currency} {one.amount.amount}",
            one.phone_number,
            one.status,
            f"{one.created_at:%Y-%m-%d %H:%M:%S}",
        )
    for part in (facts, devices, withdrawals):
        console().print(part)
