"""The overview: the first page, for whoever was just woken."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from payops.alerts.domain import Severity, runbook_page
from payops.ops.alerting import AlertState, listed
from payops.ops.console.charts import Chart, Series, chart
from payops.ops.console.parts import Console
from payops.ops.console.rendering import page
from payops.ops.console.signing import Reader
from payops.ops.console.spans import span
from payops.ops.overview.schemas import (
    BooksStandReply,
    HealthReply,
    HoursReply,
    OverviewReply,
    WorkReply,
)
from payops.webhooks.domain import State as Inbox

_ALERTS_SHOWN: Final = 10
GOOD, WARN, BAD = "good", "warn", "bad"


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure, where it leads, and whether it is well: ``good``, ``warn``, ``bad`` or ``""``."""

    name: str
    figure: str
    note: str
    tone: str
    path: str


def add_overview(routes: APIRouter, console: Console) -> None:
    @routes.get("", operation_id="consoleOverview")
    async def overview(request: Request, _: Reader) -> Response:
        return page(request, "overview.html", **await _shown(console))

    @routes.get("/figures", operation_id="consoleFigures")
    async def figures(request: Request, _: Reader) -> Response:
        return page(request, "overview_figures.html", **await _shown(console))


async def _shown(console: Console) -> dict[str, Any]:
    reply = OverviewReply.of(await console.overview.overview())
    async with console.operations.db.transaction(read_only=True) as tx:
        found = await listed(tx, AlertState.OPEN, _ALERTS_SHOWN)
    return {
        "reply": reply,
        "tiles": [*_health(reply.health), *_money(reply), *_work(reply.work), *_day(reply.hours)],
        "charts": charts_of(reply.hours) if reply.hours else [],
        "alerts": found.data,
        "runbook": runbook_page,
        "span": span,
    }


def charts_of(hours: HoursReply) -> list[Chart]:
    """Withdrawals by the hour they were accepted in, and deposits by the hour of their credit."""
    starts = [hour.since for hour in hours.each]
    completed = Series("completed", "bar-good", [hour.completed for hour in hours.each])
    failed = Series("failed", "bar-bad", [hour.failed for hour in hours.each])
    credited = Series("credited", "bar-calm", [hour.deposits_credited for hour in hours.each])
    return [
        chart("Withdrawals", starts, [completed, failed]),
        chart("Deposits", starts, [credited]),
    ]


def _health(health: HealthReply) -> Sequence[Tile]:
    wrong = [f"{name}: {state}" for name, state in health.checks.items() if state != "ok"]
    alerts = health.open_alerts
    critical, warning = alerts[Severity.CRITICAL], alerts[Severity.WARNING]
    until = health.audit_sealed_until
    return [
        Tile(
            "Service",
            ", ".join(wrong) or "ready",
            "database and migrations",
            BAD if wrong else GOOD,
            "/ops/checklists",
        ),
        Tile(
            "Open alerts",
            str(sum(alerts.values())),
            f"{critical} critical, {warning} warning",
            BAD if critical else WARN if warning else GOOD,
            "/ops/alerts",
        ),
        Tile(
            "Halted",
            ", ".join(health.halted) or "nothing",
            "flows and providers",
            BAD if health.halted else GOOD,
            "/ops/switches",
        ),
        _books(health.books),
        Tile(
            "Audit log",
            f"{until:%H:%M:%S}" if until else "not sealed",
            f"sealed until, UTC, {until:%d %b}" if until else "nothing is in the chain yet",
            "" if until else WARN,
            "/ops/audit",
        ),
    ]


def _books(books: BooksStandReply | None) -> Tile:
    if books is None:
        return Tile("Books", "not checked", "run the job ledger-verify", WARN, "/ops/jobs")
    checked = f"checked {books.checked_at:%d %b %H:%M} UTC"
    if books.ok:
        return Tile("Books", "right", checked, GOOD, "/ops/jobs")
    wrong = f"{len(books.violations)} wrong" if books.violations else "check failed"
    names = ", ".join(name.replace("_", " ") for name in books.violations)
    return Tile("Books", wrong, ": ".join(filter(None, (checked, names))), BAD, "/ops/alerts")


def _money(reply: OverviewReply) -> Sequence[Tile]:
    held, unclear = reply.exposure.held, reply.exposure.unclear
    oldest = f", oldest {span(held.oldest_seconds)}" if held.count else ""
    doubt = f", oldest {span(unclear.oldest_seconds)}" if unclear.count else ""
    return [
        Tile(
            "Held",
            f"KES {held.amount.amount}",
            f"in {held.count} withdrawals not final{oldest}",
            "",
            "/ops/queue",
        ),
        Tile(
            "Unclear",
            f"KES {unclear.amount.amount}",
            f"{unclear.count} perhaps paid{doubt}",
            WARN if unclear.count else GOOD,
            "/ops/queue",
        ),
    ]


def _work(work: WorkReply) -> Sequence[Tile]:
    deposits = work.deposits
    stuck = deposits.stuck_for_30_min + deposits.stuck_paid
    pending, parked = work.inbox_count(Inbox.PENDING), work.inbox_count(Inbox.PARKED)
    due = work.withdrawals_due
    waited = f"first due {span(work.withdrawals_due_seconds)} ago" if due else "to send or ask"
    return [
        Tile("Withdrawals due", str(due), waited, "", "/ops/queue"),
        Tile(
            "Inbox",
            str(pending),
            f"to be applied, {parked} parked",
            WARN if parked else GOOD,
            "/ops/inbox",
        ),
        Tile(
            "Deposits",
            str(deposits.pending + deposits.confirmed),
            f"under way; {deposits.stuck_for_30_min} wait long, {deposits.stuck_paid} paid, stuck",
            BAD if deposits.stuck_paid else WARN if stuck else GOOD,
            "/ops/crypto",
        ),
        Tile(
            "Invoices in review",
            str(work.invoices_in_review),
            "wait for a person",
            WARN if work.invoices_in_review else GOOD,
            "/ops/queue",
        ),
        Tile(
            "Approvals",
            str(work.approvals_pending),
            "wait for a second person",
            WARN if work.approvals_pending else GOOD,
            "/ops/approvals",
        ),
    ]


def _day(hours: HoursReply | None) -> Sequence[Tile]:
    if hours is None:
        return [Tile("24 hours", "unknown", "could not be counted in time", WARN, "/ops/reports")]
    p50, p95 = hours.paid_p50_seconds, hours.paid_p95_seconds
    took = "nothing was paid" if p50 is None or p95 is None else f"half in {span(p50)}"
    slow = "" if p95 is None else f", 95 % in {span(p95)}"
    return [Tile("Paid in 24 h", f"KES {hours.paid.amount}", f"{took}{slow}", "", "/ops/reports")]
