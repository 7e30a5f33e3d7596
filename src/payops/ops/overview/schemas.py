"""The overview on the wire and in the command line's JSON."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import Field

from payops.alerts.domain import Severity
from payops.fraud.domain.rules import NAIROBI
from payops.infra.scheduling import Status
from payops.infra.web.replies import MoneyReply
from payops.infra.web.wire import WireReply
from payops.kernel.money import CURRENCIES, KES, Money
from payops.ops.crypto.schemas import MetricsReply
from payops.ops.overview.domain import (
    Books,
    Exposure,
    Health,
    Hourly,
    Hours,
    LastRun,
    Overview,
    Total,
    Work,
)
from payops.webhooks import domain as webhooks
from payops.webhooks.service import Figures as Waiting
from payops.withdrawals.domain import State
from payops.withdrawals.service.reporting import Figures


class BooksStandReply(WireReply):
    checked_at: datetime
    ok: bool = Field(description="False as well when the check itself failed")
    violations: list[str] = Field(description="Invariants that do not hold")

    @classmethod
    def of(cls, books: Books) -> "BooksStandReply":
        return cls(
            checked_at=books.checked_at, ok=books.is_right, violations=list(books.violations)
        )


class HealthReply(WireReply):
    checks: dict[str, str] = Field(description="As `/readyz`: `ok`, or what is wrong")
    halted: list[str] = Field(description="Switches that are off")
    open_alerts: dict[Severity, int] = Field(description="By severity")
    books: BooksStandReply | None = Field(description="The last check; null: there was none yet")
    audit_sealed_until: datetime | None

    @classmethod
    def of(cls, health: Health) -> "HealthReply":
        return cls(
            checks=dict(health.checks),
            halted=list(health.halted),
            open_alerts={one: health.alerts.get(one.value, 0) for one in reversed(Severity)},
            books=BooksStandReply.of(health.books) if health.books else None,
            audit_sealed_until=health.audit_sealed_until,
        )


class TotalReply(WireReply):
    count: int
    amount: MoneyReply
    oldest_seconds: int = Field(description="Age of the oldest; 0 where there is none")

    @classmethod
    def of(cls, total: Total) -> "TotalReply":
        return cls(
            count=total.count,
            amount=_kes(total.amount),
            oldest_seconds=total.oldest_seconds,
        )


class StateReply(TotalReply):
    state: State

    @classmethod
    def of_state(cls, one: Figures) -> "StateReply":
        total = Total(one.count, one.amount_minor, one.oldest_seconds)
        return cls(state=one.state, **dict(TotalReply.of(total)))


class ExposureReply(WireReply):
    held: TotalReply = Field(description="In withdrawals that are not final")
    unclear: TotalReply = Field(description="Of these, `unresolved` and `review`: perhaps paid")
    by_state: list[StateReply]

    @classmethod
    def of(cls, exposure: Exposure) -> "ExposureReply":
        return cls(
            held=TotalReply.of(exposure.held),
            unclear=TotalReply.of(exposure.unclear),
            by_state=[StateReply.of_state(one) for one in exposure.by_state],
        )


class WaitingReply(WireReply):
    state: webhooks.State
    count: int
    oldest_seconds: int

    @classmethod
    def of(cls, one: Waiting) -> "WaitingReply":
        return cls(state=one.state, count=one.count, oldest_seconds=one.oldest_seconds)


class WorkReply(WireReply):
    withdrawals_due: int = Field(description="To be sent or asked about by now")
    withdrawals_due_seconds: int = Field(description="Since when the first has been due")
    inbox: list[WaitingReply] = Field(description="Notifications without effect, by state")
    deposits: MetricsReply
    approvals_pending: int = Field(description="At most 100 are counted")
    invoices_in_review: int

    @classmethod
    def of(cls, work: Work) -> "WorkReply":
        return cls(
            withdrawals_due=work.withdrawals.count,
            withdrawals_due_seconds=work.withdrawals.oldest_seconds,
            inbox=[WaitingReply.of(one) for one in work.inbox],
            deposits=MetricsReply.of(work.deposits),
            approvals_pending=work.approvals,
            invoices_in_review=work.deposits.figures.review,
        )

    def inbox_count(self, state: str) -> int:
        return sum(one.count for one in self.inbox if one.state == state)


class LastRunReply(WireReply):
    name: str
    cron: str = Field(description="Five fields in UTC, or `every 5 s`")
    slot: datetime | None = Field(description="Of its newest run; null: it never ran")
    started_at: datetime | None
    finished_at: datetime | None
    status: Status | None
    overdue_minutes: int | None = Field(description="Since the slot that should be done; or null")

    @classmethod
    def of(cls, last: LastRun) -> "LastRunReply":
        run = last.run
        return cls(
            name=last.name,
            cron=last.when,
            slot=run.slot if run else None,
            started_at=run.started_at if run else None,
            finished_at=run.finished_at if run else None,
            status=run.status if run else None,
            overdue_minutes=last.overdue_minutes,
        )


class HourReply(WireReply):
    """Withdrawals by the hour they were accepted in, deposits by the hour of their credit."""

    since: datetime = Field(description="In Nairobi")
    accepted: int
    completed: int
    failed: int
    paid: MoneyReply
    paid_p50_seconds: int | None = Field(description="From acceptance to paid; null: none was")
    paid_p95_seconds: int | None
    deposits_credited: int
    deposit_sums: list[MoneyReply] = Field(description="By currency")

    @classmethod
    def of(cls, hour: Hourly) -> "HourReply":
        found = hour.withdrawals
        return cls(
            since=hour.since.astimezone(NAIROBI),
            accepted=found.accepted,
            completed=found.completed,
            failed=found.failed,
            paid=_kes(found.paid),
            paid_p50_seconds=found.p50,
            paid_p95_seconds=found.p95,
            deposits_credited=sum(one.count for one in hour.deposits),
            deposit_sums=_sums((one.currency, one.amount) for one in hour.deposits),
        )


class HoursReply(WireReply):
    """The last 24 hours, this one last, and what they come to."""

    read_at: datetime = Field(description="At most a minute ago, when the database keeps up")
    accepted: int
    completed: int
    failed: int
    paid: MoneyReply
    paid_p50_seconds: int | None
    paid_p95_seconds: int | None
    deposits_credited: int
    deposit_sums: list[MoneyReply]
    each: list[HourReply]

    @classmethod
    def of(cls, hours: Hours) -> "HoursReply":
        total = hours.total
        credited = [one for hour in hours.each for one in hour.deposits]
        return cls(
            read_at=hours.read_at,
            accepted=total.accepted,
            completed=total.completed,
            failed=total.failed,
            paid=_kes(total.paid),
            paid_p50_seconds=total.p50,
            paid_p95_seconds=total.p95,
            deposits_credited=sum(one.count for one in credited),
            deposit_sums=_sums((one.currency, one.amount) for one in credited),
            each=[HourReply.of(hour) for hour in hours.each],
        )


class OverviewReply(WireReply):
    at: datetime
    health: HealthReply
    exposure: ExposureReply
    work: WorkReply
    jobs: list[LastRunReply]
    hours: HoursReply | None = Field(description="Null: they could not be counted in time")

    @classmethod
    def of(cls, overview: Overview) -> "OverviewReply":
        return cls(
            at=overview.at,
            health=HealthReply.of(overview.health),
            exposure=ExposureReply.of(overview.exposure),
            work=WorkReply.of(overview.work),
            jobs=[LastRunReply.of(one) for one in overview.jobs],
            hours=HoursReply.of(overview.hours) if overview.hours else None,
        )


def _kes(minor: int) -> MoneyReply:
    return MoneyReply.of(Money(minor, KES))


def _sums(parts: Iterable[tuple[str, int]]) -> list[MoneyReply]:
    """One amount a currency, in the order of their codes."""
    sums: dict[str, int] = {}
    for currency, minor in parts:
        sums[currency] = sums.get(currency, 0) + minor
    return [MoneyReply.of(Money(sums[code], CURRENCIES[code])) for code in sorted(sums)]
