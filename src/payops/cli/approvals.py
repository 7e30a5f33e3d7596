"""What waits for a second person: look, approve, reject. And asking for a refund."""

from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.table import Table

from payops.approvals.domain import Person, State
from payops.cli.running import Json, actor, console, print_json, print_reply, with_services
from payops.withdrawals.service.deciding import Bearer

if TYPE_CHECKING:
    from payops.approvals.domain import Approval
    from payops.ops.approvals.schemas import ApprovalReply

app = typer.Typer(help="Approvals", no_args_is_help=True, rich_markup_mode=None)
refunds = typer.Typer(help="Refunds", no_args_is_help=True, rich_markup_mode=None)

Id = Annotated[str, typer.Argument(metavar="APPROVAL", help="apr_…, or chg_… of a velocity rule")]
Why = Annotated[str, typer.Option("--reason", help="Kept in the audit log: name no customer")]
_LISTED_MAX: Final = 100


def by() -> Person:
    """The person at the keyboard."""
    return Person(actor(), actor())


def tell_pending(approval: "Approval", *, as_json: bool) -> None:
    """What was asked for waits; who can end that, and how."""
    from payops.ops.approvals.schemas import PendingReply

    if as_json:
        print_reply(PendingReply.of(approval))
        return
    shown = approval.shown_id
    typer.echo(f"{shown} waits for another person: payops approvals approve {shown}")


@app.command("list")
def list_approvals(
    status: Annotated[State | None, typer.Option(help="[default: those that wait]")] = None,
    everything: Annotated[bool, typer.Option("--all", help="In whatever state")] = False,
    limit: Annotated[int, typer.Option(min=1, max=_LISTED_MAX, help="How many at most")] = 20,
    as_json: Json = False,
) -> None:
    """What two people decide or decided, newest first."""
    from payops.ops.approvals.schemas import ApprovalReply

    wanted = None if everything else status or State.PENDING
    found = with_services(
        lambda services: services.four_eyes.desk.page(state=wanted, before=None, limit=limit)
    )
    replies = [ApprovalReply.of(one) for one in found]
    if as_json:
        data = [one.model_dump(mode="json", by_alias=True, exclude_none=True) for one in replies]
        print_json({"data": data})
        return
    table = Table("approval", "what", "of", "exactly", "why", "asked by", "until", "status")
    for one in replies:
        table.add_row(
            one.approval_id,
            one.action,
            one.subject,
            " ".join(f"{name}={value}" for name, value in one.asked.items()),
            one.reason,
            one.asked_by,
            f"{one.expires_at:%Y-%m-%d %H:%M}" if one.expires_at else "-",
            f"{one.status} by {one.decided_by}" if one.decided_by else one.status,
        )
    console().print(table)


@app.command()
def approve(
    approval: Id,
    reason: Annotated[str, typer.Option(help="Kept in the audit log")] = "",
    as_json: Json = False,
) -> None:
    """Allow what another person asked for; it is done at once."""
    from payops.ops.approvals.schemas import ApprovalReply

    done = with_services(
        lambda services: services.four_eyes.desk.approve(approval, by=by(), reason=reason)
    )
    _tell_decided(ApprovalReply.of(done), as_json=as_json)


@app.command()
def reject(
    approval: Id,
    reason: Annotated[str, typer.Option(help="Kept in the audit log")] = "",
    as_json: Json = False,
) -> None:
    """Close what another person asked for, without effect."""
    from payops.ops.approvals.schemas import ApprovalReply

    closed = with_services(
        lambda services: services.four_eyes.desk.reject(approval, by=by(), reason=reason)
    )
    _tell_decided(ApprovalReply.of(closed), as_json=as_json)


@refunds.command()
def create(
    txid: Annotated[str, typer.Argument(metavar="TXID", help="wd_…")],
    reason: Why,
    borne_by: Annotated[
        Bearer, typer.Option(help="rail: the money is back in our float; house: it is our loss")
    ] = Bearer.HOUSE,
    as_json: Json = False,
) -> None:
    """Ask to give a completed payout back to its user; another person approves."""
    asked = with_services(
        lambda services: services.four_eyes.desk.ask_refund(txid, borne_by, reason=reason, by=by())
    )
    tell_pending(asked, as_json=as_json)


@refunds.callback()
def _group() -> None:
    """Keeps ``create`` a command of its own although it is the only one."""


def _tell_decided(reply: "ApprovalReply", *, as_json: bool) -> None:
    if as_json:
        print_reply(reply)
    else:
        typer.echo(f"{reply.approval_id} is {reply.status}: {reply.action} of {reply.subject}")
