"""Withdrawals as operations people see them: find one, look into it, move it on."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from payops.cli.opening import What, Why, access_for
from payops.cli.running import (
    USAGE,
    Json,
    actor,
    console,
    errors,
    print_reply,
    with_operations,
    with_services,
)
from payops.withdrawals.domain import State, Withdrawal
from payops.withdrawals.service.resolving import Verdict

if TYPE_CHECKING:
    from payops.approvals.domain import Approval
    from payops.bootstrap import Services
    from payops.ops.doubting import DoubtRequest
    from payops.ops.schemas import AccountReply
    from payops.ops.service import Queued

app = typer.Typer(help="Withdrawals", no_args_is_help=True, rich_markup_mode=None)

TxId = Annotated[str, typer.Argument(metavar="TXID", help="wd_…")]


@app.command("list")
def list_withdrawals(  # noqa: PLR0917 - typer passes options by name
    user: Annotated[str | None, typer.Option(help="Of this user")] = None,
    status: Annotated[State | None, typer.Option(help="In this state")] = None,
    phone: Annotated[
        str | None, typer.Option(help="To this number, in any spelling; the search is recorded")
    ] = None,
    receipt: Annotated[str | None, typer.Option(help="With this M-Pesa receipt")] = None,
    reference: Annotated[str | None, typer.Option(help="With this payout id of the rail")] = None,
    q: Annotated[str | None, typer.Option("--q", help="With this id, of whatever kind")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many at most")] = 20,
    cursor: Annotated[str | None, typer.Option(help="nextCursor of the page before")] = None,
    as_json: Json = False,
) -> None:
    """Withdrawals of all users, newest first."""
    from payops.infra.web.replies import page_of, read_cursor
    from payops.ops import service
    from payops.ops.service import Search
    from payops.withdrawals.schemas import WithdrawalReply

    search = Search(
        user_id=user, state=status, phone=phone, receipt=receipt, reference=reference, named=q
    )
    found = with_operations(
        lambda operations: service.find(
            operations, search, before=read_cursor(cursor), limit=limit + 1, actor=actor()
        )
    )
    page = page_of([WithdrawalReply.of(w) for w in found], [w.id for w in found], limit)
    if as_json:
        print_reply(page)
        return
    table = Table("id", "user", "amount", "to", "state", "receipt", "accepted")
    for shown in page.data:
        table.add_row(
            shown.tx_id,
            shown.user_id,
            f"{shown.amount.currency} {shown.amount.amount}",
            shown.phone_number,
            shown.status,
            shown.receipt or "-",
            f"{shown.created_at:%Y-%m-%d %H:%M:%S}",
        )
    console().print(table)
    if page.next_cursor:
        typer.echo(f"There are more: --cursor {page.next_cursor}")


@app.command()
def show(txid: TxId, as_json: Json = False) -> None:
    """One withdrawal with its attempts and its audit trail."""
    from payops.ops import service
    from payops.ops.schemas import AccountReply

    account = with_operations(lambda operations: service.account_of(operations, txid))
    reply = AccountReply.of_account(account)
    if as_json:
        print_reply(reply)
    else:
        _tell(reply)


@app.command()
def retry(txid: TxId, as_json: Json = False) -> None:
    """Have it sent or asked about now, as its state allows."""
    from payops.ops import service

    withdrawal = with_operations(lambda operations: service.retry(operations, txid, actor=actor()))
    _answer(withdrawal, "is looked at by the worker now", as_json=as_json)


@app.command()
def resolve(
    txid: TxId,
    outcome: Annotated[Verdict, typer.Option(help="What was found out")],
    reason: Annotated[str, typer.Option(help="Kept in the audit log: name no customer")],
    receipt: Annotated[str | None, typer.Option(help="M-Pesa's, if they have it")] = None,
    as_json: Json = False,
) -> None:
    """Ask to settle an unclear payout as paid or not paid; another person approves."""
    from payops.cli.approvals import by, tell_pending
    from payops.infra.web.body import parse
    from payops.ops.approvals.schemas import ResolveRequest

    async def ask(services: "Services") -> "Approval":
        # The same words are refused here as over HTTP.
        typed = {"outcome": outcome.value, "reason": reason}
        body = parse(ResolveRequest, json.dumps(typed | _given(receipt=receipt)).encode())
        return await services.four_eyes.desk.ask_resolve(
            txid, body.resolution(), reason=body.reason, by=by()
        )

    tell_pending(with_services(ask), as_json=as_json)


@app.command("write-off")
def write_off(
    txid: TxId,
    receipt: Annotated[str, typer.Option(help="M-Pesa's, of the payment that was made")],
    reason: Annotated[str, typer.Option(help="The root cause; kept in the audit log")],
    as_json: Json = False,
) -> None:
    """Ask to accept that a payout was paid whose money went back; another person approves."""
    from payops.cli.approvals import by, tell_pending
    from payops.infra.web.body import parse
    from payops.ops.approvals.schemas import WriteOffRequest

    async def ask(services: "Services") -> "Approval":
        # The same words are refused here as over HTTP.
        body = parse(WriteOffRequest, json.dumps({"receipt": receipt, "reason": reason}).encode())
        return await services.four_eyes.desk.ask_write_off(
            txid, body.receipt, reason=body.reason, by=by()
        )

    tell_pending(with_services(ask), as_json=as_json)


@app.command()
def cancel(txid: TxId, as_json: Json = False) -> None:
    """Give the money back, while nothing has been sent."""
    from payops.ops import service

    withdrawal = with_operations(lambda operations: service.cancel(operations, txid, actor=actor()))
    _answer(withdrawal, "the money is available again", as_json=as_json)


@app.command()
def phone(txid: TxId, purpose: What, reason: Why, as_json: Json = False) -> None:
    """Show the phone number in the clear; that you looked is recorded and counted."""
    from payops.ops import service
    from payops.ops.personal_data import PhoneReply

    opened = with_operations(
        lambda operations: service.open_phone(operations, txid, access_for(txid, purpose, reason))
    )
    if as_json:
        print_reply(PhoneReply(tx_id=txid, phone_number=f"+{opened.digits}"))
    else:
        typer.echo(f"+{opened.digits}")


@app.command()
def doubt(  # noqa: PLR0917 - typer passes options by name
    reason: Annotated[str, typer.Option(help="Kept in the audit log: name no customer")],
    txids: Annotated[
        list[str] | None, typer.Argument(metavar="[TXID]...", help="Only these, instead of all")
    ] = None,
    all_pending: Annotated[bool, typer.Option("--all-pending", help="All that is queued")] = False,
    since: Annotated[
        str | None, typer.Option(help="Of all, those accepted from 2026-11-23T01:59:00+00:00 on")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it comes to")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
    as_json: Json = False,
) -> None:
    """After a failover or a restore: have what is queued asked about instead of sent."""
    from payops.infra.web.body import parse
    from payops.ops.doubting import DoubtReply, DoubtRequest

    if as_json and not (yes or dry_run):
        errors.print("--json needs --yes or --dry-run: there is nobody to ask")
        raise typer.Exit(USAGE)
    # The same words are refused here as over HTTP.
    typed = {"allPending": all_pending, "reason": reason, **_given(since=since)}
    body = parse(DoubtRequest, json.dumps(typed | ({"txIds": txids} if txids else {})).encode())
    if not yes:
        foreseen = _doubt(body, dry_run=True)
        if dry_run and as_json:
            print_reply(DoubtReply.of(foreseen, dry_run=True))
            return
        _tell_doubts(foreseen, "would be put in doubt")
        if dry_run:
            return
        typer.confirm("Have the rail asked about them, and none of them sent?", abort=True)
    made = _doubt(body, dry_run=False)
    if as_json:
        print_reply(DoubtReply.of(made, dry_run=False))
    else:
        _tell_doubts(made, "are in doubt now, and asked about")


def _doubt(body: "DoubtRequest", *, dry_run: bool) -> "Queued":
    from payops.ops import service

    return with_operations(
        lambda operations: service.doubt(
            operations,
            body.named(),
            since=body.since,
            reason=body.reason,
            dry_run=dry_run,
            actor=actor(),
        )
    )


def _tell_doubts(doubts: "Queued", what: str) -> None:
    span = f", accepted {doubts.oldest} to {doubts.newest}" if doubts.count else ""
    typer.echo(f"{doubts.count:,} of KES {doubts.amount_minor // 100:,} {what}{span}")


def _answer(withdrawal: Withdrawal, remark: str, *, as_json: bool) -> None:
    from payops.withdrawals.schemas import WithdrawalReply

    if as_json:
        print_reply(WithdrawalReply.of(withdrawal))
    else:
        typer.echo(f"{withdrawal.txid} is {withdrawal.state}: {remark}")


def _given(**options: str | None) -> dict[str, str]:
    return {name: value for name, value in options.items() if value is not None}


def _tell(reply: "AccountReply") -> None:
    facts = Table(show_header=False, box=None)
    shown = reply.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude={"attempt_log", "audit_trail"}
    )
    for name, value in shown.items():
        text = " ".join(map(str, value.values())) if isinstance(value, dict) else str(value)
        facts.add_row(name, text)
    attempts = Table("send", "began", "answer", "detail", "answered")
    for attempt in reply.attempt_log:
        attempts.add_row(
            str(attempt.number),
            f"{attempt.started_at:%H:%M:%S.%f}",
            attempt.answer or "on the wire",
            attempt.detail or "",
            f"{attempt.answered_at:%H:%M:%S.%f}" if attempt.answered_at else "",
        )
    trail = Table("when", "what", "who", "detail")
    for entry in reply.audit_trail:
        detail = " ".join(f"{name}={value}" for name, value in entry.detail.items())
        trail.add_row(f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.kind, entry.actor, detail)
    for part in (facts, attempts, trail):
        console().print(part)
