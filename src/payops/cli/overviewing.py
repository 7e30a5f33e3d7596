"""How things stand, in one table."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table

from payops.cli.running import Json, console, print_reply, with_services

if TYPE_CHECKING:
    from payops.ops.overview.schemas import HealthReply, HoursReply, OverviewReply, TotalReply


def overview(as_json: Json = False) -> None:
    """Health, money under way, what waits for whom, late jobs, and the last 24 hours."""
    from payops.app import overview_desk_of
    from payops.ops.overview.schemas import OverviewReply

    found = with_services(lambda services: overview_desk_of(services).overview())
    reply = OverviewReply.of(found)
    if as_json:
        print_reply(reply, with_nulls=True)
        return
    table = Table("what", "how it stands", title=f"{reply.at:%Y-%m-%d %H:%M:%S} UTC")
    for row in _rows(reply):
        table.add_row(*row)
    console().print(table)


def _rows(reply: "OverviewReply") -> Iterator[tuple[str, str]]:
    yield from _health(reply.health)
    exposure, work = reply.exposure, reply.work
    yield "held in withdrawals", _total(exposure.held)
    yield "of this unclear", _total(exposure.unclear)
    yield "withdrawals due", _since(work.withdrawals_due, work.withdrawals_due_seconds)
    inbox = [f"{_since(one.count, one.oldest_seconds)} {one.state}" for one in work.inbox]
    yield "inbox", ", ".join(inbox) or "nothing waits"
    deposits = work.deposits
    yield "deposits", f"{deposits.pending} pending, {deposits.confirmed} confirmed"
    stuck = f"{deposits.stuck_for_30_min} waiting too long, {deposits.stuck_paid} paid and stuck"
    yield "deposits stuck", stuck
    yield "invoices in review", str(work.invoices_in_review)
    yield "approvals pending", str(work.approvals_pending)
    late = [f"{j.name} ({j.overdue_minutes} min)" for j in reply.jobs if j.overdue_minutes]
    yield "jobs overdue", ", ".join(late) or "none"
    failed = [job.name for job in reply.jobs if job.status in ("failed", "lost")]
    yield "jobs whose last run failed", ", ".join(failed) or "none"
    yield from _hours(reply.hours)


def _health(health: "HealthReply") -> Iterator[tuple[str, str]]:
    yield from health.checks.items()
    yield "halted", ", ".join(health.halted) or "nothing"
    counts = [f"{count} {severity}" for severity, count in health.open_alerts.items() if count]
    yield "open alerts", ", ".join(counts) or "none"
    books = health.books
    if books is None:
        yield "books", "never checked"
    elif books.ok:
        yield "books", f"right at {books.checked_at:%Y-%m-%d %H:%M} UTC"
    else:
        wrong = ", ".join(books.violations) or "the check itself failed"
        yield "books", f"NOT RIGHT at {books.checked_at:%Y-%m-%d %H:%M} UTC: {wrong}"
    until = health.audit_sealed_until
    yield "audit log sealed until", f"{until:%Y-%m-%d %H:%M:%S} UTC" if until else "never"


def _hours(hours: "HoursReply | None") -> Iterator[tuple[str, str]]:
    from payops.cli.crypto import spark

    if hours is None:
        yield "the last 24 hours", "could not be counted in time"
        return
    yield "accepted by the hour", spark([one.accepted for one in hours.each])
    yield (
        "withdrawals in 24 h",
        f"{hours.accepted} accepted, {hours.completed} completed, {hours.failed} failed",
    )
    yield "paid in 24 h", f"{hours.paid.currency} {hours.paid.amount}"
    yield "seconds to paid, p50 and p95", f"{hours.paid_p50_seconds}, {hours.paid_p95_seconds}"
    sums = ", ".join(f"{one.currency} {one.amount}" for one in hours.deposit_sums)
    yield "deposits credited in 24 h", f"{hours.deposits_credited}  {sums}".rstrip()


def _total(total: "TotalReply") -> str:
    amount = f"{total.amount.currency} {total.amount.amount}"
    return f"{amount} in {_since(total.count, total.oldest_seconds)}"


def _since(count: int, seconds: int) -> str:
    return f"{count} (oldest {seconds // 60} min {seconds % 60} s)" if count else "0"
